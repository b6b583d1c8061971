"""What accuracy says of the same lists, and what other estimators say of their uplift.

A play counts for accuracy whoever caused it: also the base list that was shown, which therefore
looks more accurate in its own logs than it is. Accuracy is of the first k places, over requests in
which at least one comparable candidate was played.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError, RowError, SchemaError
from causal_ranker.evaluation.compare import first_rows, mean_over_requests
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.accuracy import Accuracy, accuracy_at_k, list_coverage, novelty
from causal_ranker.stats.intervals import Interval, clustered_mean
from causal_ranker.stats.logged_ranking import LoggedMetric, LoggedRanking, logged_effects

__all__ = ["ListAccuracy", "PolicyAccuracy", "ShownItems", "list_accuracy"]


@dataclass(frozen=True)
class ShownItems:
    """What accuracy asks of rows beside those of an evaluation.

    Parameters
    ----------
    item : ndarray of int, shape (n,)
        Codes 0 .. items-1 of the rows' items.
    popularity : ndarray of float64, shape (items,)
        Share of all plays that each item had before the evaluation, above 0, for every item that
        was a candidate.
    played : ndarray of int, shape (requests,)
        Candidates of each request's primary set that were played, kept as rows or not.
    """

    item: NDArray[np.integer[Any]]
    popularity: NDArray[np.float64]
    played: NDArray[np.integer[Any]]


@dataclass(frozen=True)
class PolicyAccuracy:
    """Accuracy of one policy's first k places, and its uplift by other estimators.

    Parameters
    ----------
    policy : str
        Its name.
    ndcg, recall, precision, reciprocal_rank, average_precision : Interval
        Means over requests with a play (see `causal_ranker.stats.accuracy.Accuracy`), clustered by
        user; intervals of NaN where fewer than two users have such a request.
    coverage : float
        Share of the candidate items that some list shows.
    novelty : float
        Bits per slot.
    causal_dcg : Interval
        Doubly robust CDCG of the first k: discounted extra plays per request.
    ips, snips : LoggedMetric or None
        uplift@k by inverse propensities alone, plain and self-normalised, in extra plays per slot;
        None where that was refused.
    refused : str
        Why; empty where it was not.
    """

    policy: str
    ndcg: Interval
    recall: Interval
    precision: Interval
    reciprocal_rank: Interval
    average_precision: Interval
    coverage: float
    novelty: float
    causal_dcg: Interval
    ips: LoggedMetric | None
    snips: LoggedMetric | None
    refused: str


@dataclass(frozen=True)
class ListAccuracy:
    """Accuracy of every policy.

    Parameters
    ----------
    requests : int
        Requests with a played candidate, over which accuracy is averaged.
    items : int
        Items that were candidates: the catalogue of coverage.
    policies : tuple of PolicyAccuracy
        In the order in which the policies came.
    """

    requests: int
    items: int
    policies: tuple[PolicyAccuracy, ...]


def list_accuracy(
    rows: EvaluationRows, shown: ShownItems, *, k: int, level: float = 0.95
) -> ListAccuracy:
    """Judge every policy's first k rows by what was played.

    Parameters
    ----------
    rows : EvaluationRows
        With every row that a policy ranks among its first k.
    shown : ShownItems
        Items of the rows, their popularity, and played candidates per request.
    k : int
        Slots.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    ListAccuracy
        One entry per policy.

    Raises
    ------
    ConfigError
        If k is above the length of every list.
    SchemaError
        If the items are not those of the rows, or the counts not those of the requests.
    RowError
        If an item has no popularity, or more of a list was played than was counted.
    """
    _check(rows, shown)
    users = np.empty(rows.requests, dtype=rows.user.dtype)
    users[rows.request] = rows.user
    return ListAccuracy(
        requests=int((shown.played > 0).sum()),
        items=shown.popularity.size,
        policies=tuple(
            _of_policy(rows, shown, policy, users=users, k=k, level=level) for policy in rows.rank
        ),
    )


def _of_policy(
    rows: EvaluationRows,
    shown: ShownItems,
    policy: str,
    *,
    users: NDArray[Any],
    k: int,
    level: float,
) -> PolicyAccuracy:
    mask = first_rows(rows, policy, k=k)
    at = np.flatnonzero(mask)
    rank = rows.rank[policy]
    found = accuracy_at_k(
        rank[at], rows.outcome[at] > 0, rows.request[at], relevant=shown.played, k=k
    )
    means = {
        name: _mean(getattr(found, name), users, level=level)
        for name in Accuracy.__dataclass_fields__
    }
    discounted = np.zeros(rank.size)
    discounted[at] = rows.gamma[at] / np.log2(1.0 + rank[at])
    ips, snips, refused = _by_weights(rows, at, rank=rank, k=k, level=level)
    return PolicyAccuracy(
        policy=policy,
        **means,
        coverage=list_coverage(shown.item[at], catalogue=shown.popularity.size),
        novelty=novelty(shown.popularity[shown.item[at]]),
        causal_dcg=mean_over_requests(rows, discounted, mask, level=level),
        ips=ips,
        snips=snips,
        refused=refused,
    )


def _by_weights(
    rows: EvaluationRows,
    at: NDArray[np.int64],
    *,
    rank: NDArray[np.integer[Any]],
    k: int,
    level: float,
) -> tuple[LoggedMetric | None, LoggedMetric | None, str]:
    """Estimate uplift@k without outcome models, over the requests that have a list."""
    judged = LoggedRanking(
        logged_effects(rows.outcome[at], rows.treatment[at], propensity=rows.propensity[at]),
        rank[at],
        np.unique(rows.request[at], return_inverse=True)[1],
        cluster=rows.user[at],
        second_cluster=None if rows.second_cluster is None else rows.second_cluster[at],
        level=level,
    )
    try:
        return judged.cp_at_k(k), judged.cp_at_k(k, self_normalised=True), ""
    except OverlapError as error:
        return None, None, error.came


def _mean(values: NDArray[np.float64], users: NDArray[Any], *, level: float) -> Interval:
    some = np.flatnonzero(~np.isnan(values))
    if len(set(users[some].tolist())) < 2:
        point = float(values[some].mean()) if some.size else np.nan
        return Interval(point, np.nan, np.nan, np.nan)
    return clustered_mean(values[some], users[some], level=level)


def _check(rows: EvaluationRows, shown: ShownItems) -> None:
    for name, values, size in (
        ("item", shown.item, rows.request.size),
        ("played", shown.played, rows.requests),
    ):
        if values.shape != (size,):
            raise SchemaError(
                expected=f"'{name}' of shape ({size},)",
                came=f"shape {values.shape}",
                do="Pass the items of the rows, and one count of played candidates per request.",
            )
    if shown.item.min() < 0 or shown.item.max() >= shown.popularity.size:
        raise RowError(
            expected=f"item codes in 0 .. {shown.popularity.size - 1}, each with a popularity",
            came=f"codes from {shown.item.min()} to {shown.item.max()}",
            do="Give every candidate item a popularity.",
        )
