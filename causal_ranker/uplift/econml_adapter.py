"""econml's estimators behind our door, with known propensities.

An estimator of the DR or the DML family fits a model of T. Where propensities are known, they
travel beside the features as a column of W that the model of T alone reads (see
`causal_ranker.uplift.known_propensity`); all other models are those that they would be without.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import needs_package
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.uplift.base import Effect, Rows
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.econml_parts import EconMLParts
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.wrapped import DEFAULTS, WrappedLearner, takes

__all__ = ["EconMLLearner", "UserFolds"]


class EconMLLearner(WrappedLearner):
    """An econml estimator of a binary treatment's effect.

    Where it cross-fits, its folds hold out whole users. Its intervals, where it has them, take
    rows for independent: unlike those of evaluation they are not clustered by user.

    Parameters
    ----------
    estimator : object
        Any of econml's estimators that fit Y, T and X: built by the caller, copied at each `fit`,
        and never changed. LightGBM models in it are told which features are categorical.
    config : LearnerConfig
        What Y is, how propensities are estimated, and the overlap asked for. The estimator's own
        models keep their own settings.
    one_hot : bool
        Whether a final stage that cannot split by category gets a column of 0 and 1 for each
        category but the most frequent one, which also stands for categories that were not in
        training. By default such a final stage is refused where features are categorical.
    own_propensity : bool
        Whether propensities that nobody logged are estimated by the estimator's own model of T,
        whose overlap nobody checks. Otherwise ours takes its place, as known ones do.
    inference : object, optional
        What the estimator's ``fit`` takes as ``inference``, where its default is not wanted.
    seed : int
        Decides our folds and draws; the estimator has its own ``random_state``.

    Attributes
    ----------
    share_outside_ : float
        Weighted share of training rows outside the overlap band; 0 where the estimator fitted its
        own propensities.
    estimand_ : str
        Of which rows the effects are an average, in words, for the tables that print them.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        config: LearnerConfig = DEFAULTS,
        one_hot: bool = False,
        own_propensity: bool = True,
        inference: Any = None,
        seed: int = 0,
    ) -> None:
        super().__init__(estimator, config=config, one_hot=one_hot, seed=seed)
        self._own_propensity = own_propensity
        self._inference = inference

    def predict_interval(self, features: NDArray[np.float32], *, level: float = 0.95) -> Effect:
        """Estimate the uplift of rows, with the estimator's own intervals.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features), in the order of training.
        level : float
            Coverage of the intervals, in (0, 1).

        Returns
        -------
        Effect
            Uplift in plays per impression, and the ends of each row's interval.

        Raises
        ------
        ConfigError
            If the estimator gives no intervals.
        NotFittedError
            If `fit` was not called.
        """
        import joblib

        point = self.predict(features).point
        if not len(features):
            return Effect(point=point, low=point, high=point)
        try:
            with _quiet(), joblib.parallel_config(backend="sequential"):
                ends = self._model.effect_interval(self._matrix(features), alpha=1 - level)
        except AttributeError as error:
            raise ConfigError(
                expected=f"intervals of {self._called}",
                came=" ".join(str(error).split()),
                do="Take 'econml_linear_dr' or 'econml_forest', or say how they are made: "
                "EconMLLearner(..., inference=BootstrapInference()).",
            ) from error
        low, high = (np.asarray(end, dtype=np.float64).reshape(-1) for end in ends)
        return Effect(point=point, low=low, high=high)

    @property
    def gives_intervals(self) -> bool:
        """Whether the fitted estimator has intervals of its own."""
        import joblib

        model = self._fitted(self._model)
        try:
            with _quiet(), joblib.parallel_config(backend="sequential"):
                model.effect_interval(np.zeros((1, len(self._names))))
        except AttributeError:
            return False
        return True

    @property
    def _weighs_overlap(self) -> bool:
        return hasattr(self._wrapped, "model_t")

    def _asks_for_ours(self, rows: Rows) -> bool:
        if not EconMLParts(self._wrapped).fits_propensity:
            return False
        if self._own_propensity and not np.array_equal(rows.unit, rows.user):
            raise ConfigError(
                expected="propensities that are cross-fitted by user and by assignment unit",
                came=f"{self._called}, whose folds hold out users alone",
                do="Say own_propensity=False, so that ours are used; or log the propensities.",
            )
        return not self._own_propensity

    def _fit_copy(self, rows: Rows, propensity: NDArray[np.float64] | None) -> Any:
        with needs_package("econml"):
            import econml  # noqa: F401

        parts = EconMLParts(copy.deepcopy(self._wrapped))
        parts.prepare(rows, known=propensity is not None, one_hot=self._one_hot)
        self._takes_missing = parts.read_missing
        given: dict[str, Any] = {"X": self._matrix(rows.features)}
        if propensity is not None and parts.fits_propensity:
            given["W"] = propensity[:, None]
        weight = self._weights(rows, read=parts.read_weights)
        if weight is not None:
            given["sample_weight"] = weight
        fit = parts.estimator.fit
        if takes(fit, "groups"):
            given["groups"] = rows.user
        if self._inference is not None:
            given["inference"] = self._inference
        with _quiet():
            fit(
                np.asarray(rows.outcome, dtype=np.float64),
                np.asarray(rows.treatment, dtype=np.int64),
                **given,
            )
        return parts.estimator

    def _effect(self, model: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        import joblib

        # Threads would add up the trees of a forest in the order in which they happen to end.
        with _quiet(), joblib.parallel_config(backend="sequential"):
            return np.asarray(model.effect(features), dtype=np.float64)


class UserFolds:
    """Folds of whole users for econml's ``cv``: those of our own learners, in whatever order.

    Parameters
    ----------
    folds : int
        Number of folds.
    seed : int
        The run's seed.
    """

    def __init__(self, folds: int, *, seed: int) -> None:
        self._folds = folds
        self._seed = seed

    def split(
        self, X: object, y: NDArray[Any], groups: NDArray[Any]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the rows to fit on and the rows held out.

        Parameters
        ----------
        X : object
            Not read; scikit-learn's convention.
        y : numpy.ndarray
            Strata, shape (n_rows,): every fit must see each of them.
        groups : numpy.ndarray
            User ids, shape (n_rows,).

        Yields
        ------
        tuple of numpy.ndarray
            Positions of either, for each fold.

        Raises
        ------
        EmptyError
            If a fold is empty, or all rows of a stratum are held out at once.
        """
        fold = user_fold(groups, self._folds, seed=self._seed)
        for f in range(self._folds):
            seen, held_out = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
            if not len(held_out) or len(np.unique(y[seen])) < len(np.unique(y)):
                raise EmptyError(
                    expected=f"users of both arms in and out of each of {self._folds} folds",
                    came=f"{len(np.unique(groups))} users, and fold {f} without",
                    do="Give logs in which both arms occur for many users.",
                )
            yield seen, held_out


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what econml says about every row that our learners take as a matter of course.

    Yields
    ------
    None
        Control, inside which econml fits or predicts.
    """
    from sklearn.exceptions import DataConversionWarning

    with warnings.catch_warnings():
        # Whoever lets models read missing values has been asked; see `WrappedLearner._matrix`.
        warnings.filterwarnings("ignore", "Input contains NaN. Causal identification", UserWarning)
        # It hands labels of Y to models as a column, which LightGBM and scikit-learn remark upon.
        warnings.filterwarnings("ignore", "A column-vector y was passed", DataConversionWarning)
        # `predict_interval` says so itself, as an error.
        warnings.filterwarnings("ignore", "Final model doesn't have a `prediction_", UserWarning)
        yield
