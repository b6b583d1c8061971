"""CSV files as one table, of which every line and every word was looked at.

One dialect (RFC 4180, the first line names the columns): a guessed one can read a broken file as a
single column, take a row that begins with # for a comment, or a row for the header.
"""

from __future__ import annotations

import gzip
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import pyarrow as pa
from ibis.backends.duckdb import Backend

from causal_ranker.errors import DataError, SchemaError
from causal_ranker.logs.csv_words import judge_words, refuse_words
from causal_ranker.logs.paths import Files, is_local, list_files, literal
from causal_ranker.logs.rules import Contract

__all__ = ["check_files", "dialect", "group_by_header", "read_csv_files", "scan_words"]

_SEPARATOR: Final = "\x1f"  # in no text: a line stays whole


def read_csv_files(
    files: Files, connection: Backend, *, name: str, view: str, contract: Contract | None = None
) -> ibis.Table:
    """Read CSV files by the names of their columns; a column that some files lack is null there.

    Parameters
    ----------
    files : Files
        The files.
    connection : ibis.backends.duckdb.Backend
        The engine.
    name : str
        What the table is, for messages.
    view : str
        What the table is called on the engine.
    contract : Contract, optional
        What the table should be, so that one bad word does not make a text of a column.

    Returns
    -------
    ibis.Table
        The rows of all files, lazily.

    Raises
    ------
    DataError
        If a file is empty or cut short.
    SchemaError
        If the columns are separated by another sign.
    RowError
        If a word is no value of its column's type, or an instant without a time zone.
    """
    check_files(files, connection, name=name)
    options: dict[str, Any] = {**dialect(files), "skip": 0, "union_by_name": True}
    try:
        table = connection.read_csv(files.patterns, table_name=view, **options)
        words = connection.read_csv(
            files.patterns, table_name=f"{view}_words", all_varchar=True, **options
        )
    except duckdb.InvalidInputException:
        _point_at_line(files, connection, contract)
        raise
    _check_separator(table.columns, files, contract)
    _check_names(table.columns, files, connection, name=name)
    judged = judge_words(words, table.schema(), contract)
    refuse_words(words, judged, name=name)
    settled = {
        column: connection.compiler.type_mapper.to_string(each.kind)
        for column, each in judged.items()
        if each.kind != table[column].type()
    }
    if not settled:
        return table
    return connection.read_csv(files.patterns, table_name=view, types=settled, **options)


def dialect(files: Files) -> dict[str, Any]:
    """Return how the files are written.

    Parameters
    ----------
    files : Files
        CSV or TSV.

    Returns
    -------
    dict
        Options of DuckDB.
    """
    delimiter = "\t" if files.kind == "TSV" else ","
    return {"header": True, "delim": delimiter, "quote": '"', "escape": '"', "comment": ""}


def check_files(files: Files, connection: Backend, *, name: str) -> None:
    """Refuse local files that hold nothing, or whose compressed stream ends early.

    Parameters
    ----------
    files : Files
        The files.
    connection : ibis.backends.duckdb.Backend
        The engine.
    name : str
        What the table is, for messages.

    Raises
    ------
    DataError
        If a file is empty.
    EOFError
        If a gzip file is cut short.
    OSError
        If a zstd file is.
    """
    for file in filter(is_local, list_files(files.patterns, connection)):
        if not Path(file).stat().st_size:
            raise DataError(
                expected=f"a line of column names in each file of {name}",
                came=f"nothing in {file}",
                do="Check how it was written, or leave the file out.",
            )
        # DuckDB takes a cut stream for a shorter file: gzip where the cut falls in the last value,
        # zstd anywhere.
        if file.lower().endswith(".gz"):
            with gzip.open(file) as stream:
                _read_to_end(stream)
        elif file.lower().endswith(".zst"):
            with pa.CompressedInputStream(file, "zstd") as stream:
                _read_to_end(stream)


def _read_to_end(stream: Any) -> None:
    while stream.read(1 << 22):
        pass


def group_by_header(
    files: Files, connection: Backend, *, contract: Contract | None
) -> dict[tuple[str, ...], list[str]]:
    """Read the first line of each file.

    Parameters
    ----------
    files : Files
        The files.
    connection : ibis.backends.duckdb.Backend
        The engine.
    contract : Contract, optional
        What the table should be.

    Returns
    -------
    dict of tuple of str to list of str
        Files by the names of their columns.

    Raises
    ------
    SchemaError
        If the columns of a file are separated by another sign.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for file in list_files(files.patterns, connection):
        whole = {"header": False, "delim": _SEPARATOR, "quote": "", "escape": ""}
        options = {"auto_detect": False, "columns": {"line": "VARCHAR"}, **whole}
        sql, values = _scan([literal(file)], options)
        line = connection.con.execute(f"SELECT line FROM {sql} LIMIT 1", values).fetchall()
        with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8") as alone:
            # Read by DuckDB itself, so that columns without a name, or of one name, get the same.
            alone.write(line[0][0] + "\n")
            alone.flush()
            sql, values = _scan([alone.name], {**dialect(files), "all_varchar": True})
            described = connection.con.execute(f"DESCRIBE SELECT * FROM {sql}", values).fetchall()
        names = tuple(column for column, *_ in described)
        _check_separator(names, files, contract)
        groups.setdefault(names, []).append(literal(file))
    return groups


def scan_words(
    files: Files, names: tuple[str, ...], paths: list[str], **options: Any
) -> tuple[str, list[Any]]:
    """Write the call that reads files of one header as words, line by line, without a guess.

    Parameters
    ----------
    files : Files
        Of which kind they are.
    names : tuple of str
        Their columns.
    paths : list of str
        The files.
    **options : Any
        Further options of DuckDB.

    Returns
    -------
    sql : str
        The call.
    values : list
        Its parameters.
    """
    columns = dict.fromkeys(names, "VARCHAR")
    return _scan(paths, {**dialect(files), "auto_detect": False, "columns": columns, **options})


def _scan(paths: list[str], options: Mapping[str, Any]) -> tuple[str, list[Any]]:
    said = "".join(f", {option} = {_write(value)}" for option, value in options.items())
    return f"read_csv(?{said})", [paths]


def _write(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_write(k)}: {_write(v)}" for k, v in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else "'" + value.replace("'", "''") + "'"


def _check_separator(columns: tuple[str, ...], files: Files, contract: Contract | None) -> None:
    """Refuse a line of names that holds none of them, but signs that others separate by."""
    if contract is None or not set(contract.required).isdisjoint(columns):
        return
    odd = next((column for column in columns if any(sign in column for sign in ",;|\t")), None)
    if odd is not None:
        sign = "tabs" if files.kind == "TSV" else "commas"
        raise SchemaError(
            expected=f"columns of {contract.name} separated by {sign}, as in a {files.kind} file",
            came=f"the column {odd!r}",
            do=f"Write the file with {sign} between its columns.",
        )


def _check_names(columns: tuple[str, ...], files: Files, connection: Backend, *, name: str) -> None:
    """Refuse two columns of one name: the engine would call the second one something else."""
    # Only a name such as "a_1" beside "a" can be such a second one: no other file is looked at.
    known = {column.lower() for column in columns}
    again = [re.fullmatch(r"(.+)_[0-9]+", column) for column in columns]
    if not any(found and found[1].lower() in known for found in again):
        return
    for file in list_files(files.patterns, connection):
        options = {**dialect(files), "header": False, "all_varchar": True}
        sql, values = _scan([literal(file)], options)
        head = connection.con.execute(f"SELECT * FROM {sql} LIMIT 1", values).fetchone() or ()
        counts = Counter(str(word).lower() for word in head)
        doubled = next((str(word) for word in head if counts[str(word).lower()] > 1), None)
        if doubled is not None:
            raise SchemaError(
                expected=f"each column of {name} once in the first line of {file}",
                came=f"{counts[doubled.lower()]} columns called {doubled!r}",
                do="Rename or remove all but one of them.",
            )


def _point_at_line(files: Files, connection: Backend, contract: Contract | None) -> None:
    """Raise for the first broken line; the engine says only that it could not guess the file."""
    for names, paths in group_by_header(files, connection, contract=contract).items():
        sql, values = scan_words(files, names, paths)
        connection.con.execute(f"SELECT count(COLUMNS(*)) FROM {sql}", values).fetchall()
