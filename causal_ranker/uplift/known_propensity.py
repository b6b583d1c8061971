"""Known propensities for estimators that insist on fitting a model of T.

They travel as one more column beside the features. The model of T is replaced by one that reads
that column and nothing else; the models of Y are wrapped in one that never sees it, and are
therefore the models they would be without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BlindSelector", "KnownPropensity"]


class KnownPropensity:
    """A classifier that is told its answer.

    Parameters
    ----------
    column : int
        Position of the column that holds P(T = 1).
    """

    def __init__(self, column: int) -> None:
        self._column = column

    def fit(
        self, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[np.float64] | None = None
    ) -> KnownPropensity:
        """Learn nothing.

        Parameters
        ----------
        X, y, sample_weight : numpy.ndarray
            Not read; scikit-learn's convention.

        Returns
        -------
        KnownPropensity
            Itself.
        """
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return what the column says.

        Parameters
        ----------
        X : numpy.ndarray
            Shape (n_rows, n_columns).

        Returns
        -------
        numpy.ndarray
            P(T = 0) and P(T = 1), shape (n_rows, 2).
        """
        known = np.asarray(X[:, self._column], dtype=np.float64)
        return np.column_stack([1 - known, known])


class _Blind:
    """A fitted model, without one column."""

    def __init__(self, model: Any, column: int) -> None:
        self._model = model
        self._column = column

    def predict(self, X: NDArray[Any]) -> Any:
        return self._model.predict(self._without(X))

    @property
    def predict_proba(self) -> Callable[[NDArray[Any]], Any]:
        # A property, so that a regressor has none: that is how econml tells them apart.
        predict = self._model.predict_proba
        return lambda X: predict(self._without(X))

    @property
    def score(self) -> Callable[..., Any]:
        score = self._model.score
        return lambda X, y, **more: score(self._without(X), y, **more)

    def _without(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.delete(X, self._column, axis=1)


class BlindSelector:
    """A choice of models as econml makes it, by models that never see one column.

    It has the methods of econml's ``SingleModelSelector``, of which it must be registered as a
    virtual subclass before econml meets it: deriving from it would import econml here.

    Parameters
    ----------
    selector : econml.sklearn_extensions.model_selection.SingleModelSelector
        Chooses and fits.
    column : int
        Position of the column to leave out.
    """

    def __init__(self, selector: Any, *, column: int) -> None:
        self._selector = selector
        self._column = column

    def train(
        self,
        is_selecting: bool,
        folds: Any,
        X: NDArray[Any],
        y: NDArray[Any],
        **more: Any,
    ) -> BlindSelector:
        """Choose a model, or fit the one chosen.

        Parameters
        ----------
        is_selecting : bool
            Whether to choose.
        folds : list of tuple or None
            Folds to choose on.
        X, y : numpy.ndarray
            Shapes (n_rows, n_columns) and (n_rows,).
        **more : object
            Groups and weights, as they came.

        Returns
        -------
        BlindSelector
            Itself.
        """
        self._selector.train(is_selecting, folds, np.delete(X, self._column, axis=1), y, **more)
        return self

    @property
    def best_model(self) -> Any:
        """The chosen model, which takes the column and leaves it out."""
        return _Blind(self._selector.best_model, self._column)

    @property
    def best_score(self) -> Any:
        """Its score."""
        return self._selector.best_score

    def predict(self, X: NDArray[Any]) -> Any:
        """Predict with the chosen model.

        Parameters
        ----------
        X : numpy.ndarray
            Shape (n_rows, n_columns).

        Returns
        -------
        numpy.ndarray
            What the model says of each row.
        """
        return self.best_model.predict(X)

    @property
    def predict_proba(self) -> Callable[[NDArray[Any]], Any]:
        """That of the chosen model, where it has one."""
        return self.best_model.predict_proba  # type: ignore[no-any-return]

    @property
    def score(self) -> Callable[..., Any]:
        """That of the chosen model, where it has one."""
        return self.best_model.score  # type: ignore[no-any-return]
