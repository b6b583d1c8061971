"""What lists cause in the user's total plays, beside what they cause in their own items.

uplift@k adds up, item by item, what showing an item does to plays *of that item*. Where some of
these take the place of plays of something else, the user's total rises by less: that part is
cannibalised. Here the outcome is the total Z (every item that the user plays in the horizon, each
counted once, as in Y), and the treatment is the same placement:

``theta_i = E[Z | i placed, X] - E[Z | i not placed, X]``, all else at its natural course.

It is identified as uplift is: T is as good as random given X, with the propensity that uplift uses.
Two figures come of it.

- The difference between two lists of one length: the sum of theta over the one minus that over the
  other, per slot. It is of whole lists, and noisy: rows that were hardly ever shown weigh most.
- *What is left in the total*: ``sum c_i theta_i / sum c_i tau_i`` with
  ``c_i = e_i (1 - e_i) (w_i - w)``, w being the mean of w_i over the request's rows, weighted by
  ``e (1 - e)``. Over the items of exactly one of two lists, with w_i = 1 in the one and 0 in the
  other, it asks what becomes in the total of the plays that are gained by showing items of the one
  a little more often than was logged, and items of the other less; over all rows, with predicted
  uplift as w_i, by showing items of higher uplift. No weight is large, so it is the sharp one.

To be known of both: where slates have a fixed length, placing i also keeps another item out.
theta_i is then the effect of i less a mean of those that it displaces. That mean is nearly the same
for all candidates of a request where slates are drawn at random (Hajek, 1964), so that it cancels;
what does not cancel makes both figures too large, by 4 to 9 percent in worlds with four candidates
per slot, and by less with more. And lists that differ in several slots are compared by adding
single moves up. That is what the whole change does if effects on the total add up; where items of
the new list compete more among themselves than those of the logged slates did, it still says too
much. Neither figure sets a list against no list: logs in which every request was answered with a
full slate say nothing of that.
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
    left : Interval or None
        Share of the plays gained by exchanging items of the lists that is left in the total: 1
        where nothing is cannibalised, 0 where all is; above 1 where plays lead to more. None where
        the exchange gains or loses no plays that could be left.
    """

    policy: str
    item_difference: Interval
    total_difference: Interval
    left: Interval | None


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
        The same for showing items of higher predicted uplift, over all candidates with overlap,
        each sampled row with its sampling weight; None where that gains no plays.
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
    kept = np.ones(rows.request.size)  # of a list every row is kept, and stands for itself
    reference = first_rows(rows, comparison.baseline, k=k)
    found = []
    for result in comparison.results:
        if result.policy == comparison.baseline:
            continue
        mask = first_rows(rows, result.policy, k=k)
        whole = paired_difference(rows, total, mask, reference, k=k, level=level)
        of = np.flatnonzero(mask ^ reference)
        left = _left(rows, of, mask.astype(np.float64), weight=kept, total=total, level=level)
        found.append(PolicyTotal(result.policy, result.difference, whole, left))
    return TotalComparison(
        k=k,
        baseline=comparison.baseline,
        level=level,
        left=_left(
            rows,
            rows.curve_rows,
            rows.uplift,
            weight=rows.sample_weight,
            total=total,
            level=level,
        ),
        policies=tuple(found),
    )


def _left(
    rows: EvaluationRows,
    at: NDArray[np.int64],
    towards: Array,
    *,
    weight: Array,
    total: Array,
    level: float,
) -> Interval | None:
    """Return the share left of what is gained, in the rows at `at`, by showing what is `towards`.

    A row stands for `weight` candidates.
    """
    if not at.size:
        return None
    e, code, w = rows.propensity[at], rows.request[at], towards[at]
    room = weight[at] * e * (1 - e)
    pulled, whole = (
        np.bincount(code, weights=values, minlength=rows.requests) for values in (room * w, room)
    )
    mean = np.divide(pulled, whole, out=np.zeros(rows.requests), where=whole > 0)
    pull = room * (w - mean[code])
    user = rows.user[at]
    unit = None if rows.second_cluster is None else rows.second_cluster[at]
    gain = pull * rows.gamma[at]
    gained = clustered_mean(gain, user, second_cluster=unit, level=level)
    if gained.low <= 0 <= gained.high:
        return None
    return clustered_ratio(pull * total[at], gain, user, second_cluster=unit, level=level)
