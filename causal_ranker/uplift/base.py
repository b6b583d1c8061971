"""The value and the door every effect estimator shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BinnedFeatures, BoostConfig

__all__ = ["Effect", "FitsInSteps", "Predicts", "Rows", "UpliftModel"]


@dataclass(frozen=True)
class Rows:
    """Labelled rows as arrays, all of length n_rows, and what their columns are called.

    Attributes
    ----------
    features : numpy.ndarray
        Shape (n_rows, n_features), float32, NaN where a value is missing; known before t0.
    treatment : numpy.ndarray
        T, 0 or 1.
    outcome : numpy.ndarray
        Y, of the kind that the learner's config says: 0 or 1, a number of plays, or an amount.
    weight : numpy.ndarray
        Analysis weight: 1 / sampling rate, and so on; positive.
    user : numpy.ndarray
        Ids that folds are split by.
    unit : numpy.ndarray
        Where T was assigned; equal to `user` where each user's T was assigned by itself.
    propensity : numpy.ndarray
        Logged P(T = 1), in (0, 1); NaN throughout where none was logged.
    names : tuple of str
        Names of the features.
    categorical : tuple of str
        Names of the features whose values are category codes.
    checked : set of str
        Kinds of outcome for which `causal_ranker.uplift.checks` found these rows good.
    """

    features: NDArray[np.float32]
    treatment: NDArray[Any]
    outcome: NDArray[Any]
    weight: NDArray[np.float64]
    user: NDArray[Any]
    unit: NDArray[Any]
    propensity: NDArray[np.float64]
    names: tuple[str, ...]
    categorical: tuple[str, ...] = ()
    _binned: dict[tuple[int, bool, tuple[int, ...] | None], BinnedFeatures] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    checked: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.treatment)

    def take(self, chosen: NDArray[Any]) -> Rows:
        """Return some of the rows.

        Parameters
        ----------
        chosen : numpy.ndarray
            A boolean mask of shape (n_rows,), or positions.

        Returns
        -------
        Rows
            Copies of the chosen rows.
        """
        arrays = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        return Rows(
            **{
                name: value[chosen] if isinstance(value, np.ndarray) else value
                for name, value in arrays.items()
            }
        )

    def binned(
        self, config: BoostConfig, *, columns: Sequence[int] | None = None
    ) -> BinnedFeatures:
        """Return the features in bins, which all models of these rows share.

        Parameters
        ----------
        config : BoostConfig
            Of the models; read for ``bins`` and ``linear``.
        columns : sequence of int, optional
            Columns to keep; all by default.

        Returns
        -------
        BinnedFeatures
            Made at the first call, and kept as long as the rows are.
        """
        key = (config.bins, config.linear, None if columns is None else tuple(columns))
        if key not in self._binned:
            self._binned[key] = BinnedFeatures(
                self.features,
                names=self.names,
                categorical=self.categorical,
                config=config,
                columns=columns,
            )
        return self._binned[key]


@dataclass(frozen=True)
class Effect:
    """Estimated uplift of some rows.

    Attributes
    ----------
    point : numpy.ndarray
        Plays that one impression causes, shape (n_rows,); of a treatment of several levels, shape
        (n_rows, levels), as are the ends of its intervals.
    low, high : numpy.ndarray, optional
        Ends of each row's interval, shape (n_rows,); None from a model that gives none.
    """

    point: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


class Predicts(Protocol):
    """Anything fitted that estimates uplift."""

    def predict(self, features: NDArray[np.float32]) -> Effect:
        """Estimate the uplift of rows.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features), in the order of training.

        Returns
        -------
        Effect
            Uplift in plays per impression.
        """
        ...


class UpliftModel(Predicts, Protocol):
    """Anything that estimates uplift from labelled rows."""

    def fit(self, rows: Rows) -> UpliftModel:
        """Learn from labelled rows.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.

        Returns
        -------
        UpliftModel
            Itself.
        """
        ...


@runtime_checkable
class FitsInSteps(Protocol):
    """An `UpliftModel` that takes long, and says how far it is."""

    def fit(self, rows: Rows, *, advance: Callable[[], None] = ...) -> UpliftModel:
        """Learn from labelled rows.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        advance : callable, optional
            Called `steps` times.

        Returns
        -------
        UpliftModel
            Itself.
        """
        ...

    def steps(self, rows: Rows) -> int:
        """Say how often `fit` will advance.

        Parameters
        ----------
        rows : Rows
            Training rows.

        Returns
        -------
        int
            Steps.
        """
        ...
