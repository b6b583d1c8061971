"""From a path, a data frame or a table on any engine to one Ibis table.

Paths stay lazy: DuckDB reads the columns and row groups that a query needs. Frames are handed
to DuckDB as Arrow, without a copy where the memory layouts agree.
"""

from __future__ import annotations

import glob
import gzip
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
from ibis.backends.duckdb import Backend

from causal_ranker.errors import ConfigError, DataError, RowError, SchemaError
from causal_ranker.logs.failures import FAILURES, SPILL_FOLDER, brief, explain
from causal_ranker.logs.spark import declare_instants

__all__ = ["connect", "read_table", "reading"]

_CSV: Final = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz")
_PARQUET: Final = (".parquet", ".parq", ".pq")
# An offset or the name of a zone, behind a time of day: a date alone ends in "-10", too.
_ZONE: Final = (
    r":[0-9]{2}([.,][0-9]+)?\s*([Zz]|[+-][0-9]{2}(:?[0-9]{2}){0,2}|[A-Za-z][A-Za-z_/+-]*)$"
)
_KINDS: Final = "a path or glob of Parquet or CSV files, or a pandas, Polars, Arrow or Ibis table"


def connect(
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    database: str | Path = ":memory:",
) -> Backend:
    """Open the embedded engine, with its session clock on UTC.

    What does not fit into memory spills to a folder of its own under the system's temporary
    folder, which DuckDB removes when the connection closes.

    Parameters
    ----------
    threads : int, optional
        Threads to use; by default as many as there are cores.
    memory_limit : str, optional
        Memory the engine may use before it spills, e.g. ``"2GB"``.
    database : str or Path, default ":memory:"
        A DuckDB file, or ``":memory:"``.

    Returns
    -------
    ibis.backends.duckdb.Backend
        The connection.

    Raises
    ------
    ConfigError
        If a setting is not valid, or the database cannot be opened.
    """
    spill = Path(tempfile.gettempdir()) / f"{SPILL_FOLDER}{os.getpid()}_{secrets.token_hex(4)}"
    settings: dict[str, Any] = {"temp_directory": str(spill)}
    if threads is not None:
        settings["threads"] = threads
    if memory_limit is not None:
        settings["memory_limit"] = memory_limit
    try:
        return ibis.duckdb.connect(database, **settings)  # Ibis puts the session on UTC
    except duckdb.Error as error:
        raise ConfigError(
            expected="a DuckDB database that opens with these settings",
            came=f"database={str(database)!r}, threads={threads}, memory_limit={memory_limit!r} "
            f"({brief(error)})",
            do="Use threads >= 1, a memory limit such as '2GB', and a file no other process holds.",
        ) from error


def read_table(source: Any, connection: Backend, *, name: str) -> ibis.Table:
    """Return any supported source as an Ibis table; the caller's object is never changed.

    Parameters
    ----------
    source : str, Path, pandas.DataFrame, polars.DataFrame, polars.LazyFrame, pyarrow.Table, \
pyarrow.dataset.Dataset or ibis.Table
        Where the rows are. A folder is read as all Parquet files below it, or all CSV files if
        there is no Parquet. An Ibis table stays on its own engine.
    connection : ibis.backends.duckdb.Backend
        Where paths and frames are registered (see `connect`).
    name : str
        What the table is, for messages, e.g. ``"impressions"``.

    Returns
    -------
    ibis.Table
        The table, lazy where the source is.

    Raises
    ------
    DataError
        If the path is missing, a file is unreadable or truncated, or the kind is not supported.
    RowError
        If some of a column's timestamps have a time zone and some have none, where the source
        still knows (CSV files and pandas columns of Python datetimes).
    """
    if isinstance(source, ibis.Table):
        backends, _ = source._find_backends()
        if not backends:
            return _register(source.to_pyarrow(), connection, name)
        return declare_instants(source) if backends[0].name == "pyspark" else source
    if isinstance(source, str | Path):
        return _read_path(str(source), connection, name)
    return _register(_as_arrow(source, name), connection, name)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what the engine says while it reads a table into a `DataError`.

    A disk that is full, or memory, is told apart from a log that cannot be read.

    Lazy sources can fail late: a broken CSV row shows when its column is first used.

    Parameters
    ----------
    name : str
        What the table is, for messages.

    Yields
    ------
    None
        Control, inside which queries may run.

    Raises
    ------
    DataError
        If the engine could not read the rows.
    """
    try:
        yield
    except FAILURES as error:
        raise explain(error, name=name) from error


def _read_path(path: str, connection: Backend, name: str) -> ibis.Table:
    files = _files(path, name)
    # A fresh view name each time: reading a second "impressions" must not change the first.
    view = _view_name(name)
    with reading(f"{name} ({path})"):
        if files.endswith(_PARQUET):
            table = connection.read_parquet(files, table_name=view)
        elif files.endswith(_CSV):
            _check_gzip(files)
            delimiter = "\t" if ".tsv" in files else ","
            # One dialect (RFC 4180): a guessed one can read a broken file as a single column.
            table = connection.read_csv(
                files, table_name=view, header=True, delim=delimiter, quote='"', escape='"'
            )
            _check_csv_clocks(table, files, connection, name=name, delimiter=delimiter)
        else:
            raise DataError(
                expected=f"{name} as Parquet or CSV",
                came=f"the path {path!r}",
                do=f"Name files that end in one of {', '.join(_PARQUET + _CSV)}.",
            )
        # Touches every file (for Parquet its footer only), so that a cut one is found now.
        table.count().execute()
    return table


def _check_gzip(files: str) -> None:
    # DuckDB takes a cut gzip stream for a shorter file when the cut falls inside the last value.
    if "://" in files or not files.endswith(".gz"):
        return
    for file in glob.glob(files, recursive=True):
        with gzip.open(file) as stream:
            while stream.read(1 << 22):
                pass


def _files(path: str, name: str) -> str:
    local = Path(path)
    if "://" in path or any(sign in path for sign in "*?["):
        return path
    if not local.exists():
        raise DataError(
            expected=f"a file or folder for {name}",
            came=f"nothing at {path!r}",
            do="Check the path; quote globs so that the shell leaves them alone.",
        )
    if not local.is_dir():
        return path
    for suffix in _PARQUET + _CSV:
        if next(local.rglob(f"*{suffix}"), None) is not None:
            return str(local / "**" / f"*{suffix}")
    raise DataError(
        expected=f"Parquet or CSV files for {name}",
        came=f"none below the folder {path!r}",
        do="Point at the folder that holds the files.",
    )


def _as_arrow(source: Any, name: str) -> pa.Table | pads.Dataset:
    if isinstance(source, pa.Table | pads.Dataset):
        return source
    module = type(source).__module__.partition(".")[0]
    if module == "polars":
        frame = source.collect() if hasattr(source, "collect") else source
        if hasattr(frame, "get_columns"):
            return frame.to_arrow()
    elif module == "pandas" and hasattr(source, "columns"):
        _check_clocks(source, name)
        try:
            return pa.Table.from_pandas(source, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise SchemaError(
                expected=f"{name} with one type in each column",
                came=brief(error),
                do="Cast the column to one type, e.g. with astype('int64') or astype('str').",
            ) from error
    raise DataError(
        expected=f"{name} as {_KINDS}",
        came=f"a {type(source).__module__}.{type(source).__qualname__}",
        do="Convert it to one of these first.",
    )


def _check_clocks(frame: Any, name: str) -> None:
    """Refuse columns of Python datetimes of which only some have a time zone.

    Arrow would read those without as UTC.
    """
    for column in [name for name, kind in frame.dtypes.items() if kind == "object"]:
        values = frame[column].dropna()
        if pd.api.types.infer_dtype(values) != "datetime":
            continue
        naive = values.map(lambda moment: moment.tzinfo is None)
        if naive.any() and not naive.all():
            raise _no_zone(name, str(column), int(naive.sum()), len(values), values[naive].iloc[0])


def _check_csv_clocks(
    table: ibis.Table, files: str, connection: Backend, *, name: str, delimiter: str
) -> None:
    """Refuse instants that are written without a time zone; the engine would read them as UTC."""
    clocks = [
        column
        for column, kind in table.schema().items()
        if kind.is_timestamp() and kind.timezone is not None
    ]
    if not clocks:
        return
    words = connection.read_csv(
        files,
        table_name=_view_name(name),
        header=True,
        delim=delimiter,
        quote='"',
        escape='"',
        all_varchar=True,
    )
    naive = {
        column: words[column].try_cast("timestamp").notnull() & ~words[column].re_search(_ZONE)
        for column in clocks
    }
    counts = (
        words.aggregate(
            rows=words.count(),
            **{column: bad.cast("int64").sum() for column, bad in naive.items()},
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    for column, bad in naive.items():
        if counts[column]:
            some = words.filter(bad).select(column).limit(1).to_pyarrow()[column][0].as_py()
            raise _no_zone(name, column, int(counts[column]), int(counts["rows"]), some)


def _no_zone(name: str, column: str, bad: int, rows: int, some: Any) -> RowError:
    return RowError(
        expected=f"a time zone in every value of the column '{column}' of {name}",
        came=f"{bad} of {rows} without one, e.g. {some}",
        do="Say where their clock stood: localise them before they are mixed with others.",
    )


def _register(data: pa.Table | pads.Dataset, connection: Backend, name: str) -> ibis.Table:
    view = _view_name(name)
    with reading(name):
        # DuckDB keeps the reference, so the rows live as long as the connection does.
        connection.con.register(view, data)
        return connection.table(view)


def _view_name(name: str) -> str:
    stem = "".join(sign if sign.isalnum() else "_" for sign in name)
    return f"{stem}_{secrets.token_hex(4)}"
