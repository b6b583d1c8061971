"""What lists cause in the user's total plays, beside what they cause in their own items.

uplift@k adds up, item by item, what showing an item does to plays *of that item*. Where some of
these take the place of plays of something else, the user's total rises by less: that part is
cannibalised. Here the outcome is the total Z (every item that the user plays in the horizon, each
counted once, as in Y), and the treatment is the same placement:

``theta_i = E[Z | i placed, X] - E[Z | i not placed, X]``, all else at its natural course.

It is identified as uplift is: T is as good as random given X, with the propensity that uplift uses.
Two figures come of it.

- *What is left in the total*: ``sum c_i theta_i / sum c_i tau_i`` with
  ``c_i = e_i (1 - e_i) (w_i - w)``, where w_i is predicted uplift and w its mean over the request's
  rows, weighted by ``e (1 - e)``. It asks what becomes, in the total, of the plays that are gained
  by showing items of higher predicted uplift more often and others less. No weight of it is large,
  so it is the sharp one of the two.
- The difference between two lists of one length: the sum of theta over the one minus that over the
  other. No row is weighed down, so it is of the lists that are compared, and noisy.

To be known of both: where slates have a fixed length, placing i also keeps another item out.
theta_i is then the effect of i less a mean of those that it displaces. That mean is the same for
all candidates of a request if slates are drawn with as much entropy as their propensities allow
(Hajek, 1964), so that it cancels; by Plackett-Luce and with candidates three to five times as many
as slots, up to 6 percent of a difference do not. And lists that differ in several slots are
compared by adding single moves up. That is what the whole change does if effects on the total add
up; where items of the new list compete more among themselves than those of the logged slates did,
it still says too much. Neither figure sets a list against no list: logs in which every request was
answered with a full slate say nothing of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import SchemaError
from causal_ranker.evaluation.compare import PolicyComparison, first_rows, paired_difference
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.intervals import Interval, clustered_mean, clustered_ratio

__all__ = ["PolicyTotal", "TotalComparison", "compare_totals"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PolicyTotal:
    """One policy's list against the baseline's, by the user's total plays.

    Parameters
    ----------
    policy : str
        Its name.
    item_difference : Interval
        Paired difference in uplift@k: plays of the items shown, per slot.
    total_difference : Interval
        Paired difference in the user's total plays, per slot.
    cannibalised : Interval
        ``item_difference - total_difference``, per slot: plays of shown items that took the place
        of others. Below 0 where lists lead to plays beyond their items.
    """

    policy: str
    item_difference: Interval
    total_difference: Interval
    cannibalised: Interval


@dataclass(frozen=True)
class TotalComparison:
    """Policies compared by the user's total plays.

    Parameters
    ----------
    k : int
        Slots.
    baseline : str
        The policy that the others are compared with.
    level : float
        Probability that an interval holds the truth.
    left : Interval or None
        Share of uplift that is left in the total: 1 where nothing is cannibalised, 0 where all is;
        it may be above 1 where plays lead to more. None where predicted uplift finds no uplift that
        could be left.
    policies : tuple of PolicyTotal
        Every policy but the baseline, in the order in which they came.
    """

    k: int
    baseline: str
    level: float
    left: Interval | None
    policies: tuple[PolicyTotal, ...]


def compare_totals(rows: EvaluationRows, comparison: PolicyComparison) -> TotalComparison:
    """Estimate what each policy's list changes in the user's total plays.

    Parameters
    ----------
    rows : EvaluationRows
        With scores of the effect on the total.
    comparison : PolicyComparison
        The same rows compared item by item.

    Returns
    -------
    TotalComparison
        One result per policy that is not the baseline.

    Raises
    ------
    SchemaError
        If the rows carry no scores of the effect on the total.
    """
    if rows.total_gamma is None:
        raise SchemaError(
            expected="rows with 'total_gamma', scores of the effect on total plays",
            came="none",
            do="Score the rows with totals, or leave this table out.",
        )
    k, level, total = comparison.k, comparison.level, rows.total_gamma
    reference = first_rows(rows, comparison.baseline, k=k)
    found = []
    for result in comparison.results:
        if result.policy == comparison.baseline:
            continue
        mask = first_rows(rows, result.policy, k=k)
        whole, taken = (
            paired_difference(rows, values, mask, reference, k=k, level=level)
            for values in (total, rows.gamma - total)
        )
        found.append(PolicyTotal(result.policy, result.difference, whole, taken))
    return TotalComparison(
        k=k,
        baseline=comparison.baseline,
        level=level,
        left=_left(rows, total, level=level),
        policies=tuple(found),
    )


def _left(rows: EvaluationRows, total: Array, *, level: float) -> Interval | None:
    at = np.flatnonzero(rows.primary)
    e, code, w = rows.propensity[at], rows.request[at], rows.uplift[at]
    room = e * (1 - e)
    sums = (
        np.bincount(code, weights=values, minlength=rows.requests) for values in (room * w, room)
    )
    whole, weight = sums
    mean = np.divide(whole, weight, out=np.zeros(rows.requests), where=weight > 0)
    pull = room * (w - mean[code])
    second = None if rows.second_cluster is None else rows.second_cluster[at]
    gained = clustered_mean(
        pull * rows.gamma[at], rows.user[at], second_cluster=second, level=level
    )
    if not gained.low > 0:
        return None
    return clustered_ratio(
        pull * total[at],
        pull * rows.gamma[at],
        rows.user[at],
        second_cluster=second,
        level=level,
    )
