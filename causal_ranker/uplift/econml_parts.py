"""The models inside an econml estimator: which it has, what they can read, how to swap them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.known_propensity import BlindSelector, KnownPropensity
from causal_ranker.uplift.lightgbm_models import is_lightgbm, with_categories
from causal_ranker.uplift.one_hot import OneHot
from causal_ranker.uplift.wrapped import reads_missing, refused_codes, takes

__all__ = ["EconMLParts"]

#: The models of T and of Y in each family that cross-fits both, by their parameters' names.
_FAMILIES: Final = (("model_propensity", "model_regression"), ("model_t", "model_y"))
#: What a model of Y is chosen from where it is "auto", as econml would.
_AUTO: Final = {"model_regression": ["linear", "forest"], "model_y": ["forest", "linear"]}
#: Models of T elsewhere, which are asked about later rows too, whose propensities nobody knows.
_OTHER_MODELS_OF_T: Final = ("propensity_model", "model_T")


class EconMLParts:
    """An estimator of econml, part by part.

    Parameters
    ----------
    estimator : object
        The estimator; `prepare` changes it.

    Attributes
    ----------
    read_missing : bool
        Whether features may be missing, for econml and for each model. From `prepare`.
    read_weights : bool
        Whether the estimator and each of its models can be fitted by weight. From `prepare`.
    """

    read_missing = False
    read_weights = False

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self._called = type(estimator).__name__
        self._family = next(
            (names for names in _FAMILIES if all(hasattr(estimator, name) for name in names)), None
        )

    @property
    def fits_propensity(self) -> bool:
        """Whether it fits a model of T whose place known propensities can take."""
        return self._family is not None

    def prepare(self, rows: Rows, *, known: bool, one_hot: bool) -> None:
        """Make the estimator ready for some rows.

        Parameters
        ----------
        rows : Rows
            Training rows.
        known : bool
            Whether their propensities are known, and will stand in the first column of W.
        one_hot : bool
            Whether a final stage may have a column for each category.

        Raises
        ------
        ConfigError
            If the estimator cannot do what the rows ask for, or would answer another question.
        RowError
            If it would take outcomes for labels.
        """
        from sklearn.utils.validation import has_fit_parameter

        self._check_question(rows.outcome)
        if known:
            self._check_known()
        known = known and self.fits_propensity
        column = len(rows.names)
        if known and self._family is not None:
            setattr(self.estimator, self._family[0], KnownPropensity(column))
        models = [model for name in self._slots() for model in self._models(name)]
        allowed: list[str] = getattr(self.estimator, "_gen_allowed_missing_vars", list)()
        self.read_missing = "X" in allowed and all(reads_missing(model) for model in models)
        # A word such as "auto" is econml's own choice, all of which read weights.
        self.read_weights = takes(self.estimator.fit, "sample_weight") and all(
            isinstance(model, str) or has_fit_parameter(model, "sample_weight") for model in models
        )
        if rows.categorical:
            self._tell_categories(rows.names, rows.categorical, one_hot=one_hot)
        if known and self._family is not None:
            self._blind(self._family[1], column=column)

    def _check_question(self, outcome: NDArray[Any]) -> None:
        if not getattr(self.estimator, "discrete_treatment", True):
            raise ConfigError(
                expected="an estimator that knows that T is 0 or 1",
                came=f"{self._called}(discrete_treatment=False), which takes T for an amount",
                do="Build it with discrete_treatment=True.",
            )
        labels = getattr(self.estimator, "discrete_outcome", False)
        if labels and not np.isin(outcome, (0, 1)).all():
            raise RowError(
                expected=f"an outcome of 0 or 1 for {self._called}(discrete_outcome=True)",
                came=f"values up to {np.max(outcome):g}, which it would take for labels",
                do="Build it with discrete_outcome=False.",
            )
        folds = getattr(self.estimator, "cv", None)
        if type(folds).__name__ in ("KFold", "StratifiedKFold"):
            raise ConfigError(
                expected="folds that hold out whole users",
                came=f"{self._called}(cv={folds})",
                do="Give a number of folds, or a splitter of groups such as GroupKFold.",
            )

    def _check_known(self) -> None:
        other = [name for name in _OTHER_MODELS_OF_T if hasattr(self.estimator, name)]
        if other and not self.fits_propensity:
            raise ConfigError(
                expected="an estimator that can be told propensities: of econml's DR or DML family",
                came=f"{self._called}, whose '{other[0]}' is asked about later rows too",
                do="Take another learner, e.g. 'x' or 'causalml_x' for an X-learner; or leave the "
                "propensities out, if T was randomised.",
            )

    def _slots(self) -> list[str]:
        """Parameters that hold models to be fitted on the features."""
        return [
            name
            for name in inspect.signature(type(self.estimator).__init__).parameters
            if "model" in name and any(True for _ in self._models(name))
        ]

    def _models(self, name: str) -> Iterator[Any]:
        value = getattr(self.estimator, name, None)
        for model in value if isinstance(value, list | tuple) else [value]:
            if isinstance(model, str) or (
                hasattr(model, "fit") and not isinstance(model, KnownPropensity)
            ):
                yield model

    def _tell_categories(
        self, names: Sequence[str], categorical: Sequence[str], *, one_hot: bool
    ) -> None:
        """Let LightGBM split by category, and refuse what would read codes as amounts."""
        from sklearn.pipeline import Pipeline

        places = [names.index(name) for name in categorical]
        slots = self._slots()
        codes_as_amounts = []
        for name in slots:
            told = []
            for model in self._models(name):
                if is_lightgbm(model):
                    told.append(with_categories(model, places))
                elif isinstance(model, Pipeline):
                    told.append(model)  # knows its columns, or its maker would not have made it
                else:
                    codes_as_amounts.append(name)
            if len(told) == len(list(self._models(name))):
                value = getattr(self.estimator, name)
                setattr(self.estimator, name, told if isinstance(value, list | tuple) else told[0])
        final = "model_final" not in slots and hasattr(self.estimator, "featurizer")
        if "model_final" in codes_as_amounts or final:
            codes_as_amounts = [name for name in codes_as_amounts if name != "model_final"]
            if getattr(self.estimator, "featurizer", None) is None:
                if not one_hot:
                    raise refused_codes(self._called, "final stage", categorical)
                self.estimator.featurizer = OneHot(places, names=names)
        if codes_as_amounts:
            raise refused_codes(self._called, f"'{codes_as_amounts[0]}'", categorical)

    def _blind(self, of_y: str, *, column: int) -> None:
        from econml.sklearn_extensions.model_selection import ModelSelector, get_selector

        ModelSelector.register(BlindSelector)
        model = getattr(self.estimator, of_y)
        chosen = get_selector(
            _AUTO[of_y] if isinstance(model, str) and model == "auto" else model,
            is_discrete=self.estimator.discrete_outcome,
            random_state=self.estimator.random_state,
        )
        setattr(self.estimator, of_y, BlindSelector(chosen, column=column))
