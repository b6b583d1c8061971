"""From a table of the caller's to the matrix that learners read, the same way every time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from causal_ranker.paging import empty_array

__all__ = ["FeatureEncoder", "in_order"]

#: The first whole number that a 32-bit float cannot tell from the next.
_MOST_LEVELS: Final = 2**24


class FeatureEncoder:
    """What the columns of training were, and how others are read like them.

    Columns of numbers become 32-bit floats. Columns of categories, text or booleans become codes of
    their levels, which LightGBM splits as categories. What is missing is NaN in both.

    Parameters
    ----------
    categorical : sequence of str or int, optional
        More columns to read as categories, by name or by position, e.g. ids that are numbers.
    unseen : {"raise", "missing"}
        Whether a category that was not in training is refused, or read as missing with a warning.

    Attributes
    ----------
    names : tuple of str
        Columns of training; ``x0``, ``x1``, and so on where they had no names.
    named : bool
        Whether the columns of training had names.
    levels : dict of str to pandas.Index
        Categories of each categorical column that occurred in training, in order.
    """

    def __init__(
        self,
        *,
        categorical: Sequence[str | int] | None,
        unseen: Literal["raise", "missing"],
    ) -> None:
        self._wanted = tuple(categorical or ())
        self._unseen = unseen
        self.names: tuple[str, ...] = ()
        self.named = False
        self.levels: dict[str, pd.Index[Any]] = {}

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the categorical columns."""
        return tuple(self.levels)

    def fit(self, X: Any) -> Self:
        """Learn columns and categories.

        Parameters
        ----------
        X : pandas, Polars or Arrow table, or array of shape (n_rows, n_features)
            Features of the training rows.

        Returns
        -------
        FeatureEncoder
            Itself.

        Raises
        ------
        SchemaError
            If X is no table, or a column is of a type that is neither numbers nor categories.
        EmptyError
            If it has no row or no column.
        ConfigError
            If a column of `categorical` is not there.
        """
        frame = _as_frame(X)
        if not frame.size:
            raise EmptyError(
                expected="rows of at least one feature",
                came=f"a table of shape {frame.shape}",
                do="Give the features of the training rows.",
            )
        self.named = _are_names(frame.columns)
        self.names = tuple(
            str(name) if self.named else f"x{place}" for place, name in enumerate(frame.columns)
        )
        wanted = {self._place(each) for each in self._wanted}
        self.levels = {}
        for place, name in enumerate(self.names):
            column = frame.iloc[:, place]
            if place in wanted or _is_category(column):
                self.levels[name] = _levels_of(column, name)
            elif not _is_number(column):
                raise SchemaError(
                    expected="numbers, booleans, text or categories in every column",
                    came=f"{column.dtype} in column '{name}'",
                    do="Leave it out, or turn it into a number, e.g. hours before t0.",
                )
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Read a table as the training table was read.

        Parameters
        ----------
        X : pandas, Polars or Arrow table, or array of shape (n_rows, n_features)
            The columns of training, by name in any order where they have names.

        Returns
        -------
        numpy.ndarray
            Shape (n_rows, n_features), in the order of training; X is left as it is.

        Raises
        ------
        SchemaError
            If columns are missing or too many, one that held numbers holds none, or one holds
            categories that were not in training.
        """
        if not self.levels and isinstance(X, np.ndarray) and X.dtype.kind == "f" and X.ndim == 2:
            self._check_width(X.shape[1])
            self._warn_of_names(named=False)
            with np.errstate(over="ignore"):
                return np.asarray(X, dtype=np.float32)
        frame = self._aligned(_as_frame(X))
        matrix: NDArray[np.float32] = empty_array(frame.shape, np.float32)
        for place, name in enumerate(self.names):
            column = frame.iloc[:, place]
            if name in self.levels:
                matrix[:, place] = self._codes(column, name)
            else:
                matrix[:, place] = _numbers(column, name)
        return matrix

    def _place(self, column: str | int) -> int:
        if isinstance(column, str) and column in self.names:
            return self.names.index(column)
        whole = isinstance(column, int | np.integer) and not isinstance(column, bool)
        if whole and 0 <= int(column) < len(self.names):
            return int(column)
        raise ConfigError(
            expected=f"names or positions of the {len(self.names)} columns as categorical_features",
            came=repr(column),
            do=f"The columns are {', '.join(self.names[:10])}.",
        )

    def _aligned(self, frame: pd.DataFrame) -> pd.DataFrame:
        named = _are_names(frame.columns)
        self._warn_of_names(named=named)
        if not (self.named and named):
            self._check_width(frame.shape[1])
            return frame
        missing = [name for name in self.names if name not in frame.columns]
        extra = [name for name in frame.columns if name not in self.names]
        if missing or extra:
            found = [f"without {missing}"] * bool(missing) + [f"with {extra} besides"] * bool(extra)
            raise SchemaError(
                expected="the columns of training",
                came=f"a table {' and '.join(found)}",
                do="Give the same columns, in any order.",
            )
        return frame[list(self.names)]

    def _check_width(self, width: int) -> None:
        if width != len(self.names):
            raise SchemaError(
                expected=f"the {len(self.names)} columns of training",
                came=f"{width}",
                do="Give the same columns in the same order.",
            )

    def _warn_of_names(self, *, named: bool) -> None:
        if named != self.named:
            had, has = ("names", "none") if self.named else ("none", "names")
            warnings.warn(
                f"the columns of training had {had} and these have {has}: they are taken as they "
                "stand, the first for the first",
                UserWarning,
                stacklevel=2,
            )

    def _codes(self, column: pd.Series, name: str) -> NDArray[np.float32]:
        codes, values = _factorized(column, name)
        lookup = self.levels[name].get_indexer(pd.Index(values, dtype=object))
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        new = (lookup < 0) & (counts > 0)
        if new.any():
            self._meet_unseen(name, in_order(values[new]), int(counts[new].sum()), len(column))
        # The last entry is for what is missing, whose code is -1.
        as_float = np.append(np.where(lookup < 0, np.nan, lookup), np.nan).astype(np.float32)
        return as_float[codes]

    def _meet_unseen(self, name: str, values: list[Any], count: int, rows: int) -> None:
        some = ", ".join(map(repr, values[:5])) + (", ..." if len(values) > 5 else "")
        came = f"{some} in column '{name}' ({count} of {rows} rows)"
        if self._unseen == "missing":
            warnings.warn(
                f"categories that were not in training are read as missing: {came}",
                UserWarning,
                stacklevel=2,
            )
            return
        raise SchemaError(
            expected=f"the {len(self.levels[name])} categories of training",
            came=came,
            do="Fit on rows that have them, or set unseen='missing' to read them as missing.",
        )


def in_order(values: Iterable[Any]) -> list[Any]:
    """Sort what may not be comparable.

    Parameters
    ----------
    values : iterable
        Numbers, strings, or any mixture.

    Returns
    -------
    list
        By value where all can be compared, else by how they are written.
    """
    found = list(values)
    try:
        return sorted(found)
    except TypeError:
        return sorted(found, key=lambda value: (type(value).__name__, str(value)))


def _as_frame(X: Any) -> pd.DataFrame:
    if hasattr(X, "to_pandas"):
        X = X.to_pandas()  # Polars and Arrow
    if isinstance(X, pd.DataFrame):
        repeated = X.columns[X.columns.duplicated()]
        if len(repeated):
            raise SchemaError(
                expected="columns whose names differ",
                came=f"{list(repeated[:3])} more than once",
                do="Rename or drop one of each.",
            )
        return X
    came = type(X).__name__
    if isinstance(X, Sequence | np.ndarray) and not isinstance(X, str):
        array = np.asarray(X)
        if array.ndim == 2 and array.dtype.kind in "biufOUS":
            frame = pd.DataFrame(array)
            return frame.infer_objects() if array.dtype.kind == "O" else frame
        came = f"an array of shape {array.shape} and type {array.dtype}"
    raise SchemaError(
        expected="features as a pandas, Polars or Arrow table, or as an array of two dimensions",
        came=came,
        do="Collect what is lazy, make dense what is sparse, and give one row per impression.",
    )


def _are_names(columns: pd.Index[Any]) -> bool:
    strings = sum(isinstance(name, str) for name in columns)
    if 0 < strings < len(columns):
        raise SchemaError(
            expected="names of columns that are all strings, or none of them",
            came=f"{strings} strings among {len(columns)}, e.g. {list(columns[:3])}",
            do="Rename them: X.columns = X.columns.astype(str).",
        )
    return strings > 0


def _is_category(column: pd.Series) -> bool:
    kind = column.dtype
    return (
        isinstance(kind, pd.CategoricalDtype)
        or pd.api.types.is_bool_dtype(kind)
        or pd.api.types.is_object_dtype(kind)
        or pd.api.types.is_string_dtype(kind)
    )


def _is_number(column: pd.Series) -> bool:
    kind = column.dtype
    return pd.api.types.is_numeric_dtype(kind) and not (
        pd.api.types.is_complex_dtype(kind) or _is_category(column)
    )


def _levels_of(column: pd.Series, name: str) -> pd.Index[Any]:
    codes, values = _factorized(column, name)
    present = np.bincount(codes[codes >= 0], minlength=len(values)) > 0
    if present.sum() >= _MOST_LEVELS:
        raise SchemaError(
            expected=f"fewer than {_MOST_LEVELS} categories in a column",
            came=f"{int(present.sum())} in column '{name}'",
            do="Leave it out: an id of that many values tells rows apart, and nothing about them.",
        )
    levels: pd.Index[Any] = pd.Index(in_order(values[present]), dtype=object)
    return levels


def _factorized(column: pd.Series, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return each row's code, -1 where it is missing, and what the codes stand for."""
    codes: NDArray[np.int64]
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = np.asarray(column.cat.codes, dtype=np.int64)
        return codes, column.cat.categories.to_numpy(object)
    try:
        found, values = pd.factorize(column)
    except TypeError as error:
        raise SchemaError(
            expected=f"text, numbers or booleans as the categories of column '{name}'",
            came=str(error),
            do="Leave the column out, or make a column of each of its parts.",
        ) from None
    codes = np.asarray(found, dtype=np.int64)
    return codes, np.asarray(values, dtype=object)


def _numbers(column: pd.Series, name: str) -> NDArray[np.float32]:
    if _is_number(column):
        with np.errstate(over="ignore"):
            return column.to_numpy(dtype=np.float32, na_value=np.nan)
    if column.isna().all():
        return np.full(len(column), np.nan, dtype=np.float32)
    raise SchemaError(
        expected=f"numbers in column '{name}', as in training",
        came=f"{column.dtype}, e.g. {column.dropna().iloc[0]!r}",
        do="Give the column in the type it was trained in.",
    )
