"""The scikit-learn door to every learner: tables in, uplift out.

>>> model = UpliftEstimator("dr").fit(X, y, treatment=shown, user=user_id)  # doctest: +SKIP
>>> model.predict(X_new)  # doctest: +SKIP

In a pipeline the treatment goes to the last step: ``pipe.fit(X, y, model__treatment=shown)``. In
cross-validation it is one of the `params`, and folds are made by user:
``cross_val_predict(model, X, y, params={"treatment": shown}, groups=user_id, cv=GroupKFold())``.
How to score and to tune by AUTOC or by losses: `causal_ranker.evaluation.scorers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from causal_ranker.errors import ConfigError, NotFittedError, SchemaError
from causal_ranker.reporting.progress import Stages
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.auto import SMALL_TREES
from causal_ranker.uplift.base import Effect, FitsInSteps, Rows, UpliftModel
from causal_ranker.uplift.checks import check_finite, check_rows
from causal_ranker.uplift.econml_adapter import EconMLLearner
from causal_ranker.uplift.encoding import FeatureEncoder
from causal_ranker.uplift.factory import is_foreign, make_learner
from causal_ranker.uplift.final import FinalStageLearner, LearnerConfig
from causal_ranker.uplift.intervals import HalfSampleConfig, HalfSampleIntervals
from causal_ranker.uplift.levels import LevelLearner, code_treatment

__all__ = ["UpliftEstimator"]

_CHOICES: Final = {
    "outcome": ("binary", "count", "continuous"),
    "unseen": ("raise", "missing"),
}


class UpliftEstimator(BaseEstimator):  # type: ignore[misc]
    """Estimate the uplift of rows from a table, by any learner.

    Parameters
    ----------
    learner : str or object
        A name that `causal_ranker.uplift.factory.make_learner` knows; an estimator of econml or
        causalml, which it puts behind the same door; or an object with `fit` and `predict` of an
        `UpliftModel`. Of an object a copy is fitted.
    config : LearnerConfig, optional
        Trees, folds and overlap of a learner that is given by name, propensities and overlap of
        another package's; by default settings that suit thousands of rows as well as millions.
    outcome : {"binary", "count", "continuous"}
        What y is: 0 or 1, a number of plays, or an amount.
    random_state : int, RandomState or None
        Decides folds and feature draws.
    unseen : {"raise", "missing"}
        Whether `predict` refuses a category that was not in training, or warns and reads it as
        missing.
    control : object
        The level of treatment that the others are compared with.
    categorical_features : sequence of str or int, optional
        Columns to read as categories, by name or position, beside those of text, booleans and
        categorical types.
    intervals : HalfSampleConfig, optional
        Half-sample intervals around the predictions of ``"dr"``, ``"r"`` or ``"x"``; what they
        cover is told in `causal_ranker.uplift.intervals`. None by default, as they cost a final
        stage each.
    progress : bool
        Draw a bar on standard error while a learner that takes long is fitted.

    Attributes
    ----------
    learner_ : UpliftModel
        The fitted learner.
    levels_ : tuple
        Levels of treatment beside control, in order of the columns of `predict`.
    categories_ : dict of str to numpy.ndarray
        Categories of each categorical column that occurred in training.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : numpy.ndarray
        Their names, where they had some.
    """

    def __init__(
        self,
        learner: Any = "dr",
        *,
        config: LearnerConfig | None = None,
        outcome: Literal["binary", "count", "continuous"] = "binary",
        random_state: Any = 0,
        unseen: Literal["raise", "missing"] = "raise",
        control: Any = 0,
        categorical_features: Sequence[str | int] | None = None,
        intervals: HalfSampleConfig | None = None,
        progress: bool = False,
    ) -> None:
        self.learner = learner
        self.config = config
        self.outcome = outcome
        self.random_state = random_state
        self.unseen = unseen
        self.control = control
        self.categorical_features = categorical_features
        self.intervals = intervals
        self.progress = progress

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        treatment: Any,
        sample_weight: Any = None,
        user: Any = None,
        unit: Any = None,
        propensity: Any = None,
    ) -> Self:
        """Learn from labelled rows.

        Parameters
        ----------
        X : pandas, Polars or Arrow table, or array of shape (n_rows, n_features)
            What was known before t0. Numbers are read as 32-bit floats, what is missing is NaN.
        y : array-like
            Outcome, shape (n_rows,).
        treatment : array-like
            0 or 1, or a level of treatment, shape (n_rows,).
        sample_weight : array-like, optional
            Positive analysis weight, shape (n_rows,); 1 by default.
        user : array-like, optional
            Ids that folds are split by, shape (n_rows,). By default each row is a user of its own,
            which is wrong where users have several rows.
        unit : array-like, optional
            Where the treatment was assigned, shape (n_rows,); the user by default.
        propensity : array-like, optional
            Logged P(treatment = 1), shape (n_rows,); with several levels the chance of each, shape
            (n_rows, levels + 1), control first, or a table with a column for each.

        Returns
        -------
        UpliftEstimator
            Itself.

        Raises
        ------
        ConfigError
            If a parameter is not one of those above.
        DataError
            If rows or columns cannot be (see `causal_ranker.uplift.checks`).
        OverlapError
            If an arm has too few comparable rows.
        """
        self._check_parameters()
        learner = self._make()
        encoder = FeatureEncoder(categorical=self.categorical_features, unseen=self.unseen).fit(X)
        features = encoder.transform(X)
        n = len(features)
        codes, levels = code_treatment(_column(treatment, "treatment", n), control=self.control)
        users = np.arange(n) if user is None else _column(user, "user", n)
        weights = np.ones(n) if sample_weight is None else _numbers(sample_weight, "weights", n)
        rows = Rows(
            features=features,
            treatment=codes,
            outcome=_numbers(y, "y", n),
            weight=weights,
            user=users,
            unit=users if unit is None else _column(unit, "unit", n),
            propensity=_propensity(propensity, n, levels=(self.control, *levels)),
            names=encoder.names,
            categorical=encoder.categorical,
        )
        if len(levels) > 1:
            learner = LevelLearner(self._make, levels=levels)
        else:
            check_rows(rows, kind=self.outcome)
        self.learner_ = self._fit(learner, rows)
        self._users = None if user is None else np.unique(_hashed(users))
        self._encoder = encoder
        self.levels_ = levels
        self.categories_ = {name: found.to_numpy() for name, found in encoder.levels.items()}
        self.n_features_in_ = len(encoder.names)
        if encoder.named:
            self.feature_names_in_ = np.array(encoder.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Estimate the uplift of rows.

        Parameters
        ----------
        X : pandas, Polars or Arrow table, or array of shape (n_rows, n_features)
            The columns of training; where they have names, in any order.

        Returns
        -------
        numpy.ndarray
            Uplift in plays per impression, shape (n_rows,), or (n_rows, levels) where there are
            several levels beside control.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        SchemaError
            If columns are missing or too many, or one holds unseen categories.
        RowError
            If a value is infinite.
        """
        self._check_fitted()
        return self.learner_.predict(self._read(X)).point

    def predict_effect(self, X: Any) -> Effect:
        """Estimate the uplift of rows, with whatever else the learner says of it.

        Parameters
        ----------
        X : pandas, Polars or Arrow table, or array of shape (n_rows, n_features)
            As in `predict`.

        Returns
        -------
        Effect
            Uplift in plays per impression, with intervals where `intervals` asks for some, and of
            95 % where they are an econml estimator's own (of a treatment that is shown or not).

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        RowError, SchemaError
            As in `predict`.
        """
        self._check_fitted()
        features, learner = self._read(X), self.learner_
        if isinstance(learner, EconMLLearner) and learner.gives_intervals:
            return learner.predict_interval(features)
        return learner.predict(features)

    def _read(self, X: Any) -> NDArray[np.float32]:
        features = self._encoder.transform(X)
        check_finite(features, names=self._encoder.names)
        return features

    def seen_users(self, user: Any) -> NDArray[np.bool_] | None:
        """Tell which users were in training; of them hashes are kept, and no ids.

        Parameters
        ----------
        user : array-like
            Ids, shape (n_rows,).

        Returns
        -------
        numpy.ndarray or None
            Shape (n_rows,); None where `fit` was given no users, so that each row was one.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        self._check_fitted()
        if self._users is None:
            return None
        return np.isin(_hashed(np.asarray(user)), self._users)

    def _check_fitted(self) -> None:
        if not hasattr(self, "learner_"):
            raise NotFittedError(
                expected="a fitted estimator", came="none", do="Call fit(X, y, treatment=) first."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _check_parameters(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    expected=f"{' or '.join(map(repr, allowed))} as {name}",
                    came=repr(getattr(self, name)),
                    do=f"Set {name} of UpliftEstimator so and fit again.",
                )
        if not (self.config is None or isinstance(self.config, LearnerConfig)):
            raise ConfigError(
                expected="None or a LearnerConfig as config",
                came=repr(type(self.config)),
                do="Set config of UpliftEstimator so and fit again.",
            )

    def _make(self) -> UpliftModel:
        """Return a learner that was not fitted: one by name, or a copy of the one given."""
        if not (isinstance(self.learner, str) or is_foreign(self.learner)):
            return self._with_intervals(self._copy(self.learner), seed=0)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        learner = make_learner(self.learner, config=self._config(), seed=int(seed))
        return self._with_intervals(learner, seed=int(seed))

    def _with_intervals(self, learner: UpliftModel, *, seed: int) -> UpliftModel:
        if self.intervals is None:
            return learner
        if not isinstance(learner, FinalStageLearner):
            raise ConfigError(
                expected="'dr', 'r' or 'x' as a learner that is to have half-sample intervals",
                came=repr(self.learner),
                do="Name one of these, or leave intervals out: econml's have their own.",
            )
        return HalfSampleIntervals(learner, config=self.intervals, seed=seed)

    def _fit(self, learner: UpliftModel, rows: Rows) -> UpliftModel:
        if not (self.progress and isinstance(learner, FitsInSteps)):
            return learner.fit(rows)
        stages = Stages(Console(stderr=True))
        with stages.stage("Uplift", total=learner.steps(rows)) as advance:
            return learner.fit(rows, advance=advance)

    def _copy(self, learner: UpliftModel) -> UpliftModel:
        if isinstance(learner, type) or not (
            hasattr(learner, "fit") and hasattr(learner, "predict")
        ):
            raise ConfigError(
                expected="the name of a learner, an estimator of econml or causalml, or an object "
                "with fit and predict, as learner",
                came=repr(learner),
                do="Set learner of UpliftEstimator so and fit again.",
            )
        if self.config is not None:
            raise ConfigError(
                expected="no config beside a learner that is an object, as it has its own",
                came=type(self.config).__name__,
                do="Give the config to the learner.",
            )
        copied: UpliftModel = clone(learner, safe=False)
        return copied

    def _config(self) -> LearnerConfig:
        config = self.config or SMALL_TREES
        nuisance = config.nuisance
        if "kind" in nuisance.model_fields_set and nuisance.kind != self.outcome:
            raise ConfigError(
                expected="one kind of outcome",
                came=f"outcome='{self.outcome}' and config.nuisance.kind='{nuisance.kind}'",
                do="Set outcome of UpliftEstimator, and leave kind out of the config.",
            )
        of_kind = nuisance.model_copy(update={"kind": self.outcome})
        return config.model_copy(update={"nuisance": of_kind})


def _hashed(user: NDArray[Any]) -> NDArray[np.float64]:
    return uniform_hash(user, salt="users of training")


def _column(values: Any, name: str, rows: int) -> NDArray[Any]:
    """Return one value a row."""
    column = np.asarray(values)
    if column.shape != (rows,):
        raise SchemaError(
            expected=f"{name} of shape ({rows},), as X has {rows} rows",
            came=f"shape {column.shape}",
            do=f"Give {name} as one value a row.",
        )
    return column


def _numbers(values: Any, name: str, rows: int) -> NDArray[np.float64]:
    try:
        return _column(values, name, rows).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            expected=f"numbers as {name}", came=str(error), do=f"Give {name} as numbers."
        ) from None


def _propensity(values: Any, rows: int, *, levels: tuple[Any, ...]) -> NDArray[np.float64]:
    """Return what was logged, in the order of the levels, or NaN throughout."""
    if values is None:
        return np.full(rows, np.nan)
    if len(levels) == 2:
        return _numbers(values, "propensity", rows)
    if hasattr(values, "columns"):
        absent = [level for level in levels if level not in values.columns]
        if absent:
            raise SchemaError(
                expected=f"a column of propensities for each of {list(levels)}",
                came=f"none for {absent}",
                do="Name the columns after the levels of treatment, control among them.",
            )
        columns = [_numbers(values[level], "propensity", rows) for level in levels]
        return np.column_stack(columns)
    return np.asarray(values, dtype=np.float64)
