"""What wrapped estimators of other packages share: checks, propensities, overlap, one door.

Whatever the other package would take silently and get wrong is refused here, by name.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows, require_both_arms
from causal_ranker.uplift.final import LearnerConfig, comparable_rows
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import NuisanceValues, propensity_model
from causal_ranker.uplift.propensity import logged_propensity

__all__ = ["DEFAULTS", "WrappedLearner", "reads_missing", "refused_codes", "takes"]


DEFAULTS: Final = LearnerConfig()


class WrappedLearner(Learner[LearnerConfig]):
    """An estimator of another package behind our door.

    Parameters
    ----------
    estimator : object
        The estimator; copied at each `fit`, and never changed.
    config : LearnerConfig
        What Y is, how propensities are estimated, and the overlap asked for. The estimator's own
        models keep their own settings.
    one_hot : bool
        Whether a part of the estimator that cannot split by category gets a column of 0 and 1
        for each category but the most frequent one, which also stands for categories that were
        not in training. By default such a part is refused where features are categorical, as it
        would read codes as amounts.
    seed : int
        Decides folds and draws of ours; the estimator has its own.

    Attributes
    ----------
    share_outside_ : float
        Weighted share of training rows outside the overlap band; 0 where the estimator fitted its
        own propensities.
    estimand_ : str
        Of which rows the effects are an average, in words, for the tables that print them.
    """

    share_outside_ = float("nan")
    estimand_ = ""

    def __init__(
        self,
        estimator: Any,
        *,
        config: LearnerConfig = DEFAULTS,
        one_hot: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(config=config, seed=seed)
        self._wrapped = estimator
        self._one_hot = one_hot
        self._names: tuple[str, ...] = ()
        self._takes_missing = False
        self._model: Any = None

    def fit(self, rows: Rows, *, nuisances: NuisanceValues | None = None) -> Self:
        """Fit a copy of the estimator.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms. Logged propensities are used as they are.
        nuisances : NuisanceValues, optional
            Cross-fitted nuisances of the same rows: their propensities are used, logged or
            estimated. The estimator fits outcome models of its own.

        Returns
        -------
        WrappedLearner
            Itself.

        Raises
        ------
        ConfigError
            If the estimator cannot do what the rows ask for: weights, categories, known
            propensities.
        EmptyError
            If an arm has no row.
        OverlapError
            If an arm's effective sample size among the rows chosen is below the floor, or one of
            them has a propensity of 0 or 1.
        RowError
            If T, Y or a weight cannot be, or a feature is missing that the estimator needs.
        """
        check_rows(rows, kind=self._config.nuisance.kind)
        require_both_arms(rows)
        self._names = rows.names
        known = logged_propensity(rows.propensity) if nuisances is None else nuisances.propensity
        if known is None and self._asks_for_ours(rows):
            model = propensity_model(self._config.nuisance, seed=self._seed)
            known = model.fit(rows).cross_fitted(rows)
        self.share_outside_, self.estimand_ = 0.0, "average over every row"
        if known is not None:
            chosen = comparable_rows(
                rows, known, config=self._config, own_weights=self._weighs_overlap
            )
            self.share_outside_, self.estimand_ = chosen.share_outside, chosen.estimand
            rows = replace(rows, weight=rows.weight * chosen.factor).take(chosen.kept)
            known = known[chosen.kept]
        self._model = self._fit_copy(rows, known)
        return self

    @property
    @abstractmethod
    def _weighs_overlap(self) -> bool:
        """Whether the estimator's own loss weights rows by e (1 - e)."""

    @abstractmethod
    def _asks_for_ours(self, rows: Rows) -> bool:
        """Say whether propensities that nobody logged are estimated by our own model."""

    @abstractmethod
    def _fit_copy(self, rows: Rows, propensity: NDArray[np.float64] | None) -> Any:
        """Return a fitted copy of the estimator, and say in `_takes_missing` what it reads."""

    @abstractmethod
    def _effect(self, model: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fitted estimator's effects of some rows, of which there is at least one."""

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        model = self._fitted(self._model)
        if not len(features):
            return np.empty(0)
        effect = np.asarray(self._effect(model, self._matrix(features)), dtype=np.float64)
        if effect.size != len(features):
            raise ConfigError(
                expected="an estimator of one effect a row",
                came=f"effects of shape {effect.shape} for {len(features)} rows",
                do="Give an estimator of one outcome and one treatment against one control.",
            )
        return effect.reshape(-1)

    def _matrix(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return features in double precision, all of which the estimator can read."""
        bad = np.isinf(features) if self._takes_missing else ~np.isfinite(features)
        count = bad.sum(axis=0)
        if count.any():
            worst = int(np.argmax(count))
            others = int((count > 0).sum()) - 1
            raise RowError(
                expected=f"features that {self._called} can read: "
                + ("finite or missing" if self._takes_missing else "finite, none missing"),
                came=f"{int(count[worst])} of {len(features)} rows without in "
                f"'{self._names[worst]}'" + (f", and in {others} more" if others else ""),
                do="Fill them as you see fit, or take a learner whose models are all LightGBM's, "
                "which split by missing values.",
            )
        return np.asarray(features, dtype=np.float64)

    def _weights(self, rows: Rows, *, read: bool) -> NDArray[np.float64] | None:
        """Return the weights where they say something; refuse them where nobody reads them."""
        if np.ptp(rows.weight) == 0:
            return None
        if not read:
            raise ConfigError(
                expected=f"rows of equal weight, as {self._called} reads no weights",
                came=f"weights from {rows.weight.min():g} to {rows.weight.max():g}",
                do="Take a learner that reads weights, e.g. 'dr', 'r' or 'econml_dr', or an even "
                "sample of rows.",
            )
        return rows.weight

    @property
    def _called(self) -> str:
        return type(self._wrapped).__name__


def refused_codes(called: str, part: str, categorical: Sequence[str]) -> ConfigError:
    """Return the error that says why a part of an estimator cannot be fitted on categories.

    Parameters
    ----------
    called : str
        The estimator's name.
    part : str
        What of it would read codes as amounts.
    categorical : sequence of str
        Names of the features that hold category codes.

    Returns
    -------
    ConfigError
        To be raised.
    """
    return ConfigError(
        expected=f"a {part} of {called} that splits by category, as "
        f"{', '.join(map(repr, categorical))} hold category codes",
        came="one that would read the codes as amounts",
        do="Give a LightGBM model there; or say one_hot=True, where a final stage or a forest may "
        "have a column for each category; or leave these features out.",
    )


def takes(function: Callable[..., Any], name: str) -> bool:
    """Say whether a function has a parameter of that name.

    Parameters
    ----------
    function : callable
        The function.
    name : str
        The parameter.

    Returns
    -------
    bool
        Whether it can be passed by name.
    """
    return name in inspect.signature(function).parameters


def reads_missing(model: Any) -> bool:
    """Say whether a model can read missing values.

    Parameters
    ----------
    model : object
        An estimator with scikit-learn's tags; anything else is held not to.

    Returns
    -------
    bool
        What its tags say.
    """
    return hasattr(model, "__sklearn_tags__") and bool(
        model.__sklearn_tags__().input_tags.allow_nan
    )
