"""Intervals that hold at every look, for whoever watches a running test or arriving labels."""

from __future__ import annotations

from math import exp, log, sqrt

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import share
from causal_ranker.stats.intervals import Interval

__all__ = ["always_valid", "always_valid_p_value"]


def always_valid(
    point: float, *, standard_error: float, seen: int, planned: int, level: float = 0.95
) -> Interval:
    """Widen an estimate's interval so that it holds the truth at all looks together.

    The asymptotic confidence sequence of Waudby-Smith et al. (2024), tightest near `planned`:
    ``point -/+ se sqrt((n rho^2 + 1) / (n rho^2) log((n rho^2 + 1) / alpha^2))`` with
    ``rho^2 = (-2 log alpha + log(-2 log alpha + 1)) / planned``.

    Parameters
    ----------
    point : float
        The estimate at this look.
    standard_error : float
        Its standard error.
    seen : int
        Units so far, n: users of a test, rows whose labels have arrived. The sequence holds from
        a few hundred on, where means are near normal.
    planned : int
        Units at the planned end; the same at every look.
    level : float
        Probability that no look ever misses the truth.

    Returns
    -------
    Interval
        The wider interval.

    Raises
    ------
    ConfigError
        If a number is not positive.
    """
    spread, alpha = _spread(standard_error, seen=seen, planned=planned, level=level)
    width = sqrt((spread + 1) / spread * log((spread + 1) / alpha**2))
    return Interval.around(point, error=standard_error, quantile=width)


def always_valid_p_value(
    point: float, *, standard_error: float, seen: int, planned: int, level: float = 0.95
) -> float:
    """Return the p-value of no effect that holds at all looks together.

    ``min(1, sqrt(n rho^2 + 1) exp(-z^2 n rho^2 / (2 (n rho^2 + 1))))`` with z the estimate in
    standard errors: the mixture sequential probability ratio test (Robbins, 1970; Johari, Koomen,
    Pekelis and Walsh, 2022). It is below ``1 - level`` where the interval of `always_valid`
    leaves 0 out. The smallest of all looks is valid, too.

    Parameters
    ----------
    point, standard_error, seen, planned, level
        As in `always_valid`.

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    ConfigError
        If a number is not positive.
    """
    spread, _ = _spread(standard_error, seen=seen, planned=planned, level=level)
    signal = (point / standard_error) ** 2
    return min(1.0, sqrt(spread + 1) * exp(-signal / 2 * spread / (spread + 1)))


def _spread(standard_error: float, *, seen: int, planned: int, level: float) -> tuple[float, float]:
    """Return n rho^2 and alpha."""
    if not (standard_error > 0 and seen >= 1 and planned >= 1):
        raise ConfigError(
            expected="a standard error above 0, and at least one unit seen and planned",
            came=f"{standard_error!r}, {seen!r}, {planned!r}",
            do="Look once units have come, of both arms where there are two.",
        )
    alpha = 1 - share(level, name="level")
    pace = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / planned
    return seen * pace, alpha
