"""Compare rows just above a cut-off with rows just below."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, EmptyError, RowError
from causal_ranker.experiments.quasi.bandwidth import best_bandwidth
from causal_ranker.stats._arrays import Array, binary_vector, float_vector, same_size
from causal_ranker.stats._codes import clusterings
from causal_ranker.stats._interval import linearised
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["Density", "Discontinuity", "regression_discontinuity"]

_MANIPULATED = 0.05


@dataclass(frozen=True)
class Density:
    """Whether rows crowd on one side of the cut-off.

    Parameters
    ----------
    below, above : float
        Density of the running variable on each side, at the cut-off; per unit of it.
    p_value : float
        Of no jump, clustered.
    """

    below: float
    above: float
    p_value: float

    @property
    def jumps(self) -> bool:
        """Whether the density jumps (p < .05): somebody may have chosen the side."""
        return self.p_value < _MANIPULATED


@dataclass(frozen=True)
class Discontinuity:
    """Effect at the cut-off.

    Parameters
    ----------
    effect : Interval
        Jump of the outcome by local lines, whose interval allows for no curvature.
    robust : Interval
        The same by local parabolas of the same bandwidth: the interval to go by. It is that of the
        local lines with their bias taken out (Calonico, Cattaneo and Titiunik, 2014).
    bandwidth : float
        Rows this near to the cut-off count, in the unit of the running variable.
    below, above : int
        Rows that count on each side.
    density : Density
        The check that nobody chose a side.
    """

    effect: Interval
    robust: Interval
    bandwidth: float
    below: int
    above: int
    density: Density


def regression_discontinuity(
    outcome: ArrayLike,
    running: ArrayLike,
    *,
    treatment: ArrayLike,
    cluster: ArrayLike,
    cutoff: float = 0.0,
    bandwidth: float | None = None,
    level: float = 0.95,
) -> Discontinuity:
    """Estimate the effect of a treatment that everybody at or above a cut-off has, and nobody else.

    Lines are fitted on each side of the cut-off to rows within the bandwidth, weighted by a
    triangle. It is the effect *at* the cut-off (of the last slot, where a slate ends), and holds if
    nothing else jumps there.

    Parameters
    ----------
    outcome : array_like, shape (n,)
        Y.
    running : array_like, shape (n,)
        What decides, such as `causal_ranker.experiments.quasi.slate.slate_margins`. A rank has too
        few values near its cut-off.
    treatment : array_like of 0 and 1, shape (n,)
        T, which must be 1 exactly where ``running >= cutoff``.
    cluster : array_like of int or str, shape (n,)
        Users.
    cutoff : float
        Where the treatment begins.
    bandwidth : float, optional
        By default that of Imbens and Kalyanaraman (2012).
    level : float
        Probability inside the intervals.

    Returns
    -------
    Discontinuity
        The effect, the interval that allows for curvature, and the check of the density.

    Raises
    ------
    ConfigError
        If the bandwidth is not above 0.
    RowError
        If the cut-off does not decide on the treatment, or a value is missing.
    EmptyError
        If a side has fewer than four values within the bandwidth, or too few to choose one by.
    DataError
        If there is nothing to choose it by, as the outcome does not vary near the cut-off.
    """
    y = float_vector(outcome, name="outcome")
    x = float_vector(running, name="running") - cutoff
    treated = binary_vector(treatment, name="treatment")
    same_size(y.size, running=x, treatment=treated)
    above = x >= 0
    crossed = int((above != treated).sum())
    if crossed:
        raise RowError(
            expected="a treatment that the cut-off decides on",
            came=f"{crossed} of {x.size} rows on the other side than their treatment",
            do="Check the cut-off. Where exploration or rules move items, use matching instead.",
        )
    width = best_bandwidth(y, x) if bandwidth is None else bandwidth
    if not 0 < width < np.inf:
        raise ConfigError(
            expected="a bandwidth above 0", came=f"{width!r}", do="Give it in the running unit."
        )
    near = np.flatnonzero(np.abs(x) < width)
    for name, side in (("above", above[near]), ("below", ~above[near])):
        values = np.unique(x[near][side]).size
        if values < 4:
            raise EmptyError(
                expected=f"at least four values within the bandwidth {name} the cut-off",
                came=f"{values} within {width:.3g}",
                do="Widen the bandwidth, or take a running variable that is finer than a rank.",
            )
    ways = clusterings(cluster, None, size=x.size, rows=near)
    line, curve = (_jump(y[near], x[near] / width, above[near], degree=degree) for degree in (1, 2))
    return Discontinuity(
        effect=linearised(line[0], line[1], ways=ways, level=level),
        robust=linearised(curve[0], curve[1], ways=ways, level=level),
        bandwidth=float(width),
        below=int((~above[near]).sum()),
        above=int(above[near].sum()),
        density=_density(x, cluster, width=float(width)),
    )


def _jump(y: Array, u: Array, above: NDArray[np.bool_], *, degree: int) -> tuple[float, Array]:
    """Return the jump at 0 by local polynomials, and what each row adds to its error."""
    point, contributions = 0.0, np.zeros(y.size)
    for side, sign in ((above, 1), (~above, -1)):
        design = np.vander(u[side], degree + 1, increasing=True)
        weight = 1 - np.abs(u[side])
        # What each row adds to each coefficient; the first is the height at 0.
        shares = np.linalg.solve(design.T @ (design * weight[:, None]), design.T * weight)
        fitted = shares @ y[side]
        point += sign * float(fitted[0])
        contributions[side] = sign * shares[0] * (y[side] - design @ fitted)
    return point, contributions


def _density(x: Array, cluster: ArrayLike, *, width: float) -> Density:
    """Compare the densities at 0 by the boundary kernel of local lines (McCrary, 2008).

    ``f = mean of K(x / h) / h`` with ``K(u) = 6 (1 - 2u) (1 - u)`` on each side is what local lines
    through a fine histogram give, but a mean over rows, so that it can be clustered.
    """
    u = np.abs(x) / width
    height = np.where(u < 1, 6 * (1 - 2 * u) * (1 - u), 0.0) / width
    jump = clustered_mean(np.where(x >= 0, height, -height), cluster)
    return Density(
        below=float(height[x < 0].sum()) / x.size,
        above=float(height[x >= 0].sum()) / x.size,
        p_value=2 * NormalDist().cdf(-abs(jump.point) / jump.standard_error),
    )
