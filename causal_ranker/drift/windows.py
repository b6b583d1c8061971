"""Windows of several columns, taken apart and checked."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from causal_ranker.errors import SchemaError
from causal_ranker.stats._arrays import Array, as_numbers, float_vector

__all__ = ["columns_of"]


def columns_of(
    window: ArrayLike, *, names: Sequence[str], table: str, missing: Sequence[str] = ()
) -> list[Array]:
    """Take a window apart.

    Parameters
    ----------
    window : array_like, shape (n, n_names)
        Numbers.
    names : sequence of str
        What its columns are, in order.
    table : str
        What the window is called, for messages.
    missing : sequence of str
        Columns that may hold NaN and infinities.

    Returns
    -------
    list of ndarray, each of shape (n,)
        The columns.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If there is no row, another number of columns, or a value that is missing or no number.
    """
    values = as_numbers(window, name=table)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise SchemaError(
            expected=f"{len(names)} columns in the {table}: {', '.join(names)}",
            came=f"an array of shape {values.shape}",
            do="Put the columns side by side.",
        )
    return [
        column if name in missing and column.size else float_vector(column, name=name)
        for name, column in zip(names, values.T, strict=True)
    ]
