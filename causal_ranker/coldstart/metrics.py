"""Utility for users and fairness to items, of one ranking of cold items.

Mean Discounted Gain asks for each item how highly its own audience finds it (Zhu et al.,
"Fairness among New Items in Cold Start Recommender Systems", SIGIR 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.ranking import Audience, ranked_blocks
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.stats.accuracy import accuracy_at_k

__all__ = ["Fairness", "ListMetrics", "Utility", "evaluate_embeddings", "fairness_of"]

_DEPTH = 100


@dataclass(frozen=True)
class Utility:
    """Means over users with at least one positive, at one length of list.

    Parameters
    ----------
    recall, precision, ndcg : float
        In [0, 1]; binary gains, and an ideal list of ``min(n_positives, k)`` hits.
    """

    recall: float
    precision: float
    ndcg: float


@dataclass(frozen=True)
class Fairness:
    """How Mean Discounted Gain spreads over items.

    Parameters
    ----------
    mean : float
        Over items with an audience.
    lowest : dict of int to float
        Mean over the ``floor(p n)`` worst items, by p in percent: 10, 20, 30, 50.
    highest : float
        Mean over the ``floor(n / 10)`` best items.
    zeros : float
        Share of items that nobody of their audience finds in the first hundred.
    audience_correlation : float
        Pearson correlation with the size of the audience; NaN where either is constant.
    """

    mean: float
    lowest: dict[int, float]
    highest: float
    zeros: float
    audience_correlation: float


@dataclass(frozen=True)
class ListMetrics:
    """What one ranking gives users, and what it gives items.

    Parameters
    ----------
    utility : dict of int to Utility
        By length of list.
    gains : numpy.ndarray
        Shape (n_items,): Mean Discounted Gain, NaN for an item without audience.
    fairness : Fairness
        Its summary.
    users : int
        Users with at least one positive; the others enter nothing.
    """

    utility: dict[int, Utility]
    gains: NDArray[np.float64]
    fairness: Fairness
    users: int


def evaluate_embeddings(
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    *,
    audience: Audience,
    lengths: Sequence[int] = (15, 30, 200),
) -> ListMetrics:
    """Rank every item for every user by the product of embeddings, and judge the ranking.

    ``MDG_i = (1 / |U_i|) sum_{u in U_i} 1[r_ui <= 100] / log2(1 + r_ui)``.

    Parameters
    ----------
    users : numpy.ndarray
        Shape (n_users, width).
    items : numpy.ndarray
        Shape (n_items, width): the items ranked against each other.
    audience : Audience
        Positives.
    lengths : sequence of int
        Lengths of list k.

    Returns
    -------
    ListMetrics
        Utility and fairness.

    Raises
    ------
    ConfigError
        If a length is below 1 or above the number of items.
    EmptyError
        If there is no positive.
    """
    outside = [k for k in lengths if not 1 <= k <= len(items)]
    if outside:
        raise ConfigError(
            expected=f"lengths of list from 1 to {len(items)}, the number of items ranked",
            came=", ".join(map(str, outside)),
            do="Ask for shorter lists, or rank more items.",
        )
    n_items = audience.matrix.shape[1]
    liked = np.diff(audience.matrix.indptr)
    if not liked.any():
        raise EmptyError(
            expected="at least one pair of user and ranked item",
            came="none",
            do="Check that the pairs are of the items that are ranked.",
        )
    gain_sum = np.zeros(n_items)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for block in ranked_blocks(users, items, audience=audience):
        gain = np.where(block.ranks <= _DEPTH, 1 / np.log2(1 + block.ranks), 0.0)
        gain_sum += np.bincount(block.items, weights=gain, minlength=n_items)
        found.append((block.ranks, block.users))
    ranks, whose = (np.concatenate(parts) for parts in zip(*found, strict=True))
    utility = {k: _utility(ranks, whose, liked=liked, k=k) for k in lengths}
    sizes = np.bincount(audience.matrix.indices, minlength=n_items)
    gains = np.full(n_items, np.nan)
    np.divide(gain_sum, sizes, out=gains, where=sizes > 0)
    return ListMetrics(utility, gains, fairness_of(gains, sizes=sizes), int((liked > 0).sum()))


def _utility(
    ranks: NDArray[np.int64], users: NDArray[np.int64], *, liked: NDArray[np.int64], k: int
) -> Utility:
    """Average over users with a positive; `ranks` and `users` are those of the positives."""
    each = accuracy_at_k(ranks, np.ones(ranks.size), users, relevant=liked, k=k)
    return Utility(
        recall=float(np.nanmean(each.recall)),
        precision=float(np.nanmean(each.precision)),
        ndcg=float(np.nanmean(each.ndcg)),
    )


def fairness_of(gains: NDArray[np.float64], *, sizes: NDArray[np.int64]) -> Fairness:
    """Summarise Mean Discounted Gain over items.

    Parameters
    ----------
    gains : numpy.ndarray
        Shape (n_items,), NaN for items without audience, which are left out.
    sizes : numpy.ndarray
        Shape (n_items,): sizes of the audiences.

    Returns
    -------
    Fairness
        The summary. Where ``floor(p n)`` is 0, the single worst (best) item stands for the share.

    Raises
    ------
    EmptyError
        If no item has an audience.
    """
    known = ~np.isnan(gains)
    if not known.any():
        raise EmptyError(
            expected="at least one item with an audience", came="none", do="Check the pairs."
        )
    ordered = np.sort(gains[known])
    count = len(ordered)

    def few(percent: int) -> int:
        return max(1, percent * count // 100)

    with np.errstate(invalid="ignore", divide="ignore"):
        varies = np.ptp(ordered) > 0 and np.ptp(sizes[known]) > 0
        correlation = np.corrcoef(gains[known], sizes[known])[0, 1] if varies else np.nan
    return Fairness(
        mean=float(ordered.mean()),
        lowest={percent: float(ordered[: few(percent)].mean()) for percent in (10, 20, 30, 50)},
        highest=float(ordered[-few(10) :].mean()),
        zeros=float(np.mean(ordered == 0)),
        audience_correlation=float(correlation),
    )
