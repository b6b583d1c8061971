"""The words of the monitor's own queries, which DuckDB alone reads."""

from __future__ import annotations

from typing import Any

import ibis
import pyarrow as pa

__all__ = ["day_of", "fetched", "number_of", "quoted", "relation"]


def number_of(name: str, kind: Any) -> str:
    """Read a column of numbers as doubles.

    Parameters
    ----------
    name : str
        The column.
    kind : ibis.DataType
        Its type.

    Returns
    -------
    str
        An expression, null where the column is null or NaN.
    """
    double = f"{quoted(name)}::DOUBLE"
    return f"nullif({double}, 'nan'::DOUBLE)" if kind.is_floating() else double


def day_of(column: str | None) -> str:
    """Read the day of rows.

    Parameters
    ----------
    column : str, optional
        A column of dates or timestamps.

    Returns
    -------
    str
        An expression, null for every row where no column is named.
    """
    return "NULL::DATE" if column is None else f"{quoted(column)}::DATE"


def quoted(name: str) -> str:
    """Write a column's name, whatever it holds.

    Parameters
    ----------
    name : str
        The name.

    Returns
    -------
    str
        In double quotes.
    """
    return '"' + name.replace('"', '""') + '"'


def relation(table: ibis.Table) -> str:
    """Write a table as a subquery.

    Parameters
    ----------
    table : ibis.Table
        On DuckDB.

    Returns
    -------
    str
        In brackets.
    """
    return f"({ibis.to_sql(table, dialect='duckdb')})"


def fetched(table: ibis.Table, query: str) -> pa.Table:
    """Run a query where a table lies.

    Parameters
    ----------
    table : ibis.Table
        On DuckDB.
    query : str
        The query.

    Returns
    -------
    pyarrow.Table
        What it found.
    """
    return table._find_backends()[0][0].con.execute(query).to_arrow_table()
