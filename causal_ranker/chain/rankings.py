"""The policies that a report compares, as scores of a block's rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.chain.score import Ranking
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.reranking.policies import Policy

__all__ = ["by_chance", "by_policy", "by_popularity"]


def by_policy(policy: Policy) -> Ranking:
    """Rank by a policy of base score and uplift.

    Parameters
    ----------
    policy : Policy
        The policy.

    Returns
    -------
    callable
        A ranking.
    """

    def score(block: FeatureBlock, uplift: NDArray[np.float64]) -> NDArray[np.float64]:
        return policy.score(block.base_score, uplift, request=block.request())

    return score


def by_popularity(config: FeatureConfig) -> Ranking:
    """Rank by repeat plays: the user's own plays of the item, then everyone's recent plays.

    Parameters
    ----------
    config : FeatureConfig
        Names of the features.

    Returns
    -------
    callable
        A ranking.
    """
    own = config.names.index(f"pair_plays_{config.longest}d")
    everyone = config.names.index(f"item_plays_{config.windows_days[0]}d")

    def score(block: FeatureBlock, _uplift: NDArray[np.float64]) -> NDArray[np.float64]:
        popularity = block.features[:, everyone].astype(np.float64)
        # Own plays are whole numbers; popularity, below 1, only breaks their ties.
        mine = block.features[:, own].astype(np.float64)
        total: NDArray[np.float64] = mine + popularity / (1.0 + popularity.max(initial=0.0))
        return total

    return score


def by_chance(rng: np.random.Generator) -> Ranking:
    """Rank at random.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.

    Returns
    -------
    callable
        A ranking.
    """

    def score(block: FeatureBlock, _uplift: NDArray[np.float64]) -> NDArray[np.float64]:
        return rng.random(len(block))

    return score
