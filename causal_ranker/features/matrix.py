"""From joined rows to the arrays that models read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.features.config import FeatureConfig
from causal_ranker.paging import empty_array

__all__ = ["BLOCK_COLUMNS", "FeatureBlock"]

#: Columns of a row that a block keeps beside its features.
BLOCK_COLUMNS = (
    C.USER,
    C.ITEM,
    C.T0,
    C.HORIZON_END,
    C.ASSIGNMENT_UNIT,
    C.TREATMENT,
    C.OUTCOME,
    C.ANALYSIS_WEIGHT,
    C.PROPENSITY,
)


@dataclass(frozen=True)
class FeatureBlock:
    """Some rows as arrays, in order of user, t0 and item.

    Attributes
    ----------
    user, item : numpy.ndarray
        Ids, shape (n_rows,).
    t0 : numpy.ndarray
        Request times as microseconds since 1970 UTC, int64, shape (n_rows,).
    horizon_end : numpy.ndarray
        Ends of the horizons, like `t0`; equal to `t0` where the rows carry none.
    unit : numpy.ndarray
        Where T was assigned: the logged assignment unit, or the user.
    treatment, outcome : numpy.ndarray
        T and Y, int8, shape (n_rows,); zero where the rows carry no label.
    weight : numpy.ndarray
        Analysis weight, float64, shape (n_rows,).
    propensity : numpy.ndarray
        Logged propensity of T = 1, float64, NaN where none was logged.
    features : numpy.ndarray
        Shape (n_rows, n_features), float32, columns in the order of ``FeatureConfig.names``.
    """

    user: NDArray[Any]
    item: NDArray[Any]
    t0: NDArray[np.int64]
    horizon_end: NDArray[np.int64]
    unit: NDArray[Any]
    treatment: NDArray[np.int8]
    outcome: NDArray[np.int8]
    weight: NDArray[np.float64]
    propensity: NDArray[np.float64]
    features: NDArray[np.float32]

    @classmethod
    def from_arrow(cls, table: pa.Table, *, config: FeatureConfig) -> FeatureBlock:
        """Copy an Arrow table into arrays.

        Parameters
        ----------
        table : pyarrow.Table
            What ``AsOfFeatures.join`` returned.
        config : FeatureConfig
            Order of the features.

        Returns
        -------
        FeatureBlock
            The same rows in the same order.
        """
        # Column by column in memory: Arrow hands over columns, the base columns are written
        # later, and leaving them out is a view.
        matrix = np.empty((table.num_rows, len(config.names)), dtype=np.float32, order="F")
        for place, name in enumerate(config.names):
            matrix[:, place] = _column(table, name)
        return cls.from_rows(table, matrix)

    @classmethod
    def from_rows(cls, table: pa.Table, features: NDArray[np.float32]) -> FeatureBlock:
        """Put rows and their features together.

        Parameters
        ----------
        table : pyarrow.Table
            Rows in order of user, t0 and item.
        features : numpy.ndarray
            Shape (n_rows, n_features), kept as it is.

        Returns
        -------
        FeatureBlock
            The rows.
        """
        user = _column(table, C.USER)
        known = set(table.column_names)
        return cls(
            user=user,
            item=_column(table, C.ITEM),
            t0=_microseconds(table, C.T0),
            horizon_end=_microseconds(table, C.HORIZON_END if C.HORIZON_END in known else C.T0),
            unit=_column(table, C.ASSIGNMENT_UNIT) if C.ASSIGNMENT_UNIT in known else user,
            treatment=_or(table, C.TREATMENT, 0, np.int8),
            outcome=_or(table, C.OUTCOME, 0, np.int8),
            weight=_or(table, C.ANALYSIS_WEIGHT, 1.0, np.float64),
            propensity=_or(table, C.PROPENSITY, np.nan, np.float64),
            features=features,
        )

    def __len__(self) -> int:
        return len(self.user)

    def take(self, chosen: NDArray[Any]) -> FeatureBlock:
        """Return some of the rows.

        Parameters
        ----------
        chosen : numpy.ndarray
            A boolean mask of shape (n_rows,), or positions.

        Returns
        -------
        FeatureBlock
            The chosen rows: views where they stand together, copies elsewhere.
        """
        places = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        if len(places) and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
            together = slice(int(places[0]), int(places[0]) + len(places))
            return FeatureBlock(*(getattr(self, field.name)[together] for field in fields(self)))
        return FeatureBlock(*(_take(getattr(self, field.name), places) for field in fields(self)))

    def locate(self, part: FeatureBlock) -> NDArray[np.int64]:
        """Find where the rows of another block stand in this one.

        Parameters
        ----------
        part : FeatureBlock
            Rows that all occur in this block.

        Returns
        -------
        numpy.ndarray
            Positions, shape (len(part),).
        """
        keys = np.zeros(len(self), dtype=np.int64)
        wanted = np.zeros(len(part), dtype=np.int64)
        for column in ("user", "t0", "item"):
            codes, values = pd.factorize(getattr(self, column))
            keys = keys * len(values) + codes
            wanted = wanted * len(values) + pd.Index(values).get_indexer(getattr(part, column))
        found: NDArray[np.int64] = pd.Index(keys).get_indexer(pd.Index(wanted))
        return found

    def request(self) -> NDArray[np.int64]:
        """Return the number of each row's request.

        Returns
        -------
        numpy.ndarray
            Shape (n_rows,): 0 for the rows of the first (user, t0), 1 for the next, and so on.
        """
        if not len(self):
            return np.empty(0, dtype=np.int64)
        new = np.ones(len(self), dtype=bool)
        new[1:] = (self.user[1:] != self.user[:-1]) | (self.t0[1:] != self.t0[:-1])
        return np.cumsum(new) - 1

    @property
    def base_score(self) -> NDArray[np.float64]:
        """Base scores, shape (n_rows,)."""
        return self.features[:, -2].astype(np.float64)

    @property
    def base_rank(self) -> NDArray[np.float64]:
        """Base ranks within the request, shape (n_rows,)."""
        return self.features[:, -1].astype(np.float64)

    @property
    def without_base(self) -> NDArray[np.float32]:
        """Features without base score and base rank, shape (n_rows, n_features - 2)."""
        return self.features[:, :-2]

    def set_base(self, score: NDArray[np.float64], rank: NDArray[Any]) -> None:
        """Write base score and base rank into the block's own matrix.

        Parameters
        ----------
        score : numpy.ndarray
            Base scores, shape (n_rows,); NaN where the base recommender has not spoken yet.
        rank : numpy.ndarray
            Base ranks within the request, from 1, shape (n_rows,); NaN where the score is.
        """
        self.features[:, -2] = score
        self.features[:, -1] = rank


def _take(values: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    if len(places) and not -1 < places.min() <= places.max() < len(values):
        raise IndexError(f"positions beyond {len(values)} rows")
    # NumPy writes straight into the array only where it need not look out for such positions.
    taken = empty_array((len(places), *values.shape[1:]), values.dtype)
    if values.ndim == 1:
        np.take(values, places, out=taken, mode="clip")
        return taken
    for place in range(values.shape[1]):
        np.take(values[:, place], places, out=taken[:, place], mode="clip")
    return taken


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    values: NDArray[Any] = table[name].to_numpy(zero_copy_only=False)
    return values


def _microseconds(table: pa.Table, name: str) -> NDArray[np.int64]:
    moments = table[name].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    microseconds: NDArray[np.int64] = moments.to_numpy()
    return microseconds


def _or(table: pa.Table, name: str, default: float, dtype: Any) -> NDArray[Any]:
    if name not in table.column_names:
        return np.full(table.num_rows, default, dtype=dtype)
    return _column(table, name).astype(dtype, copy=False)
