"""Utility for users and fairness to items, of one ranking of cold items.

Mean Discounted Gain asks for each item how highly its own audience finds it (Zhu et al.,
"Fairness among New Items in Cold Start Recommender Systems", SIGIR 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.ranking import Audience, RankedBlock, ranked_blocks
from causal_ranker.coldstart.scores import FactoredScores, Scores
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.stats.accuracy import accuracy_at_k

__all__ = [
    "Fairness",
    "ListMetrics",
    "Utility",
    "evaluate",
    "evaluate_embeddings",
    "fairness_of",
    "gain_of",
    "share_of_items",
]

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
        Users with at least one positive.
    users_left_out : int
        The others, who enter nothing.
    positives : RankedBlock
        Every positive with its rank.
    """

    utility: dict[int, Utility]
    gains: NDArray[np.float64]
    fairness: Fairness
    users: int
    users_left_out: int
    positives: RankedBlock


def evaluate(
    scores: Scores, *, audience: Audience, lengths: Sequence[int] = (15, 30, 200)
) -> ListMetrics:
    """Rank every item for every user, and judge the ranking.

    ``MDG_i = (1 / |U_i|) sum_{u in U_i} 1[r_ui <= 100] / log2(1 + r_ui)``.

    Parameters
    ----------
    scores : Scores
        Of the items that are ranked against each other.
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
    SchemaError, RowError
        If the shapes do not fit, or a score is NaN or infinite.
    """
    n_items = scores.shape[1]
    outside = [k for k in lengths if not 1 <= k <= n_items]
    if outside:
        raise ConfigError(
            expected=f"lengths of list from 1 to {n_items}, the number of items ranked",
            came=", ".join(map(str, outside)),
            do="Ask for shorter lists, or rank more items.",
        )
    liked = np.diff(audience.matrix.indptr)
    if not liked.any():
        raise EmptyError(
            expected="at least one pair of user and ranked item",
            came="none",
            do="Check that the pairs are of the items that are ranked.",
        )
    blocks = list(ranked_blocks(scores, audience=audience))
    found = RankedBlock(
        **{
            part: np.concatenate([getattr(block, part) for block in blocks])
            for part in ("users", "items", "ranks")
        }
    )
    sizes = np.bincount(found.items, minlength=n_items)
    gains = np.full(n_items, np.nan)
    summed = np.bincount(found.items, weights=gain_of(found.ranks), minlength=n_items)
    np.divide(summed, sizes, out=gains, where=sizes > 0)
    return ListMetrics(
        utility={k: _utility(found, liked=liked, k=k) for k in lengths},
        gains=gains,
        fairness=fairness_of(gains, sizes=sizes),
        users=int((liked > 0).sum()),
        users_left_out=int((liked == 0).sum()),
        positives=found,
    )


def evaluate_embeddings(
    users: NDArray[np.floating],
    items: NDArray[np.floating],
    *,
    audience: Audience,
    lengths: Sequence[int] = (15, 30, 200),
) -> ListMetrics:
    """Judge the ranking by the product of embeddings; see `evaluate`.

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
    """
    return evaluate(FactoredScores(users, items), audience=audience, lengths=lengths)


def gain_of(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what an item gains by its rank for one of its audience.

    Parameters
    ----------
    ranks : numpy.ndarray
        Ranks, from 1.

    Returns
    -------
    numpy.ndarray
        ``1 / log2(1 + rank)``, and 0 beyond rank 100.
    """
    return np.where(ranks <= _DEPTH, 1 / np.log2(1 + ranks), 0.0)


def share_of_items(percent: int, *, count: int) -> int:
    """Return how many items a share of them is: rounded down, but one at least.

    Parameters
    ----------
    percent : int
        The share, from 1 to 100.
    count : int
        All items with an audience.

    Returns
    -------
    int
        The number of items.
    """
    return max(1, percent * count // 100)


def _utility(found: RankedBlock, *, liked: NDArray[np.int64], k: int) -> Utility:
    """Average over users with a positive."""
    ones = np.ones(found.ranks.size)
    each = accuracy_at_k(found.ranks, ones, found.users, relevant=liked, k=k)
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
    lowest = {p: float(ordered[: share_of_items(p, count=count)].mean()) for p in (10, 20, 30, 50)}
    with np.errstate(invalid="ignore", divide="ignore"):
        varies = np.ptp(ordered) > 0 and np.ptp(sizes[known]) > 0
        correlation = np.corrcoef(gains[known], sizes[known])[0, 1] if varies else np.nan
    return Fairness(
        mean=float(ordered.mean()),
        lowest=lowest,
        highest=float(ordered[-share_of_items(10, count=count) :].mean()),
        zeros=float(np.mean(ordered == 0)),
        audience_correlation=float(correlation),
    )
