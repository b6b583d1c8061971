"""causalml's meta-learners and uplift trees behind our door, with known propensities.

causalml cross-fits by rows, or not at all: propensities are therefore logged ones, or ours, which
are cross-fitted by user and by assignment unit. Its meta-learners take them as ``p``. Its uplift
trees compare the arms as they come; they are grown on rows repeated until T is even in them.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import needs_package
from causal_ranker.boosting import fit_trees
from causal_ranker.errors import RowError
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.lightgbm_models import is_lightgbm, with_categories
from causal_ranker.uplift.one_hot import OneHot
from causal_ranker.uplift.wrapped import (
    DEFAULTS,
    WrappedLearner,
    reads_missing,
    refused_codes,
    takes,
)

if TYPE_CHECKING:
    import lightgbm

__all__ = ["CausalMLLearner", "importing_causalml"]


class CausalMLLearner(WrappedLearner):
    """A causalml estimator of a binary treatment's effect.

    An X-learner mixes its two models by the propensity where it predicts, too. That of later rows
    is read off a LightGBM regression of the known propensities' log-odds on the features.

    Parameters
    ----------
    estimator : object
        Any of causalml's estimators that fit X, treatment and y: built by the caller, copied at
        each `fit`, and never changed. LightGBM models in it are told which features are
        categorical.
    config : LearnerConfig
        What Y is, how propensities are estimated, and the overlap asked for. The estimator's own
        models keep their own settings.
    one_hot : bool
        Whether an estimator without LightGBM models gets a column of 0 and 1 for each category
        but the most frequent one, which also stands for categories that were not in training. By
        default it is refused where features are categorical.
    seed : int
        Decides our folds and draws; the estimator has its own ``random_state``.

    Attributes
    ----------
    share_outside_ : float
        Weighted share of training rows outside the overlap band.
    estimand_ : str
        Of which rows the effects are an average, in words, for the tables that print them.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        config: LearnerConfig = DEFAULTS,
        one_hot: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(estimator, config=config, one_hot=one_hot, seed=seed)
        self._later: lightgbm.Booster | None = None
        self._columns: OneHot | None = None

    @property
    def _weighs_overlap(self) -> bool:
        with importing_causalml():
            from causalml.inference.meta.rlearner import BaseRLearner

        return isinstance(self._wrapped, BaseRLearner)

    @property
    def _is_one_tree(self) -> bool:
        with importing_causalml():
            from causalml.inference.tree import UpliftTreeClassifier

        return isinstance(self._wrapped, UpliftTreeClassifier)

    def _asks_for_ours(self, rows: Rows) -> bool:
        return True

    def _fit_copy(self, rows: Rows, propensity: NDArray[np.float64] | None) -> Any:
        assert propensity is not None
        if self._weighs_overlap:
            order = self._order(rows)
            rows, propensity = rows.take(order), propensity[order]
        estimator = copy.deepcopy(self._wrapped)
        told_propensity = takes(estimator.fit, "p")
        self._check_outcome(rows.outcome)
        self._takes_missing = all(reads_missing(model) for model in _models(estimator).values())
        weight = self._weights(rows, read=told_propensity and takes(estimator.fit, "sample_weight"))
        features = self._matrix(rows.features)
        self._columns = self._tell_categories(estimator, rows) if rows.categorical else None
        if self._columns is not None:
            features = self._columns.fit_transform(features)
        outcome = np.asarray(rows.outcome, dtype=np.float64)
        treatment = _named(rows.treatment, control=estimator.control_name)
        given: dict[str, Any] = {} if weight is None else {"sample_weight": weight}
        self._later = None
        if told_propensity:
            given["p"] = propensity
            if takes(estimator.predict, "p"):
                self._later = self._fit_later(rows, propensity)
        else:
            even = self._evened(rows, propensity)
            features, treatment, outcome = features[even], treatment[even], outcome[even]
        with _threads():
            estimator.fit(features, treatment=treatment, y=outcome, **given)
        return estimator

    def _effect(self, model: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        given: dict[str, Any] = {}
        if self._later is not None:
            given["p"] = 1 / (1 + np.exp(-np.asarray(self._later.predict(features))))
        if self._columns is not None:
            features = self._columns.transform(features)
        with _threads():
            found = np.asarray(model.predict(features, **given), dtype=np.float64)
        # One tree alone tells the chance of a play in each arm, control first.
        return found[:, 1] - found[:, 0] if self._is_one_tree else found

    def _check_outcome(self, outcome: NDArray[Any]) -> None:
        labels = any(each.__name__.endswith("Classifier") for each in type(self._wrapped).__mro__)
        if labels and not np.isin(outcome, (0, 1)).all():
            raise RowError(
                expected=f"an outcome of 0 or 1 for {self._called}",
                came=f"values up to {np.max(outcome):g}, which it would take for labels",
                do="Take the regressor of the same name, or a learner that reads such outcomes.",
            )

    def _tell_categories(self, estimator: Any, rows: Rows) -> OneHot | None:
        """Let LightGBM split by category; elsewhere return columns of levels, or refuse."""
        with importing_causalml():
            from causalml.inference.meta import BaseSLearner

        places = [rows.names.index(name) for name in rows.categorical]
        models = _models(estimator)
        if models and all(is_lightgbm(model) for model in models.values()):
            # Its S-learner puts the treatment in front.
            shift = int(isinstance(estimator, BaseSLearner))
            for name, model in models.items():
                setattr(estimator, name, with_categories(model, [at + shift for at in places]))
            return None
        if not self._one_hot:
            raise refused_codes(self._called, "model", rows.categorical)
        return OneHot(places, names=rows.names)

    def _fit_later(self, rows: Rows, propensity: NDArray[np.float64]) -> lightgbm.Booster:
        """Learn the propensity of rows that nobody has logged yet."""
        # Log-odds, so that whatever the trees add up to is a probability.
        return fit_trees(
            rows.features,
            np.log(propensity / (1 - propensity)),
            weight=rows.weight,
            objective="regression",
            config=self._config.nuisance.propensity,
            names=rows.names,
            categorical=rows.categorical,
            seed=self._seed,
        )

    def _order(self, rows: Rows) -> NDArray[np.int64]:
        """Sort rows by what they are, T aside, for an R-learner makes folds by their positions."""
        users = uniform_hash(rows.user, salt=f"order-{self._seed}")
        named = [rows.features[:, rows.names.index(name)] for name in sorted(rows.names)]
        return np.lexsort((*named, rows.outcome, users))

    def _evened(self, rows: Rows, propensity: NDArray[np.float64]) -> NDArray[np.int64]:
        """Repeat rows in inverse proportion to their chance of the arm they are in.

        Among the rows returned T no longer depends on what the propensity depends on. Weights would
        say the same without rounding, but causalml's criteria do not count by weight throughout.
        Each row comes as often as it should, rounded up or down: systematic sampling, along the
        propensity, so that it is even there and asks for no order of the rows given.
        """
        if np.ptp(propensity) == 0:
            return np.arange(len(rows))
        users = uniform_hash(rows.user, salt=f"even-{self._seed}")
        order = np.lexsort((users, rows.outcome, propensity, rows.treatment))
        share = 1 / np.where(rows.treatment == 1, propensity, 1 - propensity)[order]
        ends = np.cumsum(share) * (len(rows) / share.sum())
        ends[-1] = len(rows)  # but for rounding
        start = np.random.default_rng(self._seed).random()
        places = np.searchsorted(ends, start + np.arange(len(rows)), side="right")
        return np.sort(order[places])


def _models(estimator: Any) -> dict[str, Any]:
    """Return the models inside a meta-learner, by parameter; none where it builds its own."""
    return {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if hasattr(value, "fit") and name != "propensity_learner"
    }


def _named(treatment: NDArray[Any], *, control: Any) -> NDArray[Any]:
    """Call the arms as the estimator does: 0 and 1, or the control by its name."""
    if isinstance(control, str):
        return np.where(treatment == 1, f"not {control}", control)
    return np.asarray(treatment + control)


@contextmanager
def importing_causalml() -> Iterator[None]:
    """Import causalml without what its dependencies say about packages that nobody needs.

    Yields
    ------
    None
        Control, inside which causalml is imported.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    # forestci reports, as an error, that an optional package of citations is not there.
    citations = logging.getLogger("duecredit")
    before, citations.disabled = citations.disabled, True
    try:
        with needs_package("causalml"):
            yield
    finally:
        citations.disabled = before


@contextmanager
def _threads() -> Iterator[None]:
    """Let causalml cross-fit in threads: processes, its default, would each load it again.

    Yields
    ------
    None
        Control, inside which causalml fits or predicts.
    """
    import joblib

    with joblib.parallel_config(backend="threading"):
        yield
