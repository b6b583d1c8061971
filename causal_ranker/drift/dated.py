"""Which days tables are about, as far as their columns say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis

from causal_ranker.drift.sql import day_of, fetched, quoted, relation
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import reading

__all__ = ["first_and_last_day", "require_days", "wholly_before"]


def require_days(table: ibis.Table, column: str, *, name: str) -> None:
    """Raise if a column does not say on which day a row is.

    Parameters
    ----------
    table : ibis.Table
        On DuckDB.
    column : str
        Dates, timestamps, or text that reads as such.
    name : str
        What the table is, for messages.

    Raises
    ------
    SchemaError
        If there is no such column, or it is of another type.
    RowError
        If words are no dates.
    """
    require_columns(table, [column], name=name)
    kind = table.schema()[column]
    if kind.is_date() or kind.is_timestamp():
        return
    if not kind.is_string():
        raise SchemaError(
            expected=f"dates or timestamps in '{column}' of {name}",
            came=str(kind),
            do="Name the column of days, or convert it to dates first.",
        )
    with reading(name):
        found = fetched(
            table,
            f"SELECT count(*) AS n, min({quoted(column)}) AS word FROM {relation(table)} WHERE "
            f"{quoted(column)} IS NOT NULL AND TRY_CAST({quoted(column)} AS DATE) IS NULL",
        ).to_pylist()[0]
    if found["n"]:
        raise RowError(
            expected=f"dates such as 2026-01-31 in '{column}' of {name}",
            came=f"{found['n']} rows of other words, e.g. {found['word']!r:.40}",
            do="Convert the column to dates first.",
        )


def first_and_last_day(table: ibis.Table, column: str) -> tuple[date, date] | None:
    """Say which days a table is about.

    Parameters
    ----------
    table : ibis.Table
        On DuckDB.
    column : str
        Its column of dates or timestamps.

    Returns
    -------
    tuple of date, or None
        The first and the last; None where there is none.

    Raises
    ------
    SchemaError, RowError
        If it is no such column.
    """
    require_days(table, column, name="the table")
    found = fetched(
        table,
        f"SELECT min({day_of(column)}) AS a, max({day_of(column)}) AS b FROM {relation(table)}",
    ).to_pylist()[0]
    return None if found["a"] is None else (found["a"], found["b"])


def wholly_before(reference: ibis.Table, window: ibis.Table, columns: Sequence[str]) -> list[str]:
    """List columns by which the window ends before the reference begins.

    Parameters
    ----------
    reference, window : ibis.Table
        On DuckDB.
    columns : sequence of str
        Columns of both, of which those of dates or timestamps are looked at.

    Returns
    -------
    list of str
        The columns; someone may have passed one table for the other.
    """
    found = []
    kinds = reference.schema()
    for name in (c for c in columns if kinds[c].is_date() or kinds[c].is_timestamp()):
        before, now = (first_and_last_day(table, name) for table in (reference, window))
        if before is not None and now is not None and now[1] < before[0]:
            found.append(name)
    return found
