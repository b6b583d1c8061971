"""Category codes as columns of 0 and 1, for final stages that would read them as amounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError

__all__ = ["OneHot"]

#: A column of more levels costs more memory than an effect by level is worth.
_MOST_LEVELS: Final = 100


class OneHot:
    """A column for each level of a category but its most frequent one.

    The most frequent level is what the others are compared with. A level that was not there at
    `fit` has no column either, and is read as the most frequent one.

    Parameters
    ----------
    places : sequence of int
        Positions of the columns that hold category codes; the others stay as they are, in front.
    names : sequence of str
        Names of all columns, for messages.
    """

    def __init__(self, places: Sequence[int], *, names: Sequence[str]) -> None:
        self._places = list(places)
        self._names = list(names)
        self._levels: dict[int, NDArray[Any]] = {}

    def fit(self, features: NDArray[Any], target: object = None) -> OneHot:
        """Learn the levels.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        target : object, optional
            Not read; scikit-learn's convention.

        Returns
        -------
        OneHot
            Itself.

        Raises
        ------
        ConfigError
            If a column has more than 100 levels.
        """
        for place in self._places:
            levels, count = np.unique(features[:, place], return_counts=True)
            if len(levels) > _MOST_LEVELS:
                raise ConfigError(
                    expected=f"at most {_MOST_LEVELS} levels of a category in a final stage that "
                    "reads each as a column of its own",
                    came=f"{len(levels)} levels of '{self._names[place]}'",
                    do="Take a learner whose final stage is LightGBM, group the levels, or leave "
                    "the feature out.",
                )
            self._levels[place] = np.delete(levels, np.argmax(count))
        return self

    def transform(self, features: NDArray[Any]) -> NDArray[Any]:
        """Put a column for each level in the place of its category.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).

        Returns
        -------
        numpy.ndarray
            Shape (n_rows, n_columns): what is no category, then the levels.
        """
        columns = [np.delete(features, self._places, axis=1)]
        for place, levels in self._levels.items():
            columns.append((features[:, [place]] == levels).astype(features.dtype))
        return np.hstack(columns)

    def fit_transform(self, features: NDArray[Any], target: object = None) -> NDArray[Any]:
        """Learn the levels and put them into columns.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        target : object, optional
            Not read; scikit-learn's convention.

        Returns
        -------
        numpy.ndarray
            As `transform` gives.
        """
        return self.fit(features, target).transform(features)
