"""Quantiles of Student's t for whole degrees of freedom, without SciPy."""

from __future__ import annotations

from functools import lru_cache
from math import pi, sqrt
from statistics import NormalDist

import numpy as np

__all__ = ["two_sided_quantile"]

_SERIES_UP_TO = 200


@lru_cache(maxsize=4096)  # intervals ask for the same few again and again
def two_sided_quantile(level: float, *, degrees: int) -> float:
    """Return c with ``P(|t| <= c) = level``.

    Up to 200 degrees of freedom the finite series of Abramowitz and Stegun (1964, 26.7.3 and
    26.7.4) is inverted by bisection; above, their expansion about the normal quantile (26.7.5)
    is used, with an error below 1e-9 at the usual levels.

    Parameters
    ----------
    level : float
        Probability inside, in (0, 1).
    degrees : int
        Degrees of freedom, at least 1.

    Returns
    -------
    float
        The quantile, above 0.
    """
    if degrees > _SERIES_UP_TO:
        return _expansion(NormalDist().inv_cdf(0.5 + level / 2), float(degrees))
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _inside(middle, degrees) < level:
            low = middle
        else:
            high = middle
    return sqrt(degrees) * float(np.tan((low + high) / 2))


def _inside(angle: float, degrees: int) -> float:
    """P(|t| <= tan(angle) * sqrt(degrees))."""
    sine, cosine = float(np.sin(angle)), float(np.cos(angle))
    odd = degrees % 2
    steps = np.arange(1, (degrees - odd) // 2)
    factors = (2 * steps - 1 + odd) / (2 * steps + odd) * cosine**2
    series = 1 + float(np.cumprod(factors).sum())
    if not odd:
        return sine * series
    return 2 / pi * (angle + (sine * cosine * series if degrees > 1 else 0.0))


def _expansion(z: float, degrees: float) -> float:
    square = z * z
    terms = (
        z * (square + 1) / 4,
        z * ((5 * square + 16) * square + 3) / 96,
        z * (((3 * square + 19) * square + 17) * square - 15) / 384,
        z * ((((79 * square + 776) * square + 1482) * square - 1920) * square - 945) / 92160,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))
