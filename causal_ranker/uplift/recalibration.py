"""Calibrated propensities, by calibrators that saw neither the row's user nor its unit.

The models of a cell of the cross-fit (a user fold and a unit fold) saw no row of it, so the rows of
a cell can calibrate each other: they are dealt into parts by user and by unit, and a part's
calibrator is learned from the rows of the cell that share neither with it. A calibrator learned
from other cells would not do: their models were fitted on the very rows that it is for.

The calibrator is ``logit(e') = a + b logit(e)`` (Cox, 1958; Platt, 1999): two numbers, smooth, and
e' lies in (0, 1) and has no ties that e had not, which isotonic steps cannot promise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats.logistic import fit_logistic, probability
from causal_ranker.uplift.crossfit import PARTS, FoldCells

__all__ = ["Calibrators"]

Array = NDArray[np.float64]


class Calibrators:
    """Calibrators of one propensity model, for rows of its training and for later ones.

    Parameters
    ----------
    estimate : numpy.ndarray
        Cross-fitted propensities in (0, 1), shape (n_rows,).
    treatment : numpy.ndarray
        T, 0 or 1.
    weight : numpy.ndarray
        Analysis weights.
    cells : FoldCells
        Where the rows stand.
    user, unit : numpy.ndarray
        Whose rows they are and where T was assigned: as many independent draws as there are of the
        fewer of both. The identity counts as one of them, so that a handful changes little.
    folds : int
        Folds of users.
    """

    def __init__(
        self,
        estimate: Array,
        *,
        treatment: NDArray[Any],
        weight: Array,
        cells: FoldCells,
        user: NDArray[Any],
        unit: NDArray[Any],
        folds: int,
    ) -> None:
        odds, target = _log_odds(estimate), np.asarray(treatment, dtype=np.float64)
        codes = [np.unique(ids, return_inverse=True)[1] for ids in (user, unit)]

        def learn(chosen: NDArray[np.int64]) -> tuple[float, float]:
            draws = min(int(np.count_nonzero(np.bincount(code[chosen]))) for code in codes)
            if draws == 0:
                return 0.0, 1.0
            return _learn(odds[chosen], target[chosen], weight=weight[chosen], draws=draws)

        self._crossed = cells.crossed
        units, parts = (folds, PARTS) if cells.crossed else (1, 1)
        #: By user fold, unit fold, user part and unit part; and for later rows by the first and
        #: third alone: those of all unit folds, as later units are in none.
        self._cross = np.empty((folds, units, PARTS, parts, 2))
        self._later = np.empty((folds, PARTS, 2))
        for f in range(folds):
            fold = np.flatnonzero(cells.user_fold == f)
            for a in range(PARTS):
                others = fold[cells.user_part[fold] != a]
                self._later[f, a] = learn(others)
                for g in range(units):
                    cell = others[cells.unit_fold[others] == g]
                    for b in range(parts):
                        self._cross[f, g, a, b] = (
                            learn(cell[cells.unit_part[cell] != b])
                            if cells.crossed
                            else self._later[f, a]
                        )

    def cross_fitted(self, estimate: Array, cells: FoldCells) -> Array:
        """Calibrate cross-fitted estimates of rows of training's users and units.

        Parameters
        ----------
        estimate : numpy.ndarray
            Shape (n_rows,), in (0, 1).
        cells : FoldCells
            Where the rows stand.

        Returns
        -------
        numpy.ndarray
            Shape (n_rows,), in (0, 1).
        """
        by_unit = (cells.unit_fold, cells.unit_part) if self._crossed else (0, 0)
        return _apply(
            estimate, self._cross[cells.user_fold, by_unit[0], cells.user_part, by_unit[1]]
        )

    def later(self, estimate: Array, cells: FoldCells) -> Array:
        """Calibrate estimates of later rows.

        Parameters
        ----------
        estimate : numpy.ndarray
            Shape (n_rows,), in (0, 1), by models that did not see the row's user.
        cells : FoldCells
            Where the rows' users stand.

        Returns
        -------
        numpy.ndarray
            Shape (n_rows,), in (0, 1).
        """
        return _apply(estimate, self._later[cells.user_fold, cells.user_part])


def _learn(odds: Array, target: Array, *, weight: Array, draws: int) -> tuple[float, float]:
    """Return intercept and slope; 0 and 1 are worth one draw."""
    ones = np.ones(len(odds))
    level, steeper = fit_logistic(
        np.column_stack([ones, odds]),
        target,
        weight=weight,
        l2=np.full(2, 1 / draws),
        offset=odds,
    )
    if steeper > -1:
        return level, 1 + steeper
    # A slope below 0 would turn the order of the rows around: then the estimates say nothing.
    (level,) = fit_logistic(ones[:, None], target, weight=weight, l2=np.full(1, 1 / draws))
    return level, 0.0


def _log_odds(chance: Array) -> Array:
    return np.log(chance) - np.log1p(-chance)


def _apply(estimate: Array, lines: Array) -> Array:
    return probability(lines[:, 0] + lines[:, 1] * _log_odds(estimate))
