"""Whether offline estimates told what tests then measured, over past experiments."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import EmptyError, RowError
from causal_ranker.stats._arrays import Array, float_vector, same_size, share
from causal_ranker.stats._student import two_sided_quantile
from causal_ranker.stats.intervals import Interval

__all__ = ["ENDS", "SIDES", "Link", "PastExperiments", "link"]

#: Names of the columns: a side, and one of these after it.
ENDS: Final = ("", "_low", "_high")
SIDES: Final = ("offline", "measured")
_FEWEST: Final = 3
#: Slopes are looked for as angles, so that steep ones are found as easily.
_ANGLES: Final = np.linspace(-np.pi / 2, np.pi / 2, 2_001)[1:-1]
_EXACT: Final[dict[str, Any]] = {"xatol": 1e-12}


@dataclass(frozen=True)
class PastExperiments:
    """What was expected of changes, and what tests of them found.

    Parameters
    ----------
    names : tuple of str
        The experiments, n of them.
    offline, offline_low, offline_high : array_like, shape (n,)
        Offline estimates with their intervals.
    measured, measured_low, measured_high : array_like, shape (n,)
        What was measured, in the same unit, with intervals of the same level.
    """

    names: tuple[str, ...]
    offline: ArrayLike
    offline_low: ArrayLike
    offline_high: ArrayLike
    measured: ArrayLike
    measured_low: ArrayLike
    measured_high: ArrayLike


@dataclass(frozen=True)
class Link:
    """How offline estimates and measured effects hang together.

    Parameters
    ----------
    slope : Interval
        Measured effect per unit of offline estimate; 1 is what it should be. Both have errors,
        which a line by least squares would take for a flatter slope. An end may be infinite, where
        estimates differ too little to tell. Its standard error is NaN: the interval is not
        symmetric.
    intercept : float
        Measured effect where the offline estimate is 0.
    held : ndarray of bool, shape (n,)
        Whether measured and offline differ by no more than both intervals allow.
    held_share : Interval
        Share of the experiments in which it held, with Wilson's interval; it should be the level.
    same_sign : float
        Share in which both are on the same side of 0.
    excess : float
        Scatter about the line, as a multiple of what the intervals allow (a squared distance per
        degree of freedom): well above 1, intervals are too narrow or effects differ in kind.
    """

    slope: Interval
    intercept: float
    held: NDArray[np.bool_]
    held_share: Interval
    same_sign: float
    excess: float


def link(past: PastExperiments, *, level: float = 0.95) -> Link:
    """Compare offline estimates with what was measured.

    The line is the most likely one if both have normal errors (York, 1966): it minimises
    ``sum (y - a - b x)^2 / (s_y^2 + b^2 s_x^2)``, and the interval of b holds the slopes at which
    this is not much larger, by Student's quantile, with the scatter as large as it is.

    Parameters
    ----------
    past : PastExperiments
        At least three experiments; their errors must be independent, so no offline estimate may
        rest on the test's own data.
    level : float
        Probability inside the intervals given, and inside those that are returned.

    Returns
    -------
    Link
        Slope, and how often offline intervals held.

    Raises
    ------
    EmptyError
        If there are fewer than three experiments.
    RowError
        If a value is missing, or an interval does not hold its estimate or has no width.
    """
    normal = NormalDist().inv_cdf(0.5 + share(level, name="level") / 2)
    (x, x_error), (y, y_error) = (_side(past, side, quantile=normal) for side in SIDES)
    count = len(past.names)
    same_size(count, offline=x, measured=y)
    if count < _FEWEST:
        raise EmptyError(
            expected=f"at least {_FEWEST} past experiments",
            came=f"{count}",
            do="Two points lie on a line whatever they are: wait for more.",
        )

    line = _Line(x, y, x_error, y_error)
    angle, low, high, least = line.fitted(two_sided_quantile(level, degrees=count - 2))
    slope = float(np.tan(angle))
    held = np.abs(y - x) <= normal * np.hypot(x_error, y_error)
    return Link(
        slope=Interval(slope, low, high, float("nan")),
        intercept=float(line.intercepts(np.array([slope]))[0, 0]),
        held=held,
        held_share=_wilson(int(held.sum()), count, quantile=normal),
        same_sign=float((np.sign(x) == np.sign(y)).mean()),
        excess=least / (count - 2),
    )


def _side(past: PastExperiments, side: str, *, quantile: float) -> tuple[Array, Array]:
    """Return a side's estimates and their standard errors."""
    point, low, high = (
        float_vector(getattr(past, f"{side}{end}"), name=f"{side}{end}") for end in ENDS
    )
    same_size(point.size, **{f"{side}_low": low, f"{side}_high": high})
    bad = (low > point) | (point > high) | (low == high)
    if bad.any():
        raise RowError(
            expected=f"intervals that hold their {side} estimate, and have some width",
            came=f"{int(bad.sum())} others, the first of {past.names[int(bad.argmax())]!r}",
            do="Check the columns; an effect without an interval tells nothing here.",
        )
    return point, (high - low) / (2 * quantile)


@dataclass(frozen=True)
class _Line:
    """Points with errors both ways, and how far lines of some slopes are from them."""

    x: Array
    y: Array
    x_error: Array
    y_error: Array

    def weights(self, slopes: Array) -> Array:
        """Return the weight of each point for each slope, shape (slopes, points)."""
        return np.asarray(1 / (self.y_error**2 + slopes[:, None] ** 2 * self.x_error**2))

    def intercepts(self, slopes: Array) -> Array:
        """Return the best intercept of each slope, shape (slopes, 1)."""
        left = self.y - slopes[:, None] * self.x
        return np.asarray(np.average(left, weights=self.weights(slopes), axis=1)[:, None])

    def distances(self, angles: Array) -> Array:
        """Return the weighted squared distance of each slope's best line."""
        slopes = np.tan(angles)
        left = self.y - slopes[:, None] * self.x - self.intercepts(slopes)
        return np.asarray((self.weights(slopes) * left**2).sum(axis=1))

    def distance(self, angle: float) -> float:
        """Return that of one slope."""
        return float(self.distances(np.array([angle]))[0])

    def fitted(self, quantile: float) -> tuple[float, float, float, float]:
        """Return the best angle, the ends of the slope's interval, and the least distance."""
        from scipy.optimize import brentq, minimize_scalar

        grid = self.distances(_ANGLES)
        near, step = float(_ANGLES[grid.argmin()]), float(_ANGLES[1] - _ANGLES[0])
        found = minimize_scalar(
            self.distance, bounds=(near - step, near + step), method="bounded", options=_EXACT
        )
        best, least = float(found.x), float(found.fun)
        limit = least + quantile**2 * max(1.0, least / (self.x.size - 2))
        ends = []
        for side, open_end in ((best > _ANGLES, -np.inf), (best < _ANGLES, np.inf)):
            beyond = np.flatnonzero(side & (grid > limit))
            if not beyond.size:
                ends.append(open_end)
                continue
            first = float(_ANGLES[beyond[np.abs(_ANGLES[beyond] - best).argmin()]])
            root = brentq(lambda angle: self.distance(angle) - limit, best, first, xtol=1e-13)
            ends.append(float(np.tan(root)))
        return best, ends[0], ends[1], least


def _wilson(hits: int, count: int, *, quantile: float) -> Interval:
    point, square = hits / count, quantile**2 / count
    middle = (point + square / 2) / (1 + square)
    half = quantile * np.sqrt(point * (1 - point) / count + square / (4 * count)) / (1 + square)
    error = float(np.sqrt(point * (1 - point) / count))
    return Interval(point, float(middle - half), float(middle + half), error)
