"""Fairer scores of new items, from a table of who liked the old ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from causal_ranker.coldstart.choice import NDCG_AT, Choice, held_out
from causal_ranker.coldstart.gen import GenConfig, choose_gen
from causal_ranker.coldstart.named import NamedScores, audience_of
from causal_ranker.coldstart.scale import ScaleConfig, choose_scale
from causal_ranker.coldstart.scores import FactoredScores, MatrixScores, Scores, factorised
from causal_ranker.coldstart.two_tiers import two_tiers
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import EmptyError
from causal_ranker.recommenders.ids import Ids

__all__ = ["DebiasConfig", "Debiased", "debias"]


class DebiasConfig(FrozenConfig):
    """How scores are made fairer.

    Parameters
    ----------
    method : {"scale", "gen", "two_tiers"}
        Which post-processor.
    most_loss : float
        Share of NDCG@15 that may be lost on the items that the strength is chosen on.
    validation_share : float
        Share of the warm items that the strength is chosen on.
    head : int
        Of lists in two tiers: the length that stays as it is.
    width : int
        Of the embeddings that a matrix of scores is approximated by.
    seed : int
        Decides which warm items are held out.
    """

    method: Literal["scale", "gen", "two_tiers"] = "gen"
    most_loss: float = Field(default=0.03, ge=0, le=1)
    validation_share: float = Field(default=0.15, gt=0, lt=1)
    head: int = Field(default=30, ge=0)
    width: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Debiased:
    """New scores of the cold items.

    Parameters
    ----------
    scores : Scores
        Shape (n_users, n_cold).
    users, items : Ids
        Of its rows and columns.
    choice : Choice of ScaleConfig or GenConfig, or None
        How the strength was chosen; lists in two tiers have none.
    counts : dict of str to int
        Users, those among them without a pair, who keep the scores they came with but for the
        order of two tiers, and items by what became of them.
    missed : float
        Share of the squares of a score matrix that its embeddings miss; 0 for embeddings.
    """

    scores: Scores
    users: Ids
    items: Ids
    choice: Choice[ScaleConfig] | Choice[GenConfig] | None
    counts: dict[str, int]
    missed: float


def debias(
    scores: NamedScores, pairs: pd.DataFrame, *, config: DebiasConfig | None = None
) -> Debiased:
    """Make the scores of items without pairs fairer, by what those with pairs teach.

    Parameters
    ----------
    scores : NamedScores
        Of one recommender, for warm and for cold items.
    pairs : pandas.DataFrame
        Who liked which warm item, ``user_id`` and ``item_id``.
    config : DebiasConfig, optional
        The method.

    Returns
    -------
    Debiased
        Scores of the cold items.

    Raises
    ------
    EmptyError
        If there is no cold item, or too few warm ones with pairs.
    DataError
        If a score is NaN or infinite.
    """
    config = config or DebiasConfig()
    heard = audience_of(pairs, users=scores.users, items=scores.items)
    liked = heard.audience.of_each_item() > 0
    warm, cold = np.flatnonzero(liked), np.flatnonzero(~liked)
    if not cold.size:
        raise EmptyError(
            expected="scores of items without pairs, which are the new ones",
            came=f"pairs of all {len(warm)} items",
            do="Score the new items, too; warm ones are learned from and not written.",
        )
    named = scores.of_items(cold)
    counts = {
        "users": scores.scores.shape[0],
        "users_without_positives": int((np.diff(heard.audience.matrix.indptr) == 0).sum()),
        "new_items": len(cold),
        "warm_items": len(warm),
        "pairs_of_other_users": heard.of_other_users,
        "pairs_of_other_items": heard.of_other_items,
    }
    if config.method == "two_tiers":
        ordered = two_tiers(named.scores, head=config.head)
        return Debiased(ordered, named.users, named.items, None, counts, 0.0)
    factors, missed = _factors(scores.scores, width=config.width)
    train, held = held_out(warm, share=config.validation_share, seed=config.seed)
    # The choice looks at lists of NDCG_AT of them, and at a tenth.
    if len(held) < NDCG_AT:
        raise EmptyError(
            expected=f"at least {NDCG_AT} warm items to choose a strength on",
            came=f"{len(held)} of {len(warm)}",
            do="Give more of them pairs, or hold out a greater share.",
        )
    choose = choose_scale if config.method == "scale" else choose_gen
    choice = choose(
        factors.of_items(train),
        audience=heard.audience.of_items(train),
        validation=factors.of_items(held),
        validation_audience=heard.audience.of_items(held),
        most_loss=config.most_loss,
    )
    new: Scores = choice.map(factors.items[cold])
    counts["held_out_items"] = len(held)
    return Debiased(new, named.users, named.items, choice, counts, missed)


def _factors(scores: FactoredScores | MatrixScores, *, width: int) -> tuple[FactoredScores, float]:
    if isinstance(scores, FactoredScores):
        return scores, 0.0
    return factorised(scores.matrix, width=min(width, *scores.shape))
