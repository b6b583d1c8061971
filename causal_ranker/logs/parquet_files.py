"""Parquet files as one table, after a look at the footer of each.

DuckDB takes names and types from the first file. A later file's naive timestamps would then be
read as UTC, its fractions rounded to whole numbers and its new columns left out, all in silence.
"""

from __future__ import annotations

import re
from typing import Final

import ibis
from ibis.backends.duckdb import Backend

from causal_ranker.errors import SchemaError
from causal_ranker.logs.paths import literal

__all__ = ["read_parquet_files"]

_AWARE: Final = "timestamps with a time zone"
_NAIVE: Final = "timestamps without a time zone"
_NUMBER: Final = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)")
# One row for each distinct footer: a file that has it, and how many have. A column without any
# value may have no type in its file ("NullType"), and agrees with every type.
_FOOTERS: Final = """
WITH footers AS (
    SELECT file_name,
        list_sort(list([name, type, converted_type, logical_type, num_children::VARCHAR]))
            AS columns,
        list(name) FILTER (logical_type = 'NullType()') AS untyped
    FROM parquet_schema(?)
    GROUP BY file_name
)
SELECT min(file_name), count(*), coalesce(any_value(untyped), [])
FROM footers GROUP BY columns ORDER BY 1
"""


def read_parquet_files(
    patterns: list[str], connection: Backend, *, name: str, view: str
) -> ibis.Table:
    """Read Parquet files by the names of their columns.

    A column that some files lack is null there: nothing is left out, and what must be there in
    every row is told, or set aside, row by row.

    Parameters
    ----------
    patterns : list of str
        Paths and globs.
    connection : ibis.backends.duckdb.Backend
        The engine.
    name : str
        What the table is, for messages.
    view : str
        What the table is called on the engine.

    Returns
    -------
    ibis.Table
        The rows of all files, lazily. Whole numbers and fractions meet as fractions.

    Raises
    ------
    SchemaError
        If a column has a time zone in one file and none in another, or two types that are not
        both numbers.
    """
    footers = connection.con.execute(_FOOTERS, [patterns]).fetchall()
    if len(footers) > 1:
        _check_types(footers, connection, name=name)
    # Names are matched at the price of opening every file again, so only where they may differ.
    options = {"union_by_name": True} if len(footers) > 1 else {}
    return connection.read_parquet(patterns, table_name=view, **options)


def _check_types(
    footers: list[tuple[str, int, list[str]]], connection: Backend, *, name: str
) -> None:
    first: dict[str, tuple[str, str]] = {}
    for file, files, untyped in footers:
        described = connection.con.execute(
            "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [[literal(file)]]
        ).fetchall()
        for column, kind, *_ in described:
            if column in untyped:
                continue
            said = _family(kind)
            other, where = first.setdefault(column, (said, file))
            if said == other:
                continue
            raise SchemaError(
                expected=f"one type of the column '{column}' in all files of {name}",
                came=f"{other} in {where}, {said} in {file} ({files} such)",
                do="Say where the clock of the naive ones stood, and write them again in UTC."
                if {other, said} == {_AWARE, _NAIVE}
                else "Cast the column to one type in all files.",
            )


def _family(kind: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return _AWARE
    if kind.startswith("TIMESTAMP"):
        return _NAIVE
    return "numbers" if _NUMBER.fullmatch(kind) else kind
