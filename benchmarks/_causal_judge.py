"""Rankings of all items for each user, judged by a draw whose both outcomes are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from causal_ranker.worlds.semisynthetic.pair_world import PairDraw

__all__ = ["FIGURES", "by_user", "ndcg", "true_cdcg"]

Array = NDArray[np.float64]

#: In the order of the last axis of `by_user`.
FIGURES: Final = ("CP@10", "CP@100", "CDCG", "NDCG@10")
#: Users at a time: the whole ranking of all at once would be gigabytes of a large world.
_BLOCK: Final = 256


def by_user(scores: NDArray[np.float32], draw: PairDraw, *, rng: np.random.Generator) -> Array:
    """Judge each user's ranking.

    The first three are the terms of `causal_ranker.stats.rank_metrics`, with the drawn effect
    Y(1) - Y(0) as tau. Ties are broken by lot.

    Parameters
    ----------
    scores : ndarray, shape (users, items)
        Larger comes first.
    draw : PairDraw
        What would have been played.
    rng : numpy.random.Generator
        For ties.

    Returns
    -------
    ndarray, shape (users, 4)
        `FIGURES`; NDCG, which is of plays, is NaN for a user who played nothing.

    Raises
    ------
    ValueError
        If a score is not a number.
    """
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} scores are not numbers")
    effect, played = draw.effect, draw.played
    blocks = [
        _block(
            scores[start : start + _BLOCK],
            effect[start : start + _BLOCK],
            played[start : start + _BLOCK],
            rng,
        )
        for start in range(0, len(scores), _BLOCK)
    ]
    return np.concatenate(blocks)


def _block(
    scores: NDArray[np.float32],
    effect: NDArray[np.int8],
    played: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Array:
    lots = rng.random(scores.shape, dtype=np.float32)
    order = np.lexsort((lots, -scores), axis=1)
    tau = np.take_along_axis(effect, order, axis=1).astype(np.float64)
    discount = 1 / np.log2(2 + np.arange(scores.shape[1]))
    return np.stack(
        [
            tau[:, :10].sum(axis=1) / 10,
            tau[:, :100].sum(axis=1) / 100,
            tau @ discount,
            ndcg(order[:, :10], played),
        ],
        axis=1,
    )


def true_cdcg(scores: NDArray[np.float32], draw: PairDraw) -> float:
    """Return the CDCG of a ranking without ties, as `by_user` has it, averaged over users.

    Parameters
    ----------
    scores : ndarray, shape (users, items)
        Larger comes first; of ties, the first item.
    draw : PairDraw
        What would have been played.

    Returns
    -------
    float
        In plays a user.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    tau = np.take_along_axis(draw.effect, order, axis=1)
    return float((tau @ (1 / np.log2(2 + np.arange(scores.shape[1])))).mean())


def ndcg(first: NDArray[np.int64], played: NDArray[np.bool_]) -> Array:
    """Return the NDCG of plays in the first places.

    Parameters
    ----------
    first : ndarray of int, shape (users, k)
        Items in the first k places.
    played : ndarray of bool, shape (users, items)
        Y.

    Returns
    -------
    ndarray, shape (users,)
        From 0 to 1; NaN for a user who played nothing.
    """
    discount = 1 / np.log2(2 + np.arange(first.shape[1]))
    best = np.concatenate(([0.0], np.cumsum(discount)))
    ideal = best[np.minimum(played.sum(axis=1), first.shape[1])]
    gained: Array = np.take_along_axis(played, first, axis=1) @ discount
    return np.asarray(np.divide(gained, ideal, out=np.full(len(ideal), np.nan), where=ideal > 0))
