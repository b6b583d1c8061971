"""What every doubly robust learner needs first: propensity and outcome models, cross-fitted.

Fitted once and shared: by the learners that train on the scores, and by the evaluation that
judges them on later rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.boosting import BoostConfig, Objective, predict_trees
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import EmptyError, NotFittedError
from causal_ranker.stats.aipw import aipw_scores
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checkpoint import Checkpoint, Keep, fit_anew
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.propensity import (
    CrossFitPropensity,
    PropensityTrial,
    logged_propensity,
)
from causal_ranker.uplift.propensity_models import PropensityKind

if TYPE_CHECKING:
    import lightgbm

__all__ = [
    "OBJECTIVES",
    "NuisanceConfig",
    "NuisanceValues",
    "Nuisances",
    "cross_fit",
    "propensity_model",
]

#: What outcome models of each kind of Y minimise.
OBJECTIVES: Final[dict[str, Objective]] = {
    "binary": "binary",
    "count": "poisson",
    "continuous": "regression",
}


class NuisanceConfig(FrozenConfig):
    """How the nuisances are fitted.

    Parameters
    ----------
    folds : int
        Folds of users (and of units, for the propensity).
    kind : {"binary", "count", "continuous"}
        What Y is: 0 or 1, a number of plays, or anything else, e.g. seconds.
    outcome : BoostConfig
        Trees of E[Y | X] in each arm.
    propensity : BoostConfig
        Trees of P(T = 1 | X), where it is estimated.
    propensity_kinds : tuple of {"boosted", "logistic", "elastic net"}
        Models of P(T = 1 | X) to compare by log-loss out of fold: those trees, and logistic
        regressions without and with a penalty that keeps noise out. The best is kept.
    propensity_calibrated : bool
        Whether estimated propensities are calibrated, by rows of other users and units.
    propensity_sample : int
        About how many rows the linear models, the calibrators and the comparison read: all rows of
        users drawn by the seed. Trees read all rows.
    propensity_features : tuple of str, optional
        Features the propensity model may use: those the assignment can have depended on. All by
        default.
    """

    folds: Annotated[int, Field(ge=2)] = 2
    kind: Literal["binary", "count", "continuous"] = "binary"
    outcome: BoostConfig = BoostConfig(rounds=60, learning_rate=0.12, l2=200.0)
    propensity: BoostConfig = BoostConfig(rounds=60, leaves=15, min_rows_leaf=2000)
    propensity_kinds: Annotated[tuple[PropensityKind, ...], Field(min_length=1)] = (
        "boosted",
        "logistic",
        "elastic net",
    )
    propensity_calibrated: bool = True
    propensity_sample: Annotated[int, Field(ge=1_000)] = 100_000
    propensity_features: tuple[str, ...] | None = None


@dataclass(frozen=True)
class NuisanceValues:
    """Nuisances of some rows, each from models that did not see the row's user.

    Attributes
    ----------
    propensity : numpy.ndarray
        P(T = 1 | X), logged or estimated, shape (n_rows,).
    outcome_treated, outcome_control : numpy.ndarray
        Estimated E[Y | T = 1, X] and E[Y | T = 0, X], shape (n_rows,).
    """

    propensity: NDArray[np.float64]
    outcome_treated: NDArray[np.float64]
    outcome_control: NDArray[np.float64]

    def take(self, chosen: NDArray[Any]) -> NuisanceValues:
        """Return the nuisances of some of the rows.

        Parameters
        ----------
        chosen : numpy.ndarray
            A boolean mask of shape (n_rows,), or positions.

        Returns
        -------
        NuisanceValues
            Copies of the chosen values.
        """
        return NuisanceValues(
            propensity=self.propensity[chosen],
            outcome_treated=self.outcome_treated[chosen],
            outcome_control=self.outcome_control[chosen],
        )

    def scores(self, treatment: NDArray[Any], outcome: NDArray[Any]) -> NDArray[np.float64]:
        """Return the doubly robust scores of the rows.

        Parameters
        ----------
        treatment, outcome : numpy.ndarray
            T and Y, shape (n_rows,).

        Returns
        -------
        numpy.ndarray
            Scores whose mean is the average effect, in plays per impression, shape (n_rows,).
        """
        return aipw_scores(
            outcome,
            treatment,
            propensity=self.propensity,
            mu0=self.outcome_control,
            mu1=self.outcome_treated,
        )


class Nuisances:
    """Propensity and outcome models across user folds.

    Parameters
    ----------
    config : NuisanceConfig
        Folds and trees.
    seed : int
        Decides folds and feature draws.
    """

    def __init__(self, *, config: NuisanceConfig, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._outcome: dict[tuple[int, int], lightgbm.Booster] = {}
        self._propensity: CrossFitPropensity | None = None

    def fit(
        self,
        rows: Rows,
        *,
        assignment: Rows | None = None,
        advance: Callable[[], None] = lambda: None,
        checkpoint: Checkpoint | None = None,
    ) -> Nuisances:
        """Fit all models.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        assignment : Rows, optional
            Rows to learn the propensity from, e.g. an even sample: a sample drawn by outcome
            carries large weights, which an assignment model has no need of. `rows` by default.
        advance : callable
            Called once after each outcome model and once after the propensity.
        checkpoint : Checkpoint, optional
            Keeps every model as soon as it is fitted; models that it holds of an equal fit that
            was interrupted are not fitted again.

        Returns
        -------
        Nuisances
            Itself.

        Raises
        ------
        EmptyError
            If an arm has no row in some fold's training rows.
        RowError
            If some logged propensities are missing or out of (0, 1].
        ConfigError
            If the checkpoint's folder cannot be used.
        """
        keep: Keep = fit_anew
        if checkpoint is not None:
            tables = {"rows": rows} | ({} if assignment is None else {"assignment": assignment})
            keep = checkpoint.open(tables, config=self._config, seed=self._seed)
        if logged_propensity(rows.propensity) is None:
            model = propensity_model(self._config, seed=self._seed)
            self._propensity = model.fit(rows if assignment is None else assignment, keep=keep)
        advance()
        return self.fit_outcomes(rows, advance=advance, keep=keep)

    def fit_outcomes(
        self,
        rows: Rows,
        *,
        advance: Callable[[], None] = lambda: None,
        keep: Keep = fit_anew,
    ) -> Nuisances:
        """Fit the outcome models alone, as a learner without propensities needs them.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        advance : callable
            Called once after each model.
        keep : callable
            Returns each model by name, from an earlier fit where it has it (see
            `causal_ranker.uplift.checkpoint`).

        Returns
        -------
        Nuisances
            Itself.

        Raises
        ------
        EmptyError
            If an arm has no row in some fold's training rows, or no play where plays are counted.
        RowError
            If T, Y or a weight cannot be (see `causal_ranker.uplift.checks`).
        """
        check_rows(rows, kind=self._config.kind)
        fold = self._fold(rows.user)
        for f in range(self._config.folds):
            for arm in (0, 1):
                seen = (fold != f) & (rows.treatment == arm)
                if not seen.any():
                    raise EmptyError(
                        expected=f"rows with T = {arm} in the training rows of fold {f}",
                        came=f"none among {int((fold != f).sum())} rows",
                        do="Give logs in which both arms occur for many users.",
                    )
                if self._config.kind == "count" and not rows.outcome[seen].any():
                    raise EmptyError(
                        expected=f"plays in rows with T = {arm} of fold {f}'s training rows",
                        came=f"none in {int(seen.sum())} rows",
                        do="Give longer logs, or kind='continuous', which learns a mean of 0.",
                    )
                self._outcome[f, arm] = keep(
                    f"outcome-{f}-{arm}", partial(self._fit_outcome, rows, seen)
                )
                advance()
        return self

    def _fit_outcome(self, rows: Rows, seen: NDArray[np.bool_]) -> lightgbm.Booster:
        return rows.binned(self._config.outcome).fit(
            np.asarray(rows.outcome, dtype=np.float64),
            rows=np.flatnonzero(seen),
            weight=rows.weight,
            objective=OBJECTIVES[self._config.kind],
            config=self._config.outcome,
            seed=self._seed,
        )

    @property
    def estimates_propensity(self) -> bool:
        """Whether the propensity is estimated, because none was logged."""
        return self._propensity is not None

    @property
    def propensity_trials(self) -> tuple[PropensityTrial, ...]:
        """Models of the propensity that were compared; none where it was logged."""
        return () if self._propensity is None else self._propensity.trials

    def cross_fitted(self, rows: Rows) -> NuisanceValues:
        """Return the nuisances of the training rows, each out of its fold.

        Parameters
        ----------
        rows : Rows
            The rows given to `fit`.

        Returns
        -------
        NuisanceValues
            One value of each per row.
        """
        logged = logged_propensity(rows.propensity)
        if logged is None:
            logged = self._fitted_propensity().cross_fitted(rows)
        return self._values(rows.features, rows.user, logged)

    def predict(
        self,
        features: NDArray[np.float32],
        user: NDArray[Any],
        *,
        propensity: NDArray[np.float64],
    ) -> NuisanceValues:
        """Return the nuisances of later rows.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        user : numpy.ndarray
            User ids, shape (n_rows,); a row is judged by models that did not see its user.
        propensity : numpy.ndarray
            Propensity of the rows, e.g. from `propensity`, shape (n_rows,).

        Returns
        -------
        NuisanceValues
            One value of each per row.
        """
        return self._values(features, user, propensity)

    def arms(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the outcome in each arm, by the mean of all folds' models.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features), of new users: these models have seen those of training.

        Returns
        -------
        numpy.ndarray
            Shape (2, n_rows): E[Y | T = 0, X] and E[Y | T = 1, X].
        """
        self._check_outcomes()
        folds = range(self._config.folds)
        return np.stack(
            [
                np.mean([predict_trees(self._outcome[f, arm], features) for f in folds], axis=0)
                for arm in (0, 1)
            ]
        )

    def propensity(
        self,
        features: NDArray[np.float32],
        user: NDArray[Any],
        *,
        logged: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the propensity of later rows: logged where it was logged, else estimated.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        user : numpy.ndarray
            User ids, shape (n_rows,).
        logged : numpy.ndarray
            Logged propensities, or NaN throughout.

        Returns
        -------
        numpy.ndarray
            Shape (n_rows,), in (0, 1]; 1 only where it was logged.
        """
        known = logged_propensity(logged)
        if known is not None:
            return known
        return self._fitted_propensity().predict(features, user)

    def _values(
        self, features: NDArray[np.float32], user: NDArray[Any], propensity: NDArray[np.float64]
    ) -> NuisanceValues:
        self._check_outcomes()
        fold = self._fold(user)
        arms = np.empty((2, len(user)))
        for f in range(self._config.folds):
            chosen = np.flatnonzero(fold == f)
            for arm in (0, 1):
                arms[arm, chosen] = predict_trees(self._outcome[f, arm], features, rows=chosen)
        return NuisanceValues(
            propensity=propensity, outcome_treated=arms[1], outcome_control=arms[0]
        )

    def _check_outcomes(self) -> None:
        if not self._outcome:
            raise NotFittedError(
                expected="fitted nuisances", came="none", do="Call fit(rows) first."
            )

    def _fitted_propensity(self) -> CrossFitPropensity:
        if self._propensity is None:
            raise NotFittedError(
                expected="a fitted propensity model, as these rows have no logged propensity",
                came="training rows whose propensity was logged",
                do="Log the propensity of these rows too.",
            )
        return self._propensity

    def _fold(self, user: NDArray[Any]) -> NDArray[np.int64]:
        return user_fold(user, self._config.folds, seed=self._seed)


def propensity_model(config: NuisanceConfig, *, seed: int) -> CrossFitPropensity:
    """Make the propensity model that the settings ask for.

    Parameters
    ----------
    config : NuisanceConfig
        Folds, kinds and trees.
    seed : int
        Decides folds, the sample and feature draws.

    Returns
    -------
    CrossFitPropensity
        Not fitted.
    """
    return CrossFitPropensity(
        config=config.propensity,
        folds=config.folds,
        kinds=config.propensity_kinds,
        calibrated=config.propensity_calibrated,
        sample_rows=config.propensity_sample,
        allowed=config.propensity_features,
        seed=seed,
    )


def cross_fit(
    rows: Rows, *, config: NuisanceConfig, seed: int, checkpoint: Checkpoint | None = None
) -> NuisanceValues:
    """Fit nuisances and apply each to the fold that it did not see.

    Parameters
    ----------
    rows : Rows
        Training rows of both arms.
    config : NuisanceConfig
        Folds and trees.
    seed : int
        Decides folds and feature draws.
    checkpoint : Checkpoint, optional
        As in `Nuisances.fit`.

    Returns
    -------
    NuisanceValues
        One value of each per row.

    Raises
    ------
    ConfigError, EmptyError, RowError
        As told in `Nuisances.fit`.
    """
    fitted = Nuisances(config=config, seed=seed)
    return fitted.fit(rows, checkpoint=checkpoint).cross_fitted(rows)
