"""Checked plain arrays: what every function of this room does first with its input."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import (
    CausalRankerError,
    ConfigError,
    EmptyError,
    RowError,
    SchemaError,
)

__all__ = [
    "Array",
    "IntArray",
    "as_numbers",
    "binary_vector",
    "float_vector",
    "positive_count",
    "reject_rows",
    "same_size",
    "share",
    "weight_vector",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROWS_SHOWN = 3


def reject_rows(
    bad: NDArray[np.bool_],
    values: NDArray[np.generic],
    *,
    name: str,
    expected: str,
    do: str,
    error: type[CausalRankerError] = RowError,
) -> None:
    """Raise if any row is bad, naming the array, the count and the first few rows.

    Parameters
    ----------
    bad : ndarray of bool, shape (n,)
        True where the row breaks the expectation.
    values : ndarray, shape (n,)
        The values, for the message.
    name : str
        What the array is called.
    expected : str
        What was expected of it.
    do : str
        What the reader should do.
    error : type of CausalRankerError
        The class to raise.

    Raises
    ------
    CausalRankerError
        Of class `error`, if any row is bad.
    """
    if not bad.any():
        return
    rows = np.flatnonzero(bad)
    shown = ", ".join(f"row {row}: {values[row]!s}" for row in rows[:_ROWS_SHOWN])
    raise error(
        expected=expected, came=f"'{name}' with {rows.size} of {bad.size} bad rows ({shown})", do=do
    )


def as_numbers(values: ArrayLike, *, name: str) -> Array:
    """Return values as doubles, of any shape; the caller's array is not copied or changed.

    Parameters
    ----------
    values : array_like
        Numbers or booleans; None is missing. Text is no number, however it reads: a column that
        came as text has changed its type.
    name : str
        What the array is called, for messages.

    Returns
    -------
    ndarray of float64
        The values, NaN where missing.

    Raises
    ------
    SchemaError
        If a value is text, a moment, or nothing that a double can be.
    """
    came = ""
    try:
        plain = np.asarray(values)
        if plain.dtype.kind == "O":
            kinds = {type(each).__name__ for each in plain.flat if isinstance(each, str | bytes)}
            came = ", ".join(sorted(kinds))
        elif plain.dtype.kind not in "biuf":
            came = f"{plain.dtype}"
        if not came:
            return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        came = str(error)
    raise SchemaError(
        expected=f"numbers in '{name}'", came=came, do="Convert the column to numbers."
    )


def float_vector(values: ArrayLike, *, name: str, finite: bool = True) -> Array:
    """Return the values as a non-empty float vector; the caller's array is not copied or changed.

    Parameters
    ----------
    values : array_like, shape (n,)
        Numbers.
    name : str
        What the array is called, for messages.
    finite : bool
        Refuse infinities as well as NaN.

    Returns
    -------
    ndarray of float64, shape (n,)
        The checked values.

    Raises
    ------
    SchemaError
        If the values are not numbers in one dimension.
    EmptyError
        If there is no row.
    RowError
        If a value is NaN, or infinite where that is refused.
    """
    vector = as_numbers(values, name=name)
    if vector.ndim != 1:
        raise SchemaError(
            expected=f"one dimension in '{name}'",
            came=f"an array of shape {vector.shape}",
            do="Pass one column.",
        )
    if vector.size == 0:
        raise EmptyError(
            expected=f"at least one row in '{name}'",
            came="none",
            do="Check the filters that ran before.",
        )
    reject_rows(
        ~np.isfinite(vector) if finite else np.isnan(vector),
        vector,
        name=name,
        expected=f"{'finite numbers' if finite else 'numbers, not NaN,'} in '{name}'",
        do="Fill or drop these rows.",
    )
    return vector


def same_size(size: int, **vectors: NDArray[np.generic]) -> None:
    """Raise if an array does not have the given number of rows.

    Parameters
    ----------
    size : int
        Number of rows expected.
    **vectors : ndarray
        The arrays, by name.

    Raises
    ------
    SchemaError
        If the lengths differ.
    """
    for name, vector in vectors.items():
        if vector.shape[0] != size:
            raise SchemaError(
                expected=f"{size} rows in '{name}', as in the other arrays",
                came=f"{vector.shape[0]} rows",
                do="Pass columns of one table.",
            )


def weight_vector(weights: ArrayLike | None, *, size: int) -> Array:
    """Return non-negative weights with a positive sum; ones where none are given.

    Parameters
    ----------
    weights : array_like, shape (n,), or None
        Row weights on any scale.
    size : int
        Number of rows.

    Returns
    -------
    ndarray of float64, shape (n,)
        The weights.

    Raises
    ------
    RowError
        If a weight is negative or not finite.
    EmptyError
        If all weights are 0.
    """
    if weights is None:
        return np.ones(size)
    vector = float_vector(weights, name="weights")
    same_size(size, weights=vector)
    reject_rows(
        vector < 0,
        vector,
        name="weights",
        expected="weights of 0 or more",
        do="Check how the weights were built.",
    )
    if not vector.any():
        raise EmptyError(
            expected="a positive sum of weights",
            came=f"{size} weights of 0",
            do="Check how the weights were built.",
        )
    return vector


def binary_vector(values: ArrayLike, *, name: str) -> NDArray[np.bool_]:
    """Return a column of 0 and 1 as booleans.

    Parameters
    ----------
    values : array_like, shape (n,)
        Zeros and ones (or booleans).
    name : str
        What the array is called, for messages.

    Returns
    -------
    ndarray of bool, shape (n,)
        True where the value is 1.

    Raises
    ------
    RowError
        If a value is neither 0 nor 1.
    """
    vector = float_vector(values, name=name)
    reject_rows(
        (vector != 0) & (vector != 1),
        vector,
        name=name,
        expected=f"0 or 1 in '{name}'",
        do="Code the two arms as 0 and 1.",
    )
    ones: NDArray[np.bool_] = vector == 1
    return ones


def positive_count(value: int, *, name: str, least: int = 1) -> int:
    """Return a whole number that is at least `least`.

    Parameters
    ----------
    value : int
        The setting.
    name : str
        What it is called, for messages.
    least : int
        The smallest value allowed.

    Returns
    -------
    int
        The value.

    Raises
    ------
    ConfigError
        If it is not whole or too small.
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ConfigError(
            expected=f"a whole number {name} of at least {least}",
            came=f"{name} = {value!r}",
            do=f"Choose {name} >= {least}.",
        )
    return int(value)


def share(value: float, *, name: str) -> float:
    """Return a number strictly between 0 and 1.

    Parameters
    ----------
    value : float
        The setting.
    name : str
        What it is called, for messages.

    Returns
    -------
    float
        The value.

    Raises
    ------
    ConfigError
        If it is not strictly between 0 and 1.
    """
    if not 0 < value < 1:
        raise ConfigError(
            expected=f"{name} strictly between 0 and 1",
            came=f"{name} = {value!r}",
            do=f"Choose {name} in (0, 1).",
        )
    return float(value)
