"""Tables of pairs, of content and of vectors, read in the forms that this room works on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.coldstart.content import Content
from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import connect, read_table, reading
from causal_ranker.recommenders.ids import Ids

__all__ = ["ContentColumns", "read_columns", "read_content", "read_pairs", "read_vectors"]

_EMBEDDING = "embedding"


class ContentColumns(FrozenConfig):
    """Which columns of a table of items are content, and of what kind.

    Parameters
    ----------
    text : tuple of str
        Columns of text, read as one.
    categories : tuple of str
        Columns of categories: lists, or text in which `separator` stands between them.
    separator : str
        Between categories.
    dense : tuple of str
        Columns of numbers, or of lists of numbers.
    """

    text: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    separator: str = Field(default="|", min_length=1)
    dense: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All columns."""
        return [*self.text, *self.categories, *self.dense]


def read_columns(path: str, columns: Sequence[str], *, name: str) -> pd.DataFrame:
    """Read some columns of a table with ids.

    Parameters
    ----------
    path : str
        Parquet or CSV.
    columns : sequence of str
        Which.
    name : str
        What the table is, for messages.

    Returns
    -------
    pandas.DataFrame
        These columns, without an index.

    Raises
    ------
    DataError
        If the table cannot be read, lacks a column, has no row, or an id is missing.
    """
    table = read_table(path, connect(), name=name)
    require_columns(table, columns, name=name)
    with reading(name):
        frame: pd.DataFrame = table.select(*columns).to_pyarrow().to_pandas()
    if frame.empty:
        raise EmptyError(expected=f"rows in {name}", came="none", do=f"Look at {path}.")
    for column in {C.USER, C.ITEM} & set(columns):
        if missing := int(frame[column].isna().sum()):
            raise RowError(
                expected=f"a value of '{column}' in every row of {name}",
                came=f"none in {missing} of {len(frame)} rows",
                do="Fill the value from its source, or leave these rows out.",
            )
    return frame


def read_pairs(path: str, *, name: str) -> pd.DataFrame:
    """Read who liked what.

    Parameters
    ----------
    path : str
        A Parquet or CSV table with ``user_id`` and ``item_id``; a pair may come often.
    name : str
        What the table is, for messages.

    Returns
    -------
    pandas.DataFrame
        Each pair once.

    Raises
    ------
    DataError
        If it cannot be read, lacks a column, has no row, or an id is missing.
    """
    columns = [C.USER, C.ITEM]
    return read_columns(path, columns, name=name).drop_duplicates(ignore_index=True)


def read_content(path: str, columns: ContentColumns, *, name: str) -> tuple[Ids, Content]:
    """Read what is known of items.

    Parameters
    ----------
    path : str
        A Parquet or CSV table with ``item_id`` and the columns.
    columns : ContentColumns
        What is content, and of what kind.
    name : str
        What the table is, for messages.

    Returns
    -------
    Ids
        Of the items, in the order of the table.
    Content
        What is known of them.

    Raises
    ------
    ConfigError
        If no column is named.
    DataError
        If the table cannot be read, lacks a column, or an item comes twice.
    """
    if not columns.names:
        raise ConfigError(
            expected="at least one column of content",
            came="none",
            do="Name columns with --text, --categories or --dense.",
        )
    frame = read_columns(path, [C.ITEM, *columns.names], name=name)
    content = Content(
        text=_texts(frame, columns.text) if columns.text else None,
        categories=_categories(frame, columns) if columns.categories else None,
        dense=_dense(frame, columns.dense) if columns.dense else None,
    )
    return Ids(frame[C.ITEM].tolist(), name=f"{C.ITEM} of {name}"), content


def read_vectors(path: str, *, id_column: str) -> tuple[Ids, NDArray[np.float64]]:
    """Read one embedding for each id.

    Parameters
    ----------
    path : str
        A Parquet table with the id and ``embedding``, a list of numbers.
    id_column : str
        ``user_id`` or ``item_id``.

    Returns
    -------
    Ids
        In the order of the table.
    numpy.ndarray
        Shape (n_ids, width).

    Raises
    ------
    DataError
        If the table cannot be read, lacks a column, or an id comes twice.
    """
    frame = read_columns(path, [id_column, _EMBEDDING], name=path)
    return Ids(frame[id_column].tolist(), name=id_column), _dense(frame, (_EMBEDDING,))


def _texts(frame: pd.DataFrame, columns: Sequence[str]) -> list[str | None]:
    parts = frame[list(columns)].astype(object)
    joined = parts.apply(lambda column: column.where(column.notna(), "").astype(str))
    return [text.strip() or None for text in joined.agg(" ".join, axis=1)]


def _categories(frame: pd.DataFrame, columns: ContentColumns) -> list[list[str]]:
    """Split categories; those of several columns are told apart by the column's name."""
    found: list[list[str]] = [[] for _ in range(len(frame))]
    for column in columns.categories:
        prefix = f"{column}=" if len(columns.categories) > 1 else ""
        for names, cell in zip(found, frame[column], strict=True):
            names += [prefix + name for name in _split(cell, columns.separator)]
    return found


def _split(cell: Any, separator: str) -> list[str]:
    if isinstance(cell, np.ndarray | list):
        return [str(name) for name in cell if not pd.isna(name)]
    if pd.isna(cell):
        return []
    parts = (part.strip() for part in str(cell).split(separator))
    return [part for part in parts if part]


def _dense(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    blocks = []
    for column in columns:
        cells = frame[column]
        try:
            blocks.append(_block(cells))
        except (TypeError, ValueError) as error:
            raise SchemaError(
                expected=f"numbers, or lists of numbers of one length, in '{column}'",
                came=_sample(cells),
                do="Convert the column, or name it under --text or --categories.",
            ) from error
    return np.column_stack(blocks)


def _block(cells: pd.Series[Any]) -> NDArray[np.float64]:
    if cells.dtype != object:
        return cells.to_numpy(np.float64, na_value=np.nan)[:, None]
    lists = [cell for cell in cells if cell is not None]
    widths = {len(cell) for cell in lists}
    if len(widths) != 1:
        raise ValueError(f"lengths {sorted(widths)}")
    block = np.full((len(cells), widths.pop()), np.nan)
    block[[cell is not None for cell in cells]] = np.array(lists, dtype=np.float64)
    return block


def _sample(cells: pd.Series[Any]) -> str:
    first = next((cell for cell in cells if cell is not None), None)
    return f"{cells.dtype}, e.g. {str(first)[:60]}"
