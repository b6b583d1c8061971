"""P(T = 1 | X): logged where it was logged, else estimated across folds.

A product that is promoted is promoted for many users at once. Folds by user alone would let a
model look the promotion up among the other users' rows of the same unit, and report certainty
where there was chance. So a row's propensity comes from models that saw neither its user's fold
nor its unit's fold.

Several kinds of model are compared by their log-loss out of fold, the best is kept, and its
estimates are calibrated by rows of other users and units (see `recalibration` beside this). Which
kind is kept is the one thing in which a row's own treatment has a say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import NotFittedError, RowError
from causal_ranker.stats.distinct import distinct_rows
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.stats.logistic import log_loss
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checkpoint import Keep, fit_anew
from causal_ranker.uplift.crossfit import FoldCells
from causal_ranker.uplift.propensity_models import (
    PropensityFit,
    PropensityKind,
    PropensityModel,
    propensity_fits,
)
from causal_ranker.uplift.recalibration import Calibrators

__all__ = ["CrossFitPropensity", "PropensityTrial", "logged_propensity"]


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


@dataclass(frozen=True)
class PropensityTrial:
    """One kind of propensity model and how it did.

    Attributes
    ----------
    kind : {"boosted", "logistic", "elastic net"}
        The kind.
    log_loss : float
        Weighted mean log-loss out of fold, of calibrated estimates where they are calibrated, over
        the rows of the same users for every kind; in nats a row.
    """

    kind: PropensityKind
    log_loss: float


class CrossFitPropensity:
    """Propensity models across folds of users and of assignment units.

    Parameters
    ----------
    config : BoostConfig
        Trees of each boosted model.
    folds : int
        Folds of users, and of units where they differ from users.
    kinds : sequence of {"boosted", "logistic", "elastic net"}
        Kinds of model to compare, each once; the best is kept.
    calibrated : bool
        Whether estimates are calibrated.
    sample_rows : int
        About how many rows linear models, calibrators and the comparison read: all rows of users
        drawn by a salted hash, as many in each fold. Trees are fitted on all rows.
    allowed : collection of str, optional
        Features the models may use; all by default.
    seed : int
        Seed of the models.

    Attributes
    ----------
    trials : tuple of PropensityTrial
        Every kind, in the order given, after `fit`.
    """

    trials: tuple[PropensityTrial, ...] = ()

    def __init__(
        self,
        *,
        config: BoostConfig,
        folds: int,
        kinds: Sequence[PropensityKind] = ("boosted",),
        calibrated: bool = False,
        sample_rows: int = 100_000,
        allowed: Collection[str] | None = None,
        seed: int,
    ) -> None:
        self._config = config
        self._folds = folds
        self._kinds = kinds
        self._calibrated = calibrated
        self._sample_rows = sample_rows
        self._allowed = allowed
        self._columns: list[int] = []
        self._seed = seed
        self._best: _Fitted | None = None
        self._later: list[PropensityModel] = []

    def fit(self, rows: Rows, *, keep: Keep = fit_anew) -> CrossFitPropensity:
        """Fit each kind for each pair of a user fold and a unit fold, and the best for each fold.

        Parameters
        ----------
        rows : Rows
            Training rows; weights enter the fits.
        keep : callable
            Returns each model of trees by name, from an earlier fit where it has it (see
            `causal_ranker.uplift.checkpoint`); other kinds are fitted in little time.

        Returns
        -------
        CrossFitPropensity
            Itself.

        Raises
        ------
        EmptyError
            If all rows are of one fold's users or units.
        """
        self._columns = [
            place
            for place, name in enumerate(rows.names)
            if self._allowed is None or name in self._allowed
        ]
        cells = FoldCells.of(rows.user, rows.unit, folds=self._folds, seed=self._seed)
        sample = self._drawn(rows.user, cells.user_fold)
        fits = propensity_fits(
            rows,
            kinds=self._kinds,
            columns=self._columns,
            sample=sample,
            config=self._config,
            seed=self._seed,
            keep=keep,
        )
        found = {kind: self._fit(fit, rows, cells, sample) for kind, fit in fits.items()}
        self.trials = tuple(PropensityTrial(kind, each.loss) for kind, each in found.items())
        best = min(found, key=lambda kind: found[kind].loss)
        self._best = found[best]
        self._later = [
            fits[best](cells.user_fold == f) if cells.crossed else self._best.models[f, 0]
            for f in range(self._folds)
        ]
        return self

    def _fit(
        self, fit: PropensityFit, rows: Rows, cells: FoldCells, sample: NDArray[np.int64]
    ) -> _Fitted:
        """Fit one kind in every cell, calibrate it, and judge it on the sample."""
        models = {
            (f, g): fit(cells.held_out(f, g))
            for f in range(self._folds)
            for g in range(int(cells.unit_fold.max()) + 1)
        }
        here, treatment, weight = cells.take(sample), rows.treatment[sample], rows.weight[sample]
        estimate = self._raw(models, rows.features, cells, rows=sample)
        calibrators = None
        if self._calibrated:
            calibrators = Calibrators(
                estimate,
                treatment=treatment,
                weight=weight,
                cells=here,
                user=rows.user[sample],
                unit=rows.unit[sample],
                folds=self._folds,
            )
            estimate = calibrators.cross_fitted(estimate, here)
        return _Fitted(models, calibrators, log_loss(estimate, treatment, weight=weight))

    def _drawn(self, user: NDArray[Any], fold: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of users drawn by hash, the same whatever T and the order of rows."""
        if len(user) <= self._sample_rows:
            return np.arange(len(user))
        draw = uniform_hash(user, salt=f"propensity-{self._seed}")
        kept = np.zeros(len(user), dtype=bool)
        for f in range(self._folds):
            mine = np.flatnonzero(fold == f)
            enough = min(len(mine), self._sample_rows // self._folds + 1)
            if enough:
                kept[mine] = draw[mine] <= np.partition(draw[mine], enough - 1)[enough - 1]
        return np.flatnonzero(kept)

    def cross_fitted(self, rows: Rows) -> NDArray[np.float64]:
        """Estimate rows of training's time by models that saw neither their user nor their unit.

        Parameters
        ----------
        rows : Rows
            Rows of the users and units of training.

        Returns
        -------
        numpy.ndarray
            Shape (n_rows,), in (0, 1).
        """
        best = self._fitted()
        cells = FoldCells.of(rows.user, rows.unit, folds=self._folds, seed=self._seed)
        estimate = self._raw(best.models, rows.features, cells, rows=np.arange(len(rows)))
        return (
            estimate if best.calibrators is None else best.calibrators.cross_fitted(estimate, cells)
        )

    def _raw(
        self,
        models: Mapping[tuple[int, int], PropensityModel],
        features: NDArray[np.float32],
        cells: FoldCells,
        *,
        rows: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Estimate some rows, each by the model of its cell."""
        by_user, by_unit = cells.user_fold[rows], cells.unit_fold[rows]
        estimate = np.empty(len(rows))
        for (f, g), model in models.items():
            chosen = np.flatnonzero((by_user == f) & (by_unit == g))
            estimate[chosen] = model.predict(features, rows=rows[chosen], columns=self._columns)
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
            Shape (n_rows,): by models that did not see the row's user, calibrated by the estimates
            of those that saw neither user nor unit.
        """
        calibrators = self._fitted().calibrators
        # Column by column, which is how the trees read them.
        columns = np.empty((len(features), len(self._columns)), dtype=np.float32, order="F")
        for place, column in enumerate(self._columns):
            columns[:, place] = features[:, column]
        cells = FoldCells.of(user, user, folds=self._folds, seed=self._seed)
        estimate = self._by_fold(columns, cells.user_fold)
        return estimate if calibrators is None else calibrators.later(estimate, cells)

    def _by_fold(
        self, columns: NDArray[np.float32], fold: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        first, code = distinct_rows(columns)
        if len(first) * self._folds < len(columns):
            # An assignment made for a whole unit gives its rows the same features: score each once.
            once, all_of_them = columns[first], np.arange(len(first))
            by_fold = np.stack([model.predict(once, rows=all_of_them) for model in self._later])
            return np.asarray(by_fold[fold, code])
        estimate = np.empty(len(columns))
        for f, model in enumerate(self._later):
            estimate[fold == f] = model.predict(columns, rows=np.flatnonzero(fold == f))
        return estimate

    def _fitted(self) -> _Fitted:
        if self._best is None:
            raise NotFittedError(
                expected="a fitted propensity model", came="none", do="Call fit(rows) first."
            )
        return self._best


@dataclass(frozen=True)
class _Fitted:
    """A kind of model in every cell, its calibrators, and how it did on the sample."""

    models: Mapping[tuple[int, int], PropensityModel]
    calibrators: Calibrators | None
    loss: float
