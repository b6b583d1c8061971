"""The chance that one normal variable is the largest of several, by numerical integration.

``P(c) = int phi(z) prod_j Phi((mu_c + sd_c z - mu_j) / sd_j) dz`` over the others j. There is no
closed form for more than two. The integrand is smooth on the scale of the narrowest variable; it
is integrated by Gauss-Legendre on panels of that width, which are halved until nothing changes,
and only where the product is neither 0 nor 1; above, the density's own tail is what is left.
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
#: Where the product is looked at first, in standard deviations of the chosen variable.
_LOOK: Final = np.linspace(-_REACH, _REACH, 37)
#: Masses of so little are left out.
_NOTHING: Final = 1e-15
_ORDER: Final = 8
_FEWEST, _MOST = 4, 1 << 14
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
    start, end = _between(step, width)
    # Whoever is below with certainty from the start on takes no part.
    sure = (step + start[:, None]) / width > _REACH
    step, width = np.where(sure, np.inf, step), np.where(sure, 1.0, width)
    length = end - start
    narrow = np.minimum(width.min(axis=1), 1.0)
    wanted = 2.0 ** np.ceil(np.log2(length / (2 * narrow)))
    panels = np.clip(wanted, _FEWEST, _MOST).astype(np.int64)
    chance, error = np.empty(len(chosen)), np.full(len(chosen), np.inf)
    for count in np.unique(panels):
        rows = np.flatnonzero(panels == count)
        now = int(count)
        before = _integrals(step[rows], width[rows], start[rows], length[rows], panels=now)
        while rows.size:
            now *= 2
            after = _integrals(step[rows], width[rows], start[rows], length[rows], panels=now)
            chance[rows], error[rows] = after, np.abs(after - before)
            going = (error[rows] > _TOLERANCE) & (now < 2 * _MOST)
            rows, before = rows[going], after[going]
    hidden = (wanted > _MOST) * (width < (length / _MOST)[:, None]).sum(axis=1)
    error += hidden * 0.4 * length / (2 * _MOST)
    return np.minimum(chance, 1.0), error  # 1 but for rounding where nobody comes near


def _between(step: Array, width: Array) -> tuple[Array, Array]:
    """Return from where to where the integral differs from 0 and from the density's tail."""
    from scipy.special import ndtr

    product = np.stack([ndtr((step + z) / width).prod(axis=1) for z in _LOOK], axis=1)
    # The product rises with z, so that these bound what lies below and above.
    below = (product * ndtr(_LOOK) <= _NOTHING).sum(axis=1)
    above = ((1 - product) * ndtr(-_LOOK) <= _NOTHING).sum(axis=1)
    first = np.clip(below - 1, 0, _LOOK.size - 2)
    last = np.clip(_LOOK.size - above, first + 1, _LOOK.size - 1)
    return _LOOK[first], _LOOK[last]


def _integrals(step: Array, width: Array, start: Array, length: Array, *, panels: int) -> Array:
    from scipy.special import ndtr

    open_ = np.isfinite(step).any(axis=0)
    step, width = step[:, open_], width[:, open_]
    at, weight = np.polynomial.legendre.leggauss(_ORDER)
    share = ((np.arange(panels)[:, None] + (at + 1) / 2) / panels).ravel()
    part = np.tile(weight / (2 * panels), panels) / np.sqrt(2 * np.pi)
    total: Array = ndtr(-(start + length))  # where the product is 1
    at_once = max(1, _CELLS // max(step.size, 1))
    for first in range(0, share.size, at_once):
        some = slice(first, first + at_once)
        z = start[:, None] + length[:, None] * share[some]
        below = ndtr((step[:, :, None] + z[:, None, :]) / width[:, :, None]).prod(axis=1)
        total += length * ((below * np.exp(-z * z / 2)) @ part[some])
    return total
