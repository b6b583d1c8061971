"""Folds of the cross-fits: by user, and by assignment unit where that differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats.hashing import fold_of

__all__ = ["PARTS", "FoldCells", "unit_fold", "user_fold"]

#: Parts of a fold, each calibrated by the others.
PARTS: Final = 3


def user_fold(user: NDArray[Any], folds: int, *, seed: int) -> NDArray[np.int64]:
    """Return each row's user fold, the same for a user wherever it is asked.

    Parameters
    ----------
    user : numpy.ndarray
        User ids, shape (n_rows,).
    folds : int
        Number of folds.
    seed : int
        The run's seed.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,), values in 0..folds-1.
    """
    return np.asarray(fold_of(user, folds, salt=f"user-{seed}"), dtype=np.int64)


def unit_fold(
    unit: NDArray[Any], user: NDArray[Any], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """Return each row's unit fold; all zero where the unit is the user.

    Parameters
    ----------
    unit, user : numpy.ndarray
        Assignment units and user ids, shape (n_rows,).
    folds : int
        Number of folds.
    seed : int
        The run's seed.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,), values in 0..folds-1.
    """
    if unit is user or np.array_equal(unit, user):
        return np.zeros(len(unit), dtype=np.int64)
    return np.asarray(fold_of(unit, folds, salt=f"unit-{seed}"), dtype=np.int64)


@dataclass(frozen=True)
class FoldCells:
    """Where rows stand in the cross-fit, and in the calibration within it.

    Attributes
    ----------
    user_fold, unit_fold : numpy.ndarray
        Folds, shape (n_rows,).
    user_part, unit_part : numpy.ndarray
        Parts that calibrate each other within a fold, 0..PARTS-1, shape (n_rows,).
    crossed : bool
        Whether the units have folds of their own.
    """

    user_fold: NDArray[np.int64]
    unit_fold: NDArray[np.int64]
    user_part: NDArray[np.int64]
    unit_part: NDArray[np.int64]
    crossed: bool

    @classmethod
    def of(cls, user: NDArray[Any], unit: NDArray[Any], *, folds: int, seed: int) -> FoldCells:
        """Deal rows by the hashes of their ids.

        Parameters
        ----------
        user, unit : numpy.ndarray
            User ids and units of assignment, shape (n_rows,). Where the units are the users, or are
            not those of training, give the users twice.
        folds : int
            Number of folds.
        seed : int
            The run's seed.

        Returns
        -------
        FoldCells
            The same for a user and a unit wherever they are asked.
        """
        by_unit = unit_fold(unit, user, folds=folds, seed=seed)
        crossed = bool(by_unit.any())
        user_part = fold_of(user, PARTS, salt=f"user-part-{seed}")
        return cls(
            user_fold=user_fold(user, folds, seed=seed),
            unit_fold=by_unit,
            user_part=user_part,
            unit_part=fold_of(unit, PARTS, salt=f"unit-part-{seed}") if crossed else user_part,
            crossed=crossed,
        )

    def take(self, chosen: NDArray[np.int64]) -> FoldCells:
        """Return where some of the rows stand.

        Parameters
        ----------
        chosen : numpy.ndarray
            Positions.

        Returns
        -------
        FoldCells
            Of the chosen rows.
        """
        return FoldCells(
            self.user_fold[chosen],
            self.unit_fold[chosen],
            self.user_part[chosen],
            self.unit_part[chosen],
            self.crossed,
        )

    def held_out(self, f: int, g: int) -> NDArray[np.bool_]:
        """Mark the rows that the models of a cell must not see.

        Parameters
        ----------
        f, g : int
            User fold and unit fold.

        Returns
        -------
        numpy.ndarray
            Boolean, shape (n_rows,).
        """
        mine: NDArray[np.bool_] = self.user_fold == f
        if self.crossed:
            mine |= self.unit_fold == g
        return mine
