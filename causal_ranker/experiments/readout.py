"""Read a test of two arms: first whether it may be read at all, then the difference.

One row is one user. A ratio of counts has its own reading (`ratio_difference`), as rows of
impressions are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import DataError, EmptyError, RowError
from causal_ranker.stats._arrays import Array, binary_vector, float_vector, same_size, share
from causal_ranker.stats.intervals import Interval

__all__ = [
    "Difference",
    "SampleRatio",
    "adjust_by_past",
    "mean_difference",
    "ratio_difference",
    "sample_ratio",
]

_BLOCKS_BELOW = 0.001


@dataclass(frozen=True)
class SampleRatio:
    """Whether the arms have as many users as they should.

    Parameters
    ----------
    treated, control : int
        Users in each arm.
    expected_share : float
        Share that the new arm should have.
    p_value : float
        Of the chi-squared test with one degree of freedom.
    """

    treated: int
    control: int
    expected_share: float
    p_value: float

    @property
    def blocks(self) -> bool:
        """Whether the arms differ so much in size (p < .001) that nothing may be read."""
        return self.p_value < _BLOCKS_BELOW


@dataclass(frozen=True)
class Difference:
    """New arm less control.

    Parameters
    ----------
    treated, control : float
        Means of the arms, in the metric's unit.
    interval : Interval
        Of the difference, by Welch's t.
    p_value : float
        Two-sided, of no difference.
    """

    treated: float
    control: float
    interval: Interval
    p_value: float

    @property
    def words(self) -> str:
        """The difference in a sentence that does not mislead: the interval first."""
        low, high = self.interval.low, self.interval.high
        if low > 0 or high < 0:
            more = "more" if low > 0 else "less"
            told = f"the new arm has {more}"
        else:
            told = "no evidence of a difference, which is not evidence of none"
        return f"{low:+.4g} to {high:+.4g} (point {self.interval.point:+.4g}): {told}."


def sample_ratio(arm: ArrayLike, *, expected_share: float = 0.5) -> SampleRatio:
    """Test for a sample-ratio mismatch, before anything else is looked at.

    Parameters
    ----------
    arm : array_like of 0 and 1, shape (n_users,)
        1 in the new arm.
    expected_share : float
        Share that the new arm should have.

    Returns
    -------
    SampleRatio
        The test.

    Raises
    ------
    ConfigError
        If the share is not strictly between 0 and 1.
    EmptyError, RowError, SchemaError
        If there is no user, or an arm is neither 0 nor 1.
    """
    from scipy.stats import chi2

    wanted = share(expected_share, name="expected_share")
    new = binary_vector(arm, name="arm")
    treated, users = int(new.sum()), new.size
    distance = (treated - users * wanted) ** 2 / (users * wanted * (1 - wanted))
    return SampleRatio(treated, users - treated, wanted, float(chi2.sf(distance, 1)))


def mean_difference(metric: ArrayLike, arm: ArrayLike, *, level: float = 0.95) -> Difference:
    """Compare the arms' means by Welch's t-test.

    Parameters
    ----------
    metric : array_like, shape (n_users,)
        One value per user.
    arm : array_like of 0 and 1, shape (n_users,)
        1 in the new arm.
    level : float
        Probability inside the interval.

    Returns
    -------
    Difference
        New arm less control.

    Raises
    ------
    EmptyError
        If an arm has fewer than two users.
    DataError
        If the metric does not vary in either arm.
    RowError, SchemaError
        If a value is not finite, or the arrays do not fit.
    """
    values = float_vector(metric, name="metric")
    parts = _arms(values, arm)
    means = [float(part.mean()) for part in parts]
    errors = [float(part.var(ddof=1)) / part.size for part in parts]
    if sum(errors) == 0:
        raise DataError(
            expected="a metric that varies between users",
            came=f"{means[0]:g} for every user of the new arm and {means[1]:g} of the control",
            do="Check how the metric was computed.",
        )
    freedom = sum(errors) ** 2 / sum(
        error**2 / (part.size - 1) for error, part in zip(errors, parts, strict=True)
    )
    return _difference(means, sqrt(sum(errors)), freedom=freedom, level=level)


def ratio_difference(
    numerator: ArrayLike, denominator: ArrayLike, *, arm: ArrayLike, level: float = 0.95
) -> Difference:
    """Compare ratios of sums, such as plays per impression, by the delta method.

    The ratio of an arm is ``sum a / sum b`` over its users; its variance is that of
    ``(a - ratio b) / mean(b)`` (Deng, Knoblich and Lu, 2018).

    Parameters
    ----------
    numerator, denominator : array_like, shape (n_users,)
        Sums of each user, the denominator 0 or more.
    arm : array_like of 0 and 1, shape (n_users,)
        1 in the new arm.
    level : float
        Probability inside the interval.

    Returns
    -------
    Difference
        Ratio of the new arm less that of the control.

    Raises
    ------
    EmptyError
        If an arm has fewer than two users, or no denominator.
    RowError, SchemaError
        If a value is not finite, a denominator negative, or the arrays do not fit.
    """
    above, below = (
        float_vector(x, name=n) for x, n in ((numerator, "numerator"), (denominator, "denominator"))
    )
    same_size(above.size, denominator=below)
    if (below < 0).any():
        raise RowError(
            expected="denominators of 0 or more",
            came=f"{int((below < 0).sum())} negative ones, the first in row {np.argmax(below < 0)}",
            do="A ratio is taken of counts; check how they were summed.",
        )
    tops, bottoms = _arms(above, arm), _arms(below, arm)
    ratios, variance = [], 0.0
    for top, bottom in zip(tops, bottoms, strict=True):
        if not bottom.any():
            raise EmptyError(
                expected="a positive denominator in each arm", came="0 in all", do="Check the arms."
            )
        ratio = float(top.sum() / bottom.sum())
        ratios.append(ratio)
        variance += float(np.var((top - ratio * bottom) / bottom.mean(), ddof=1)) / top.size
    freedom = min(part.size for part in tops) - 1
    return _difference(ratios, sqrt(variance), freedom=freedom, level=level)


def adjust_by_past(metric: ArrayLike, past: ArrayLike) -> Array:
    """Take out of a metric what its own past explains (CUPED).

    ``Y - theta (X - mean X)`` with ``theta = cov(Y, X) / var(X)`` over both arms (Deng et al.,
    2013). The means' difference keeps its expectation; the variance falls by the square of the
    correlation.

    Parameters
    ----------
    metric : array_like, shape (n_users,)
        The metric during the test.
    past : array_like, shape (n_users,)
        A covariate fixed before the test began, such as the metric in earlier weeks.

    Returns
    -------
    ndarray of float64, shape (n_users,)
        The adjusted metric.

    Raises
    ------
    DataError
        If the past does not vary.
    RowError, SchemaError
        If a value is not finite, or the arrays do not fit.
    """
    values, before = float_vector(metric, name="metric"), float_vector(past, name="past")
    same_size(values.size, past=before)
    centered = before - before.mean()
    spread = float(centered @ centered)
    if spread == 0:
        raise DataError(
            expected="a past that varies between users",
            came=f"{before[0]:g} for all",
            do="Leave the adjustment out, or take another covariate.",
        )
    return np.asarray(values - (values @ centered) / spread * centered)


def _arms(values: Array, arm: ArrayLike) -> tuple[Array, Array]:
    new = binary_vector(arm, name="arm")
    same_size(values.size, arm=new)
    parts = values[new], values[~new]
    for name, part in zip(("new arm", "control"), parts, strict=True):
        if part.size < 2:
            raise EmptyError(
                expected=f"at least two users in the {name}",
                came=f"{part.size}",
                do="Check the arms.",
            )
    return parts


def _difference(ends: list[float], error: float, *, freedom: float, level: float) -> Difference:
    from scipy.stats import t

    point = ends[0] - ends[1]
    quantile = float(t.ppf(0.5 + share(level, name="level") / 2, freedom))
    interval = Interval.around(point, error=error, quantile=quantile)
    p_value = float(2 * t.sf(abs(point) / error, freedom)) if error > 0 else float(point == 0)
    return Difference(ends[0], ends[1], interval, p_value)
