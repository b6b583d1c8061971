"""The difference of two arms in one metric, from their moments alone.

A metric is a mean or a ratio of sums. What its past explains may be taken out (CUPED). Its
variance is the delta method's, its quantiles are Welch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from causal_ranker.errors import DataError, EmptyError
from causal_ranker.experiments.moments import Moments, Ratio, pooled
from causal_ranker.stats._arrays import Array, share
from causal_ranker.stats.intervals import Interval

__all__ = ["Difference", "compare", "variance_left"]


@dataclass(frozen=True)
class Difference:
    """New arm less control.

    Parameters
    ----------
    treated, control : float
        The metric of each arm, in its unit, after adjustment.
    interval : Interval
        Of the difference, by Welch's t.
    p_value : float
        Two-sided, of no difference.
    freedom : float
        Degrees of freedom of t.
    relative : Interval or None
        Of the difference as a share of the control, which is the exponent of an interval of the
        ratio's logarithm, less 1; None unless both arms' metrics are above 0.
    variance_left : float
        Variance of the difference after adjustment, as a share of that before; 1 without.
    """

    treated: float
    control: float
    interval: Interval
    p_value: float
    freedom: float
    relative: Interval | None
    variance_left: float


def compare(
    new: Moments,
    control: Moments,
    metric: Ratio,
    *,
    past: Sequence[Ratio] = (),
    level: float = 0.95,
) -> Difference:
    """Compare two arms.

    The estimate of an arm is ``m - theta' (x - X)`` with m its metric, x its covariates and X
    those of both arms together; ``theta = Cov(x)^-1 Cov(x, m)`` over both arms (CUPED: Deng, Xu,
    Kohavi and Walker, 2013). Ratios are linearised (Deng, Knoblich and Lu, 2018).

    Parameters
    ----------
    new, control : Moments
        The arms'.
    metric : Ratio
        What is compared.
    past : sequence of Ratio
        What is taken out: covariates that were fixed before the test.
    level : float
        Probability inside the interval.

    Returns
    -------
    Difference
        New arm less control.

    Raises
    ------
    EmptyError
        If an arm has fewer than two units, or a denominator is 0 for all of them.
    DataError
        If the metric does not vary in either arm, or a covariate does not.
    """
    inside = share(level, name="level")
    arms = {"new arm": new, "control": control}
    for name, arm in arms.items():
        _refuse_too_little(arm, [metric, *past], name=name)
    both = pooled([new, control])
    theta = _theta(both, metric, past)
    means, variances, before = [], [], []
    for arm in arms.values():
        slope = arm.gradient(metric)
        before.append(float(slope @ arm.covariance @ slope) / arm.count)
        value = arm.value(metric)
        for weight, covariate in zip(theta, past, strict=True):
            value -= weight * (arm.value(covariate) - both.value(covariate))
            slope = slope - weight * arm.gradient(covariate)
        means.append(value)
        variances.append(float(slope @ arm.covariance @ slope) / arm.count)
    if all(
        _is_rounding(b * arm.count, arm.value(metric))
        for b, arm in zip(before, arms.values(), strict=True)
    ):
        raise DataError(
            expected="a metric that varies between users",
            came=f"'{metric.numerator}': {new.value(metric):g} for every user of the new arm and "
            f"{control.value(metric):g} of the control",
            do="Check how the metric was computed.",
        )
    if sum(variances) <= 1e-12 * sum(before):
        raise DataError(
            expected="a metric that its past does not tell exactly",
            came=f"covariates that leave no variance in '{metric.numerator}'",
            do="Is one of them the metric itself? Take what was known before the test.",
        )
    return _difference(
        means,
        variances,
        counts=[new.count, control.count],
        level=inside,
        left=sum(variances) / sum(before),
    )


def variance_left(units: Moments, metric: Ratio, past: Sequence[Ratio]) -> float:
    """Return the share of a metric's variance that CUPED would leave, ``1 - R^2``.

    Parameters
    ----------
    units : Moments
        Of units of one arm, or of no test.
    metric : Ratio
        The metric.
    past : sequence of Ratio
        What would be taken out.

    Returns
    -------
    float
        In [0, 1] up to rounding; 1 without covariates.

    Raises
    ------
    DataError
        If a covariate does not vary.
    """
    slope = units.gradient(metric)
    rest = slope.copy()
    for weight, covariate in zip(_theta(units, metric, past), past, strict=True):
        rest -= weight * units.gradient(covariate)
    return float((rest @ units.covariance @ rest) / (slope @ units.covariance @ slope))


def _is_rounding(variance: float, mean: float) -> bool:
    """Whether a variance is no more than what rounding makes of equal values."""
    return variance <= 1e-28 * mean**2


def _refuse_too_little(arm: Moments, ratios: Sequence[Ratio], *, name: str) -> None:
    if arm.count < 2:
        raise EmptyError(
            expected=f"at least two users in the {name}",
            came=f"{arm.count}",
            do="Check the arms.",
        )
    for ratio in ratios:
        if ratio.denominator is not None and not arm.value(Ratio(ratio.denominator)):
            raise EmptyError(
                expected=f"a positive '{ratio.denominator}' in the {name}",
                came="0 in all",
                do="Check the arms.",
            )


def _theta(both: Moments, metric: Ratio, past: Sequence[Ratio]) -> Array:
    if not past:
        return np.empty(0)
    slopes = np.stack([both.gradient(covariate) for covariate in past])
    among = slopes @ both.covariance @ slopes.T
    for covariate, variance in zip(past, np.diag(among), strict=True):
        if _is_rounding(variance, both.value(covariate)):
            raise DataError(
                expected="a past that varies between users",
                came=f"'{covariate.numerator}': {both.value(covariate):g} for all",
                do="Leave it out, or take another covariate.",
            )
    with_metric = slopes @ both.covariance @ both.gradient(metric)
    # Least squares, as two covariates may say the same.
    scale = np.sqrt(np.diag(among))
    solved = np.linalg.lstsq(among / np.outer(scale, scale), with_metric / scale, rcond=1e-10)[0]
    return np.asarray(solved / scale)


def _difference(
    means: list[float], variances: list[float], *, counts: list[int], level: float, left: float
) -> Difference:
    from scipy.stats import t

    point, error = means[0] - means[1], sqrt(sum(variances))
    freedom = _freedom(variances, counts)
    wide = float(t.ppf(0.5 + level / 2, freedom))
    relative = None
    if min(means) > 0:
        logs = [variance / mean**2 for variance, mean in zip(variances, means, strict=True)]
        spread = float(t.ppf(0.5 + level / 2, _freedom(logs, counts))) * sqrt(sum(logs))
        ratio = means[0] / means[1]
        relative = Interval(
            ratio - 1, ratio * exp(-spread) - 1, ratio * exp(spread) - 1, ratio * sqrt(sum(logs))
        )
    return Difference(
        means[0],
        means[1],
        Interval.around(point, error=error, quantile=wide),
        float(2 * t.sf(abs(point) / error, freedom)),
        freedom,
        relative,
        left,
    )


def _freedom(variances: list[float], counts: list[int]) -> float:
    """Welch's and Satterthwaite's degrees of freedom, of the variances of two means."""
    below = sum(v**2 / (n - 1) for v, n in zip(variances, counts, strict=True))
    return float(sum(variances) ** 2 / below)
