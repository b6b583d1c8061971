"""Compare each unit with itself at other times, and each time with itself for other units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import DataError, OverlapError
from causal_ranker.stats._arrays import Array, IntArray, binary_vector, float_vector, same_size
from causal_ranker.stats._codes import cluster_codes, clusterings
from causal_ranker.stats._interval import linearised
from causal_ranker.stats.intervals import Interval

__all__ = ["FixedEffects", "two_way_fixed_effects"]

_PRECISION = 1e-13
_MOST_STEPS = 2_000
#: Of a treatment's square sum, what is left where units and periods explain all of it.
_NOTHING = 1e-9


@dataclass(frozen=True)
class FixedEffects:
    """Effect of a treatment that comes and goes.

    Parameters
    ----------
    effect : Interval
        Of the treatment, in the outcome's unit.
    units, periods, rows : int
        How many there are.
    switching : int
        Units seen both with the treatment and without: the others only tell what time does.
    negative_weight : float
        The estimate is a weighted sum of the effects in treated rows, and its weights sum to 1.
        Some may be negative where effects differ: this is their sum without its sign (de
        Chaisemartin and D'Haultfoeuille, 2020). At 0 it is a mean of effects.
    """

    effect: Interval
    units: int
    periods: int
    rows: int
    switching: int
    negative_weight: float


def two_way_fixed_effects(
    outcome: ArrayLike,
    treatment: ArrayLike,
    *,
    unit: ArrayLike,
    period: ArrayLike,
    cluster: ArrayLike,
    second_cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> FixedEffects:
    """Regress the outcome on the treatment with an effect of each unit and of each period.

    Both are taken out of treatment and outcome first (Frisch and Waugh), by least squares on sparse
    dummies, so neither need be few, and the panel need not be whole. It holds if, without the
    treatment, all units would have moved in parallel, and past treatment leaves nothing behind.

    Parameters
    ----------
    outcome : array_like, shape (n,)
        Y.
    treatment : array_like of 0 and 1, shape (n,)
        T.
    unit, period : array_like of int or str, shape (n,)
        Whose row it is, and of when.
    cluster : array_like of int or str, shape (n,)
        Rows that move together: users, or what T was assigned to.
    second_cluster : array_like of int or str, shape (n,), optional
        A second clustering.
    level : float
        Probability inside the interval.

    Returns
    -------
    FixedEffects
        The effect, with the factor ``C / (C - 1)`` for C clusters and no other correction.

    Raises
    ------
    OverlapError
        If units and periods explain the treatment wholly.
    DataError
        If the dummies cannot be taken out: the panel falls into parts that hardly hang together.
    RowError, SchemaError
        If a value is missing or the arrays do not fit.
    """
    y, treated = float_vector(outcome, name="outcome"), binary_vector(treatment, name="treatment")
    same_size(y.size, treatment=treated)
    rows = np.arange(y.size)
    units = cluster_codes(unit, name="unit", size=y.size, rows=rows)
    periods = cluster_codes(period, name="period", size=y.size, rows=rows)
    sides = [units.codes, periods.codes]
    rest = _without(treated.astype(np.float64), sides)
    spread = float(rest @ rest)
    if spread <= _NOTHING * max(float(treated.sum()), 1.0):
        raise OverlapError(
            expected="a treatment that differs between units within a period, and over time",
            came="one that unit and period determine",
            do="Look for units that were treated at times when others were not.",
        )
    point = float(rest @ y) / spread
    residual = _without(y, sides) - point * rest
    weights = rest[treated] / spread
    exposed = np.bincount(units.codes, weights=treated)
    return FixedEffects(
        effect=linearised(
            point,
            rest * residual / spread,
            ways=clusterings(cluster, second_cluster, size=y.size, rows=rows),
            level=level,
        ),
        units=units.count,
        periods=periods.count,
        rows=y.size,
        switching=int(((exposed > 0) & (exposed < np.bincount(units.codes))).sum()),
        negative_weight=float(-weights[weights < 0].sum()),
    )


def _without(values: Array, sides: list[IntArray]) -> Array:
    """Return what units and periods do not explain."""
    from scipy.sparse import csr_matrix, hstack
    from scipy.sparse.linalg import lsmr

    parts = []
    for codes in sides:
        # Columns of length 1, so that a unit with few rows is not found more slowly.
        scale = 1 / np.sqrt(np.bincount(codes))
        index = np.arange(codes.size + 1)
        parts.append(csr_matrix((scale[codes], codes, index)))
    dummies = hstack(parts, format="csr")
    centred = values - values.mean()
    if not centred.any():
        return np.asarray(centred)
    found = lsmr(dummies, centred, atol=_PRECISION, btol=_PRECISION, maxiter=_MOST_STEPS)
    solution, stopped = found[0], found[1]
    if stopped == 7:
        raise DataError(
            expected="a panel whose units share periods",
            came=f"effects of units and periods that {_MOST_STEPS} steps do not tell apart",
            do="Keep units that are seen in many periods.",
        )
    return np.asarray(centred - dummies @ solution)
