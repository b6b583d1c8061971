"""CSV files with faults, taken apart so that each fault can be set aside with its text.

Every line is read once, as words, into a table of its own: what DuckDB leaves out of one query it
need not leave out of the next.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import ibis
import ibis.expr.datatypes as dt
from ibis.backends.duckdb import Backend

from causal_ranker.errors import DataError
from causal_ranker.logs.csv_files import check_files, dialect, group_by_header, scan_words
from causal_ranker.logs.csv_words import judge_words, read_word, said_type
from causal_ranker.logs.paths import Files
from causal_ranker.logs.rules import Contract, RowRule

__all__ = ["LINE", "REASON", "FaultyRows", "read_faulty_csv"]

#: The column that holds a line which is no row.
LINE: Final = "quarantine_line"
#: The column that says why a row was set aside.
REASON: Final = "quarantine_reason"
_TEXT: Final = "quarantine_text_"
_GUESSED: Final = 20_480  # rows by which DuckDB guesses types
_FAULTS: Final = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "UNQUOTED VALUE": "a quote that does not close",
}


@dataclass(frozen=True)
class FaultyRows:
    """Rows of which some hold words that mean nothing, and lines that are no rows.

    Attributes
    ----------
    table : ibis.Table
        The rows; null where a word means nothing. The words stand in columns of their own.
    words : dict of str to str
        Columns with such words, and the columns that hold what was written.
    rules : tuple of RowRule
        A rule for each of these columns.
    lines : ibis.Table
        ``(quarantine_line, quarantine_reason)``.
    """

    table: ibis.Table
    words: dict[str, str]
    rules: tuple[RowRule, ...]
    lines: ibis.Table


def read_faulty_csv(
    files: Files, connection: Backend, *, contract: Contract, view: str
) -> FaultyRows:
    """Read CSV files of which some lines or words cannot be read.

    Parameters
    ----------
    files : Files
        The files.
    connection : ibis.backends.duckdb.Backend
        The engine.
    contract : Contract
        What the table should be.
    view : str
        What the tables are called on the engine.

    Returns
    -------
    FaultyRows
        Every row and line, once.

    Raises
    ------
    DataError
        If it cannot be told where a line ends: a quote that never closes swallows other rows.
    SchemaError
        If the columns are separated by another sign.
    """
    check_files(files, connection, name=contract.name)
    parts, lines = [], []
    groups = group_by_header(files, connection, contract=contract)
    for number, (names, paths) in enumerate(groups.items()):
        part, rejects = f"{view}_{number}", f"{view}_{number}_rejects"
        sql, values = scan_words(
            files,
            names,
            paths,
            store_rejects=True,
            rejects_table=rejects,
            rejects_scan=f"{rejects}_scan",
        )
        connection.con.execute(f'CREATE TEMP TABLE "{part}" AS SELECT * FROM {sql}', values)
        parts.append(f'SELECT * FROM "{part}"')
        # A line is told once for each column that it lacks; with CRLF it begins with the "\n" of
        # the line before.
        lines.append(
            "SELECT trim(any_value(csv_line), chr(10) || chr(13)) AS line, "
            f'min(error_type) AS fault FROM "{rejects}" GROUP BY scan_id, file_id, line'
        )
    words = _view(connection, f"{view}_words", " UNION ALL BY NAME ".join(parts))
    broken = _view(connection, f"{view}_lines", " UNION ALL ".join(lines))
    _check_lines(broken, contract)
    judged = judge_words(words, _guess(files, f"{view}_words", connection), contract)
    faulty = {column: f"{_TEXT}{column}" for column, each in judged.items() if each.unreadable}
    read = {column: read_word(words[column], each.kind) for column, each in judged.items()}
    kept = {text: words[column] for column, text in faulty.items()}
    return FaultyRows(
        table=words.mutate(**kept).mutate(**read),
        words=faulty,
        rules=tuple(
            _readable(column, text, judged[column].kind) for column, text in faulty.items()
        ),
        lines=broken.select(
            **{
                LINE: broken.line,
                REASON: "a line with " + broken.fault.cases(*_FAULTS.items(), else_=""),
            }
        ),
    )


def _view(connection: Backend, name: str, query: str) -> ibis.Table:
    connection.con.execute(f'CREATE TEMP VIEW "{name}" AS {query}')
    return connection.table(name)


def _readable(column: str, text: str, kind: dt.DataType) -> RowRule:
    return RowRule(
        column=column,
        expected=f"text that can be read as {said_type(kind)}",
        do="Mend the text.",
        bad=lambda table: table[text].notnull() & table[column].isnull(),
    )


def _check_lines(broken: ibis.Table, contract: Contract) -> None:
    whole = broken.fault.isin(list(_FAULTS)) & ~broken.line.re_search(r"[\n\r]")
    # What DuckDB keeps of a longer line is its beginning.
    lost = broken.filter(~(whole & (broken.line.length() < 10_000))).limit(1).to_pyarrow()
    if lost.num_rows:
        line, fault = lost["line"][0].as_py(), lost["fault"][0].as_py()
        raise DataError(
            expected=f"lines of {contract.name} that can be told apart, so that bad ones can be "
            "set aside",
            came=f"{_FAULTS.get(fault, fault.lower())} in the line that begins {line[:60]!r}",
            do="Mend this line (quotes, UTF-8); the lines behind it cannot be read before.",
        )


def _guess(files: Files, all_words: str, connection: Backend) -> dict[str, dt.DataType]:
    """Return the types that DuckDB guesses by the first rows, without the broken lines."""
    options = {**dialect(files), "skip": 0, "union_by_name": True}
    view = f"{all_words}_guess"
    try:
        return dict(connection.read_csv(files.patterns, table_name=view, **options).schema())
    except duckdb.Error:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "first.csv")
            first = f'SELECT * FROM "{all_words}" LIMIT {_GUESSED}'
            form = f"HEADER, DELIMITER '{options['delim']}'"
            connection.con.execute(f"COPY ({first}) TO '{path}' ({form})")
            return dict(connection.read_csv(path, table_name=view, **options).schema())
    finally:
        connection.drop_view(view, force=True)
