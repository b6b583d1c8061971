"""Linear propensity models: features made into columns, and a logistic regression on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats.logistic import fit_logistic, probability

__all__ = ["Encoding", "LinearModel", "encode", "fit_linear"]

Array = NDArray[np.float64]

_MOST_LEVELS = 20
_RARE = 0.01
_BATCH = 2**17


@dataclass(frozen=True)
class Encoding:
    """How features become columns of a linear model, as learned from some rows.

    The first column is 1. A numeric feature is standardised, and stands at its mean where it is
    missing or infinite; a feature that ever was so has a second column that says where. A category
    has one column for each of its 20 most frequent levels that at least 1 % of the rows have;
    rarer levels, missing ones and those never seen are what is left.

    Attributes
    ----------
    mean, scale : numpy.ndarray
        Of each feature, shape (n_features,); the scale is 0 where a feature has no such column.
    gaps : tuple of int
        Numeric features with a column for missing values.
    levels : tuple of (int, numpy.ndarray)
        Categorical features and the codes that have a column.
    """

    mean: Array
    scale: Array
    gaps: tuple[int, ...]
    levels: tuple[tuple[int, NDArray[np.float32]], ...]

    def __call__(self, features: NDArray[np.float32]) -> Array:
        """Return the columns of some rows.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).

        Returns
        -------
        numpy.ndarray
            Shape (n_rows, n_columns), float64.
        """
        columns = [np.ones(len(features))]
        for place in np.flatnonzero(self.scale):
            value = features[:, place].astype(np.float64)
            known = np.isfinite(value)
            columns.append(np.where(known, (value - self.mean[place]) / self.scale[place], 0.0))
        columns += [1.0 - np.isfinite(features[:, place]) for place in self.gaps]
        columns += [
            np.asarray(features[:, place] == level, dtype=np.float64)
            for place, levels in self.levels
            for level in levels
        ]
        return np.column_stack(columns)


@dataclass(frozen=True)
class LinearModel:
    """A fitted logistic regression on encoded features.

    Attributes
    ----------
    encoding : Encoding
        Makes the columns.
    coefficients : numpy.ndarray
        One a column.
    """

    encoding: Encoding
    coefficients: Array

    def predict(
        self,
        features: NDArray[np.float32],
        *,
        rows: NDArray[np.int64],
        columns: Sequence[int] | None = None,
    ) -> Array:
        """Estimate P(T = 1 | X).

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        rows : numpy.ndarray
            Positions of the rows to estimate, taken batch by batch.
        columns : sequence of int, optional
            The features that were encoded; all by default.

        Returns
        -------
        numpy.ndarray
            In (0, 1), of the shape of `rows`.
        """
        estimate = np.empty(len(rows))
        for start in range(0, len(rows), _BATCH):
            batch = slice(start, start + _BATCH)
            some = (
                features[rows[batch]]
                if columns is None
                else features[rows[batch][:, None], columns]
            )
            estimate[batch] = probability(self.encoding(some) @ self.coefficients)
        return estimate


def encode(features: NDArray[np.float32], *, categorical: Sequence[int]) -> Encoding:
    """Learn how features become columns.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n_rows, n_features); NaN is missing.
    categorical : sequence of int
        Features whose values are category codes.

    Returns
    -------
    Encoding
        For these and other rows.
    """
    count = features.shape[1]
    mean, scale = np.zeros((2, count))
    gaps, levels = [], []
    for place in range(count):
        value = features[:, place]
        known = value[np.isfinite(value)].astype(np.float64)
        if place in categorical:
            codes, rows = np.unique(known.astype(np.float32), return_counts=True)
            often = np.lexsort((codes, -rows))[:_MOST_LEVELS]
            levels.append((place, codes[often][rows[often] >= _RARE * len(value)]))
            continue
        if 0 < len(known) < len(value):
            gaps.append(place)
        if len(known) and np.ptp(known) > 0:
            mean[place], scale[place] = known.mean(), known.std()
    return Encoding(mean=mean, scale=scale, gaps=tuple(gaps), levels=tuple(levels))


def fit_linear(
    design: Array,
    target: Array,
    *,
    weight: Array,
    encoding: Encoding,
    penalty: Literal["ridge", "elastic net"],
) -> LinearModel:
    """Fit a logistic regression.

    Parameters
    ----------
    design : numpy.ndarray
        Encoded features of the rows to fit on, shape (n_rows, n_columns).
    target : numpy.ndarray
        T, shape (n_rows,).
    weight : numpy.ndarray
        Weights of the rows.
    encoding : Encoding
        What made the columns.
    penalty : {"ridge", "elastic net"}
        A ridge of one row's worth, which is a logistic regression with an answer even where the
        arms can be told apart; or lasso and ridge in equal parts, each as strong as it takes to
        keep columns of noise out: ``1.1 / (2 sqrt(n)) * sqrt(2 log(2 p))`` (Belloni, Chernozhukov
        and Wei, 2016, Journal of Business and Economic Statistics 34(4)).

    Returns
    -------
    LinearModel
        The fitted model.
    """
    size, count = design.shape
    effective = weight.sum() ** 2 / np.square(weight).sum()
    l2, l1 = np.full(count, 1.0 / size), np.zeros(count)
    if penalty == "elastic net":
        strength = 1.1 / (2 * np.sqrt(effective)) * np.sqrt(2 * np.log(2 * count))
        l1[1:], l2[1:] = strength, strength
    found = fit_logistic(design, target, weight=weight, l1=l1, l2=l2)
    return LinearModel(encoding=encoding, coefficients=found)
