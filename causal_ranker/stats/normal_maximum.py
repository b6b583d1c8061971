"""The chance that one normal variable is the largest of several, by numerical integration.

``P(c) = int phi(z) prod_j Phi((mu_c + sd_c z - mu_j) / sd_j) dz`` over the others j. There is no
closed form for more than two. The integrand is smooth on the scale of the narrowest variable; it
is integrated by Gauss-Legendre on panels of that width, which are halved until nothing changes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import RowError
from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["chance_of_maximum"]

#: Beyond so many standard deviations lies a mass of 2e-19.
_REACH: Final = 9.0
_ORDER: Final = 8
_FEWEST, _MOST = 16, 1 << 14
_TOLERANCE: Final = 1e-9
_CELLS: Final = 1 << 20


def chance_of_maximum(
    mean: Array, sd: Array, *, able: NDArray[np.bool_], chosen: IntArray
) -> tuple[Array, Array]:
    """Return the chance that a row's chosen variable is the largest of the row.

    Parameters
    ----------
    mean, sd : ndarray of float64, shape (r, n)
        Means and standard deviations of independent normal variables, the latter above 0.
    able : ndarray of bool, shape (r, n)
        Which variables take part; the chosen one does.
    chosen : ndarray of int64, shape (r,)
        The variable of each row whose chance is asked for.

    Returns
    -------
    chance : ndarray of float64, shape (r,)
        Probabilities.
    error : ndarray of float64, shape (r,)
        What the last halving of the panels changed, at most 1e-9 where standard deviations of a
        row differ by less than a factor of 1,000: the error that is left is smaller. Where they
        differ so much more that steps of the integrand fit into one panel, what those could hide
        is added.

    Raises
    ------
    RowError
        If a mean is not finite or a standard deviation not above 0.
    """
    bad = able & ~(np.isfinite(mean) & np.isfinite(sd) & (sd > 0))
    if bad.any():
        raise RowError(
            expected="finite means, and standard deviations above 0",
            came=f"{int(bad.sum())} of {int(able.sum())} variables with others",
            do="Give every candidate an interval of some width.",
        )
    each = np.arange(len(chosen))
    own = sd[each, chosen]
    others = able.copy()
    others[each, chosen] = False
    # In standard deviations of the chosen one: where the others' steps lie, and how wide they are.
    step = np.where(others, (mean[each, chosen][:, None] - mean) / own[:, None], np.inf)
    width = np.where(others, sd / own[:, None], 1.0)
    narrow = np.minimum(width.min(axis=1), 1.0)
    wanted = 2.0 ** np.ceil(np.log2(_REACH / narrow))
    panels = np.clip(wanted, _FEWEST, _MOST).astype(np.int64)
    chance, error = np.empty(len(chosen)), np.full(len(chosen), np.inf)
    for count in np.unique(panels):
        rows = np.flatnonzero(panels == count)
        now = int(count)
        before = _integrals(step[rows], width[rows], panels=now)
        while rows.size:
            now *= 2
            after = _integrals(step[rows], width[rows], panels=now)
            chance[rows], error[rows] = after, np.abs(after - before)
            going = (error[rows] > _TOLERANCE) & (now < 2 * _MOST)
            rows, before = rows[going], after[going]
    hidden = (wanted > _MOST) * (width < 2 * _REACH / _MOST).sum(axis=1)
    error += hidden * 0.4 * 2 * _REACH / (2 * _MOST)
    return np.minimum(chance, 1.0), error  # 1 but for rounding where nobody comes near


def _integrals(step: Array, width: Array, *, panels: int) -> Array:
    from scipy.special import ndtr

    at, weight = np.polynomial.legendre.leggauss(_ORDER)
    half = _REACH / panels
    middles = -_REACH + half * (2 * np.arange(panels) + 1)
    z = (middles[:, None] + half * at).ravel()
    density = np.tile(half * weight, panels) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    total = np.zeros(len(step))
    at_once = max(1, _CELLS // step.size)
    for start in range(0, z.size, at_once):
        some = slice(start, start + at_once)
        below = ndtr((step[:, :, None] + z[some]) / width[:, :, None]).prod(axis=1)
        total += below @ density[some]
    return total
