"""A treatment of several levels: each level's effect against control.

Surfaces, positions, pieces of artwork: a row is given one of them, or none, which is control.
Each level is compared with control on the rows of those two arms alone, by a learner of a treatment
that is 0 or 1. Among them the chance of the level is ``p_l / (p_0 + p_l)``, so effects of different
levels are those of the whole population only as far as both arms' rows cover it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.errors import CausalRankerError, EmptyError, NotFittedError, RowError
from causal_ranker.uplift.base import Effect, Rows, UpliftModel
from causal_ranker.uplift.encoding import in_order

__all__ = ["LevelLearner", "code_treatment"]

_MOST_LEVELS: Final = 100


def code_treatment(
    treatment: NDArray[Any], *, control: Any
) -> tuple[NDArray[np.int8], tuple[Any, ...]]:
    """Give the levels of a treatment numbers.

    Parameters
    ----------
    treatment : numpy.ndarray
        Level of each row, numbers or names, shape (n_rows,).
    control : object
        The level that the others are compared with.

    Returns
    -------
    codes : numpy.ndarray
        Shape (n_rows,): 0 for control, 1 for the first other level, and so on.
    levels : tuple
        The other levels, sorted.

    Raises
    ------
    RowError
        If a row has no level, or there are more levels than 100.
    EmptyError
        If there is no row of control, or of any other level.
    """
    codes, values = pd.factorize(treatment)
    if (codes < 0).any():
        bad = np.flatnonzero(codes < 0)
        raise RowError(
            expected="a treatment in every row",
            came=f"{len(bad)} of {len(codes)} rows without, e.g. rows {bad[:3].tolist()}",
            do="Say what was shown in each row, or leave the row out.",
        )
    levels = tuple(in_order(value for value in np.asarray(values).tolist() if value != control))
    if len(levels) == len(values):
        raise EmptyError(
            expected=f"rows of control, which is {control!r}",
            came=f"the levels {list(levels[:5])} in {len(codes)} rows",
            do="Set control to the level that the others are compared with.",
        )
    if not levels:
        raise EmptyError(
            expected="rows of a treatment other than control",
            came=f"{control!r} in all {len(codes)} rows",
            do="Give logs in which something was shown.",
        )
    if len(levels) > _MOST_LEVELS:
        raise RowError(
            expected=f"at most {_MOST_LEVELS} levels of treatment beside control",
            came=f"{len(levels)}, e.g. {list(levels[:3])}",
            do="Make fewer levels of it; items are features, and no treatments of their own.",
        )
    place = {level: code for code, level in enumerate((control, *levels))}
    numbers = np.array([place[value] for value in np.asarray(values).tolist()], dtype=np.int8)
    return numbers[codes], levels


class LevelLearner:
    """One learner for each level of treatment, against control.

    The rows given to `fit` have a treatment of 0 (control) to L, and a propensity of shape
    (n_rows, L + 1), the logged chance of each, or NaN throughout, shape (n_rows,).

    Parameters
    ----------
    make : callable
        Makes a learner of a treatment that is 0 or 1; called once a level.
    levels : sequence
        What levels 1 to L are called.

    Attributes
    ----------
    learners_ : dict
        The fitted learner of each level.
    """

    def __init__(self, make: Callable[[], UpliftModel], *, levels: Sequence[Any]) -> None:
        self._make = make
        self._levels = tuple(levels)
        self.learners_: dict[Any, UpliftModel] = {}

    def fit(self, rows: Rows) -> LevelLearner:
        """Fit each level's learner on its rows and those of control.

        Parameters
        ----------
        rows : Rows
            Training rows of all arms.

        Returns
        -------
        LevelLearner
            Itself.

        Raises
        ------
        RowError
            If logged propensities are no chances of all levels, or leave none to what was shown.
        CausalRankerError
            Whatever a level's learner raises; the message names the level.
        """
        chances = _generalised(rows, levels=len(self._levels))
        for code, level in enumerate(self._levels, start=1):
            kept = np.flatnonzero((rows.treatment == 0) | (rows.treatment == code))
            pair = replace(rows, propensity=np.full(len(rows), np.nan)).take(kept)
            logged = pair.propensity
            if chances is not None:
                logged = chances[kept, code] / (chances[kept, 0] + chances[kept, code])
            treated = (pair.treatment == code).astype(np.int8)
            pair = replace(pair, treatment=treated, propensity=logged)
            try:
                self.learners_[level] = self._make().fit(pair)
            except CausalRankerError as error:
                raise type(error)(
                    expected=error.expected,
                    came=f"{error.came}, of level {level!r} and control",
                    do=error.do,
                ) from error
        return self

    def predict(self, features: NDArray[np.float32]) -> Effect:
        """Estimate the uplift of every level.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features), in the order of training.

        Returns
        -------
        Effect
            Uplift in plays per impression, shape (n_rows, L): a column for each level; with
            intervals where the learners give them.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        if not self.learners_:
            raise NotFittedError(
                expected="a fitted learner", came="none", do="Call fit(rows) first."
            )
        effects = [learner.predict(features) for learner in self.learners_.values()]
        return Effect(
            point=np.column_stack([effect.point for effect in effects]),
            low=_beside([effect.low for effect in effects]),
            high=_beside([effect.high for effect in effects]),
        )


def _beside(ends: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    given = [end for end in ends if end is not None]
    return np.column_stack(given) if given else None


def _generalised(rows: Rows, *, levels: int) -> NDArray[np.float64] | None:
    """Return the logged chance of each level, shape (n_rows, levels + 1), or None."""
    chances = rows.propensity
    if np.isnan(chances).all():
        return None
    shape = (len(rows), levels + 1)
    if chances.shape != shape:
        raise RowError(
            expected=f"logged propensities of shape {shape}: control first, then a column a level",
            came=f"shape {chances.shape}",
            do="Log the propensity of every level, or of none to have them estimated.",
        )
    # A log may have rounded them.
    whole = np.abs(chances.sum(axis=1) - 1) < 1e-3
    bad = ~(whole & ((chances >= 0) & (chances <= 1)).all(axis=1))
    bad |= ~(chances[np.arange(len(rows)), rows.treatment] > 0)
    if bad.any():
        first = np.flatnonzero(bad)[:3]
        raise RowError(
            expected="propensities that sum to 1 over the levels, above 0 for the one shown",
            came=f"{int(bad.sum())} of {len(rows)} rows without, e.g. {chances[first[0]].tolist()} "
            f"in row {first[0]} with treatment {int(rows.treatment[first[0]])}",
            do="Give a column for control and one for each level, in that order.",
        )
    return chances
