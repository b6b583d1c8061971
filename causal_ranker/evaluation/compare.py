"""Policies side by side on the same requests: what their lists hold, and what they cause.

Every figure is a sum over requests divided by the number of requests, of ``1/k`` times a sum
over the first k rows; a request with fewer than k candidates leaves slots empty, which add 0. Where
every request has fewer, k asks nothing: each policy shows all there is, and that is refused.
Intervals are clustered by user and by the unit at which the treatment was assigned. For them
each request's 1 in the denominator is split over the rows that its sum is made of, so that the
share of a unit in the numerator meets its share in the denominator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.intervals import Interval, clustered_ratio

__all__ = [
    "PolicyComparison",
    "PolicyResult",
    "compare_policies",
    "first_rows",
    "mean_over_requests",
    "paired_difference",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PolicyResult:
    """What one policy's first k rows hold and cause.

    Parameters
    ----------
    policy : str
        Its name.
    play_rate : Interval
        Plays per slot: mean over requests of ``(1/k) sum_{rank <= k} Y``, whoever caused them.
    play_rate_difference : Interval
        Paired difference to the baseline in plays per slot.
    uplift : Interval
        uplift@k, extra plays per slot: mean over requests of ``(1/k) sum_{rank <= k} gamma``.
    overlap : float
        Share of the baseline's first k rows that are also this policy's.
    difference : Interval
        Paired difference to the baseline in uplift@k, in extra plays per slot; exactly 0 with
        no width where the lists are the same.
    """

    policy: str
    play_rate: Interval
    play_rate_difference: Interval
    uplift: Interval
    overlap: float
    difference: Interval


@dataclass(frozen=True)
class PolicyComparison:
    """Policies compared on one set of requests.

    Parameters
    ----------
    k : int
        Slots.
    baseline : str
        The policy that the others are compared with.
    level : float
        Probability that an interval holds the truth.
    results : tuple of PolicyResult
        In the order in which the policies came.
    empty_slots : float
        Share of the slots that stay empty, as requests have fewer candidates; under every policy.
    """

    k: int
    baseline: str
    level: float
    results: tuple[PolicyResult, ...]
    empty_slots: float

    def result(self, policy: str) -> PolicyResult:
        """Return the result of one policy.

        Parameters
        ----------
        policy : str
            Its name.

        Returns
        -------
        PolicyResult
            What it shows and causes.

        Raises
        ------
        ConfigError
            If the policy was not compared.
        """
        for result in self.results:
            if result.policy == policy:
                return result
        raise _unknown(policy, [result.policy for result in self.results])


def compare_policies(
    rows: EvaluationRows, *, k: int, baseline: str = "base", level: float = 0.95
) -> PolicyComparison:
    """Estimate play rate@k and uplift@k of each policy, and its paired difference to one.

    In the difference only rows in exactly one of the two lists count. Both lists of a request
    are of one length, so subtracting a constant from every score changes no difference; the
    mean score of the rows that count is subtracted, since otherwise a unit that one policy
    shows more often would add its mere number of slots to the variance.

    Parameters
    ----------
    rows : EvaluationRows
        With every row that a policy ranks among its first k.
    k : int
        Slots.
    baseline : str
        The policy to compare with.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    PolicyComparison
        One result per policy, in the order of ``rows.rank``.

    Raises
    ------
    ConfigError
        If k is not a whole number of at least 1 or is more than any request has candidates with
        overlap, or the baseline is not among the policies.
    RowError
        If a list has gaps or repeated ranks, lists of one request differ in length, or there is
        only one user or one unit.
    """
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise ConfigError(
            expected="a whole number of slots, at least 1", came=f"k = {k!r}", do="Choose k >= 1."
        )
    if baseline not in rows.rank:
        raise _unknown(baseline, list(rows.rank))
    shown = {policy: first_rows(rows, policy, k=int(k)) for policy in rows.rank}
    reference = shown[baseline]
    _check_lengths(rows, shown, baseline=baseline)
    _check_depth(rows, reference, k=int(k))
    results = tuple(
        PolicyResult(
            policy=policy,
            play_rate=mean_over_requests(rows, rows.outcome / k, mask, level=level),
            play_rate_difference=paired_difference(
                rows, rows.outcome, mask, reference, k=int(k), level=level
            ),
            uplift=mean_over_requests(rows, rows.gamma / k, mask, level=level),
            overlap=float((mask & reference).sum() / reference.sum()),
            difference=paired_difference(rows, rows.gamma, mask, reference, k=int(k), level=level),
        )
        for policy, mask in shown.items()
    )
    return PolicyComparison(
        k=int(k),
        baseline=baseline,
        level=level,
        results=results,
        empty_slots=1 - float(reference.sum()) / (rows.requests * int(k)),
    )


def mean_over_requests(
    rows: EvaluationRows, per_row: Array, *lists: Mask, level: float
) -> Interval:
    """Sum a column over some rows and divide it by the number of requests.

    Parameters
    ----------
    rows : EvaluationRows
        The evaluation's rows.
    per_row : ndarray of float64, shape (n,)
        What to sum.
    *lists : ndarray of bool, shape (n,)
        The rows that are summed; then, in order, those over which a request without any of them
        spreads its 1 in the denominator.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        Clustered by user and by unit of assignment.
    """
    at, share = _spread(rows, *lists)
    counted = np.where(lists[0][at], per_row[at], 0.0)
    second = None if rows.second_cluster is None else rows.second_cluster[at]
    return clustered_ratio(counted, share, rows.user[at], second_cluster=second, level=level)


def _spread(rows: EvaluationRows, *lists: Mask) -> tuple[NDArray[np.int64], Array]:
    """Split each request's 1 evenly over its rows in the first mask that has any there.

    A request without a row in any mask (all its candidates lack overlap) spreads it over the
    rows that it has.
    """
    chosen = np.zeros(rows.request.size, dtype=np.bool_)
    waiting = np.ones(rows.requests, dtype=np.bool_)
    for mask in (*lists, np.ones_like(chosen)):
        found = mask & waiting[rows.request]
        chosen |= found
        waiting[rows.request[found]] = False
    at = np.flatnonzero(chosen)
    codes = rows.request[at]
    share: Array = 1.0 / np.bincount(codes, minlength=rows.requests)[codes]
    return at, share


def paired_difference(
    rows: EvaluationRows, values: Array, first: Mask, second: Mask, *, k: int, level: float
) -> Interval:
    """Estimate what one list has more of than another, per slot.

    Parameters
    ----------
    rows : EvaluationRows
        The evaluation's rows.
    values : ndarray of float64, shape (n,)
        What a row in a list counts.
    first, second : ndarray of bool, shape (n,)
        The rows of either list, of one length in every request.
    k : int
        Slots.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        Mean over requests of ``(1/k) (sum over first - sum over second)``; exactly 0 with no width
        where the lists are the same.
    """
    either = first ^ second
    centre = float(values[either].mean()) if either.any() else 0.0
    sign = first.astype(np.float64) - second
    per_row: Array = sign * (values - centre) / k
    # requests with equal lists take part too: they say that nothing changes there
    return mean_over_requests(rows, per_row, either, first | second, level=level)


def first_rows(rows: EvaluationRows, policy: str, *, k: int) -> Mask:
    """Mark a policy's first k rows; refuse lists with holes, whose rows were lost on the way.

    Parameters
    ----------
    rows : EvaluationRows
        The evaluation's rows.
    policy : str
        One of its policies.
    k : int
        Slots.

    Returns
    -------
    ndarray of bool, shape (n,)
        True for the rows of the list.

    Raises
    ------
    RowError
        If a list has gaps or repeated ranks.
    """
    ranks = rows.rank[policy]
    mask: Mask = (ranks > 0) & (ranks <= k)
    codes, places = rows.request[mask].astype(np.int64), ranks[mask].astype(np.int64)
    used = np.bincount(codes * k + places - 1, minlength=rows.requests * k)
    by_slot = used.reshape(rows.requests, k)
    # 1, 1, .., 0, 0: never a second row in a slot, never a row after an empty slot
    broken = (by_slot > 1).any(axis=1) | (np.diff(by_slot, axis=1) > 0).any(axis=1)
    if broken.any():
        raise RowError(
            expected=f"ranks 1, 2, .. up to k = {k} once each in every request",
            came=f"policy {policy!r} with gaps or repeats in {int(broken.sum())} of "
            f"{rows.requests} requests (first: request {int(np.argmax(broken))})",
            do="Keep every row that a policy ranks among its first k; break ties before ranking.",
        )
    return mask


def _check_lengths(rows: EvaluationRows, shown: dict[str, Mask], *, baseline: str) -> None:
    def lengths(policy: str) -> NDArray[np.int64]:
        return np.bincount(rows.request[shown[policy]], minlength=rows.requests)

    wanted = lengths(baseline)
    for policy in shown:
        differ = lengths(policy) != wanted
        if differ.any():
            raise RowError(
                expected="lists of one length for every policy of a request",
                came=f"policies {policy!r} and {baseline!r} differ in {int(differ.sum())} of "
                f"{rows.requests} requests (first: request {int(np.argmax(differ))})",
                do="Rank one candidate set under every policy, and keep every first k row.",
            )


def _check_depth(rows: EvaluationRows, reference: Mask, *, k: int) -> None:
    longest = int(np.bincount(rows.request[reference], minlength=rows.requests).max())
    if longest < k:
        raise ConfigError(
            expected=f"k of at most {longest}, the most candidates with overlap that a request has",
            came=f"k = {k}: every policy would show them all",
            do="Choose a smaller k, or log more candidates per request.",
        )


def _unknown(policy: str, known: list[str]) -> ConfigError:
    return ConfigError(
        expected=f"a policy among {', '.join(map(repr, known))}",
        came=repr(policy),
        do="Use the name under which its ranks were passed.",
    )
