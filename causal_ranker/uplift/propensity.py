"""P(T = 1 | X): logged where it was logged, else estimated across folds.

A product that is promoted is promoted for many users at once. Folds by user alone would let a
model look the promotion up among the other users' rows of the same unit, and report certainty
where there was chance. So a row's propensity comes from models that saw neither its user's fold
nor its unit's fold.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.errors import EmptyError, RowError
from causal_ranker.stats.distinct import distinct_rows
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checkpoint import Keep, fit_anew
from causal_ranker.uplift.crossfit import unit_fold, user_fold

if TYPE_CHECKING:
    import lightgbm

__all__ = ["CrossFitPropensity", "logged_propensity"]


def logged_propensity(propensity: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the logged propensities, or None where none was logged.

    Parameters
    ----------
    propensity : numpy.ndarray
        Shape (n_rows,); all in (0, 1], or all NaN. A row that is shown for certain, 1, has no
        overlap; whoever computes scores leaves it out.

    Returns
    -------
    numpy.ndarray or None
        The same array, or None if every value is NaN.

    Raises
    ------
    RowError
        If some rows have a logged propensity and some have not, or one lies outside (0, 1].
    """
    missing = np.isnan(propensity)
    if missing.all():
        return None
    bad = missing | (propensity <= 0) | (propensity > 1)
    if bad.any():
        raise RowError(
            expected="a logged propensity in (0, 1] for every row, or for none",
            came=f"{int(bad.sum())} of {len(bad)} rows without one, e.g. {propensity[bad][:3]}",
            do="Log the propensity of every candidate, or drop the column to estimate it.",
        )
    return propensity


class CrossFitPropensity:
    """Propensity models across folds of users and of assignment units.

    Parameters
    ----------
    config : BoostConfig
        Trees of each model.
    folds : int
        Folds of users, and of units where they differ from users.
    allowed : collection of str, optional
        Features the models may use; all by default.
    seed : int
        Seed of the models.
    """

    def __init__(
        self,
        *,
        config: BoostConfig,
        folds: int,
        allowed: Collection[str] | None = None,
        seed: int,
    ) -> None:
        self._config = config
        self._folds = folds
        self._allowed = allowed
        self._columns: list[int] = []
        self._seed = seed
        self._models: dict[tuple[int, int], lightgbm.Booster] = {}
        self._later: dict[int, lightgbm.Booster] = {}

    def fit(self, rows: Rows, *, keep: Keep = fit_anew) -> CrossFitPropensity:
        """Fit one model for each user fold, and for each pair of a user fold and a unit fold.

        Parameters
        ----------
        rows : Rows
            Training rows; weights enter the fits.
        keep : callable
            Returns each model by name, from an earlier fit where it has it (see
            `causal_ranker.uplift.checkpoint`).

        Returns
        -------
        CrossFitPropensity
            Itself.

        Raises
        ------
        EmptyError
            If all rows are of one fold's users or units.
        """
        target = np.asarray(rows.treatment, dtype=np.float64)
        self._columns = [
            place
            for place, name in enumerate(rows.names)
            if self._allowed is None or name in self._allowed
        ]
        by_user = self._user_folds(rows.user)
        by_unit = self._unit_folds(rows)

        def fitted(name: str, held_out: NDArray[np.bool_]) -> lightgbm.Booster:
            return keep(f"propensity-{name}", lambda: self._fit(target, rows, held_out=held_out))

        for f in range(self._folds):
            self._later[f] = fitted(str(f), by_user == f)
            for g in range(int(by_unit.max()) + 1):
                held_out = (by_user == f) | (by_unit == g)
                self._models[f, g] = (
                    fitted(f"{f}-{g}", held_out) if by_unit.any() else self._later[f]
                )
        return self

    def _fit(
        self,
        target: NDArray[np.float64],
        rows: Rows,
        *,
        held_out: NDArray[np.bool_],
    ) -> lightgbm.Booster:
        if held_out.all():
            raise EmptyError(
                expected="users and assignment units enough to hold some of each out",
                came=f"{len(np.unique(rows.user))} users and {len(np.unique(rows.unit))} "
                "units, all in one fold",
                do="Give longer logs, or log the propensities.",
            )
        everything = len(self._columns) == len(rows.names)
        binned = rows.binned(self._config, columns=None if everything else self._columns)
        return binned.fit(
            target,
            rows=np.flatnonzero(~held_out),
            weight=rows.weight,
            objective="binary",
            config=self._config,
            seed=self._seed,
        )

    def cross_fitted(self, rows: Rows) -> NDArray[np.float64]:
        """Estimate rows of training's time by the model that saw neither their user nor their unit.

        Parameters
        ----------
        rows : Rows
            Rows of the users and units of training.

        Returns
        -------
        numpy.ndarray
            Shape (n_rows,), in (0, 1).
        """
        by_user, by_unit = self._user_folds(rows.user), self._unit_folds(rows)
        estimate = np.empty(len(rows))
        for (f, g), model in self._models.items():
            chosen = np.flatnonzero((by_user == f) & (by_unit == g))
            estimate[chosen] = predict_trees(
                model, rows.features, rows=chosen, columns=self._columns
            )
        return estimate

    def predict(self, features: NDArray[np.float32], user: NDArray[Any]) -> NDArray[np.float64]:
        """Estimate rows of units that were not in training.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features), all features.
        user : numpy.ndarray
            User ids, shape (n_rows,).

        Returns
        -------
        numpy.ndarray
            Shape (n_rows,): by the model that did not see the row's user.
        """
        # Column by column, which is how the trees read them.
        columns = np.empty((len(features), len(self._columns)), dtype=np.float32, order="F")
        for place, column in enumerate(self._columns):
            columns[:, place] = features[:, column]
        fold = self._user_folds(user)
        first, code = distinct_rows(columns)
        if len(first) * self._folds < len(columns):
            # An assignment made for a whole unit gives its rows the same features: score each once.
            once = columns[first]
            by_fold = np.stack([predict_trees(model, once) for model in self._later.values()])
            return np.asarray(by_fold[fold, code])
        estimate = np.empty(len(columns))
        for f, model in self._later.items():
            estimate[fold == f] = predict_trees(model, columns, rows=np.flatnonzero(fold == f))
        return estimate

    def _user_folds(self, user: NDArray[Any]) -> NDArray[np.int64]:
        return user_fold(user, self._folds, seed=self._seed)

    def _unit_folds(self, rows: Rows) -> NDArray[np.int64]:
        return unit_fold(rows.unit, rows.user, folds=self._folds, seed=self._seed)
