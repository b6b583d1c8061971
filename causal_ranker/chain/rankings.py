"""The policies that a report compares, as ranks of a block's rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from causal_ranker.chain.score import Listed, Ranking
from causal_ranker.chain.sides import SidePlace, side_columns
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.reranking.chained import ChainedPolicy, ListPolicy, rank_lists
from causal_ranker.reranking.lists import CandidateLists
from causal_ranker.reranking.ranks import top_within

__all__ = ["by_chance", "by_policy", "by_popularity"]

_Score = Callable[[FeatureBlock, NDArray[np.float64]], NDArray[np.float64]]


def by_policy(policy: ListPolicy, sides: Mapping[str, SidePlace] | None = None) -> Ranking:
    """Rank by a policy of base score and uplift.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.
    sides : mapping of str to SidePlace, optional
        Where the columns stand that its rules read.

    Returns
    -------
    Ranking
        A ranking.
    """
    if not isinstance(policy, ChainedPolicy):
        scorer = policy
        return _by_score(
            lambda block, uplift: scorer.score(block.base_score, uplift, request=block.request())
        )

    def rank(
        block: FeatureBlock,
        uplift: NDArray[np.float64],
        *,
        inside: NDArray[np.bool_],
        k: int,
    ) -> Listed:
        rows = np.flatnonzero(inside)
        lists = CandidateLists(
            request=block.request()[rows],
            base_score=block.base_score[rows],
            base_rank=block.base_rank[rows],
            uplift=uplift[rows],
            columns=side_columns(block, sides or {}, rows=rows),
        )
        found = rank_lists(policy, lists, k=k)
        ranks = np.zeros(len(block), dtype=np.int64)
        ranks[rows] = found.rank
        return Listed(ranks, {rule: int(broken.sum()) for rule, broken in found.relaxed.items()})

    return rank


def by_popularity(config: FeatureConfig) -> Ranking:
    """Rank by repeat plays: the user's own plays of the item, then everyone's recent plays.

    Parameters
    ----------
    config : FeatureConfig
        Names of the features.

    Returns
    -------
    Ranking
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

    return _by_score(score)


def by_chance(rng: np.random.Generator) -> Ranking:
    """Rank at random.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.

    Returns
    -------
    Ranking
        A ranking.
    """
    return _by_score(lambda block, _uplift: rng.random(len(block)))


def _by_score(score: _Score) -> Ranking:
    """Rank by scores of which the largest comes first."""

    def rank(
        block: FeatureBlock,
        uplift: NDArray[np.float64],
        *,
        inside: NDArray[np.bool_],
        k: int,
    ) -> Listed:
        # Rows outside the band stand behind all others, so that lists keep one length.
        # Equal scores keep the base order, as they do where lists are served.
        values = np.where(inside, score(block, uplift), -np.inf)
        ranks = top_within(block.request(), values, k=k, tie_break=block.base_rank)
        return Listed(np.where(inside, ranks, 0))

    return rank
