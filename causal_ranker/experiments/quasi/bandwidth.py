"""How near to a cut-off rows must be to count (Imbens and Kalyanaraman, 2012)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import DataError, EmptyError
from causal_ranker.stats._arrays import Array

__all__ = ["best_bandwidth"]

#: Of a triangular kernel: their C_K.
_KERNEL = 3.4375
_FEWEST = 20


def best_bandwidth(y: Array, x: Array) -> float:
    """Return the bandwidth with the least expected squared error of local lines at 0.

    Parameters
    ----------
    y : ndarray of float64, shape (n,)
        The outcome.
    x : ndarray of float64, shape (n,)
        The running variable, less the cut-off.

    Returns
    -------
    float
        In the unit of the running variable.

    Raises
    ------
    EmptyError
        If a side has fewer than 20 values near the cut-off.
    DataError
        If the outcome does not vary there.
    """
    above = x >= 0
    sides = {"above": above, "below": ~above}
    # Density and variance at the cut-off, in a window by Silverman's rule.
    window = 1.84 * float(x.std(ddof=1)) * x.size**-0.2
    inside = {name: side & (np.abs(x) <= window) for name, side in sides.items()}
    for name, rows in inside.items():
        _refuse_too_few(x[rows], name=name, window=window)
    density = sum(int(rows.sum()) for rows in inside.values()) / (2 * x.size * window)
    variance = {name: float(y[rows].var(ddof=1)) for name, rows in inside.items()}
    for name, spread in variance.items():
        if not spread > 0:
            raise DataError(
                expected=f"an outcome that varies near the cut-off, {name} it",
                came="the same value in all rows there",
                do="Check the outcome, or give a bandwidth.",
            )
    # Third derivative by a global cubic with a jump, which says how far to look for the second.
    third = 6 * _coefficients(np.column_stack([above, x, x**2, x**3]), y)[-1]
    curvature, penalty = {}, {}
    for name, side in sides.items():
        rough = variance[name] / (density * max(third**2, 1e-300)) / int(side.sum())
        reach = min(3.56 * rough ** (1 / 7), float(np.abs(x[side]).max()))
        rows = side & (np.abs(x) <= reach)
        _refuse_too_few(x[rows], name=name, window=reach)
        curvature[name] = 2 * _coefficients(np.column_stack([x[rows], x[rows] ** 2]), y[rows])[-1]
        penalty[name] = 2160 * variance[name] / (int(rows.sum()) * reach**4)
    bend = (curvature["above"] - curvature["below"]) ** 2 + sum(penalty.values())
    noise = sum(variance.values()) / density
    return float(_KERNEL * (noise / bend) ** 0.2 * x.size**-0.2)


def _coefficients(columns: NDArray[np.generic], y: Array) -> Array:
    design = np.column_stack([np.ones(y.size), columns])
    scale = np.abs(design).max(axis=0)
    scale[scale == 0] = 1.0
    return np.asarray(np.linalg.lstsq(design / scale, y, rcond=None)[0] / scale)


def _refuse_too_few(x: Array, *, name: str, window: float) -> None:
    if np.unique(x).size < _FEWEST:
        raise EmptyError(
            expected=f"at least {_FEWEST} values near the cut-off, {name} it",
            came=f"{np.unique(x).size} within {window:.3g}",
            do="Give a bandwidth, or more rows; a rank has too few values for this.",
        )
