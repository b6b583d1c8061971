"""From a path, a data frame or a table on any engine to one Ibis table.

Paths stay lazy: DuckDB reads the columns and row groups that a query needs. Frames are handed
to DuckDB as Arrow, without a copy where the memory layouts agree.
"""

from __future__ import annotations

import importlib
import os
import secrets
import tempfile
import weakref
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
from ibis.backends.duckdb import Backend

from causal_ranker.errors import ConfigError, DataError, RowError, SchemaError
from causal_ranker.logs.carry import new_name
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.csv_faults import FaultyRows, read_faulty_csv
from causal_ranker.logs.csv_files import read_csv_files
from causal_ranker.logs.failures import SPILL_FOLDER, brief, reading
from causal_ranker.logs.mapping import TableSource, mapped, their_contract
from causal_ranker.logs.parquet_files import read_parquet_files
from causal_ranker.logs.paths import find_files
from causal_ranker.logs.rules import Contract
from causal_ranker.logs.spark import declare_instants

__all__ = ["connect", "read_faulty", "read_table", "reading"]

_KINDS: Final = "a path or glob of Parquet or CSV files, or a pandas, Polars, Arrow or Ibis table"
_CONTRACT_COLUMNS: Final = frozenset(
    column for each in CONTRACTS.values() for column in (*each.required, *each.optional)
)


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
        connection = ibis.duckdb.connect(database, **settings)  # Ibis puts the session on UTC
        # The chain has bars of its own; DuckDB would draw another one across them, and into files.
        connection.raw_sql("SET enable_progress_bar = false")
        return connection
    except duckdb.Error as error:
        raise ConfigError(
            expected="a DuckDB database that opens with these settings",
            came=f"database={str(database)!r}, threads={threads}, memory_limit={memory_limit!r} "
            f"({brief(error)})",
            do="Use threads >= 1, a memory limit such as '2GB', and a file no other process holds.",
        ) from error


def read_table(
    source: Any, connection: Backend, *, name: str, contract: Contract | None = None
) -> ibis.Table:
    """Return any supported source as an Ibis table; the caller's object is never changed.

    Columns are matched by name in all files of a path; where a file lacks one it is null.
    A dictionary of numbers (an integer pandas Categorical) that is no column of a contract becomes
    text: it names something, and counts nothing. A Parquet file holds such codes as numbers.

    Parameters
    ----------
    source : str, Path, TableSource, pandas.DataFrame, polars.DataFrame, polars.LazyFrame, \
pyarrow.Table, pyarrow.dataset.Dataset or ibis.Table
        Where the rows are. A folder is read as all Parquet files, or all CSV files, below it, but
        for files and folders whose names begin with ``.`` or ``_``, as Spark and Hive do (a
        partition such as ``_day=1`` is read). A link to a folder below it is refused.
        An Ibis table stays on its own engine (see `causal_ranker.logs.carry.bring_over`). A
        LazyFrame is streamed to a temporary file, which goes with the connection.
    connection : ibis.backends.duckdb.Backend
        Where paths and frames are registered (see `connect`).
    name : str
        What the table is, for messages, e.g. ``"impressions"``.
    contract : Contract, optional
        What the table should be: a CSV column that it knows is of its type, whatever single
        words say.

    Returns
    -------
    ibis.Table
        The table, lazy where the source is.

    Raises
    ------
    DataError
        If the path is missing, a file is unreadable or truncated, the files of a folder are of
        two kinds, or the kind is not supported.
    SchemaError
        If two Parquet files disagree about a column's type, or whether it has a time zone.
    RowError
        If words of a CSV file are no value of their column's type, or if some of a column's
        timestamps have no time zone, where the source still knows (CSV files and pandas columns
        of Python datetimes).
    """
    if isinstance(source, ibis.Table):
        backends, _ = source._find_backends()
        if not backends:
            return _register(_in_memory(source, name), connection, name)
        return declare_instants(source) if backends[0].name == "pyspark" else source
    if isinstance(source, TableSource):
        kinds = None if contract is None else their_contract(contract, source)
        theirs = _read_path(source.path, connection, name, contract=kinds)
        return mapped(theirs, source, name=name, contract=contract)
    if isinstance(source, str | Path):
        return _read_path(str(source), connection, name, contract=contract)
    if type(source).__module__.startswith("polars.") and hasattr(source, "sink_parquet"):
        return _read_path(_sink(source, connection, name), connection, name, contract=contract)
    return _register(_as_arrow(source, name), connection, name)


def read_faulty(source: Any, connection: Backend, *, contract: Contract) -> FaultyRows | None:
    """Return the rows of CSV files that `read_table` refused, with what is wrong with them.

    Parameters
    ----------
    source : Any
        What `read_table` refused.
    connection : ibis.backends.duckdb.Backend
        The embedded engine.
    contract : Contract
        What the table should be.

    Returns
    -------
    FaultyRows or None
        None where the source is no path of CSV files, or its columns have other names than ours.

    Raises
    ------
    DataError
        If the path is missing, or it cannot be told where a line ends.
    """
    if not isinstance(source, str | Path):
        return None
    files = find_files(str(source), connection, name=contract.name)
    if files.kind == "Parquet":
        return None
    with reading(f"{contract.name} ({source})"):
        return read_faulty_csv(files, connection, contract=contract, view=new_name(contract.name))


def _read_path(
    path: str, connection: Backend, name: str, *, contract: Contract | None
) -> ibis.Table:
    # A fresh view name each time: reading a second "impressions" must not change the first.
    view = new_name(name)
    with reading(f"{name} ({path})"):
        files = find_files(path, connection, name=name)
        if files.kind == "Parquet":
            table = read_parquet_files(files.patterns, connection, name=name, view=view)
        else:
            table = read_csv_files(files, connection, name=name, view=view, contract=contract)
    return table


def _as_arrow(source: Any, name: str) -> pa.Table | pads.Dataset:
    if isinstance(source, pads.Dataset):
        _check_fragments(source, name)
    if isinstance(source, pa.Table | pads.Dataset):
        return source
    module = type(source).__module__.partition(".")[0]
    if module == "polars":
        if hasattr(source, "get_columns"):
            return source.to_arrow()
    elif module == "pandas" and hasattr(source, "columns"):
        _check_clocks(source, name)
        try:
            return pa.Table.from_pandas(source, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise _several_types(error, name) from error
    raise DataError(
        expected=f"{name} as {_KINDS}",
        came=f"a {type(source).__module__}.{type(source).__qualname__}",
        do="Convert it to one of these first.",
    )


def _in_memory(table: ibis.Table, name: str) -> pa.Table:
    try:
        return table.to_pyarrow()
    except (pa.ArrowException, TypeError) as error:
        raise _several_types(error, name) from error


def _several_types(error: Exception, name: str) -> SchemaError:
    return SchemaError(
        expected=f"{name} with one type in each column",
        came=brief(error),
        do="Cast the column to one type, e.g. with astype('int64') or astype('str').",
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


def _no_zone(name: str, column: str, bad: int, rows: int, some: Any) -> RowError:
    return RowError(
        expected=f"a time zone in every value of the column '{column}' of {name}",
        came=f"{bad} of {rows} without one, e.g. {some}",
        do="Say where their clock stood: localise them before they are mixed with others.",
    )


def _register(data: pa.Table | pads.Dataset, connection: Backend, name: str) -> ibis.Table:
    view = new_name(name)
    # Ids stay as they are: their type has to match that of other tables.
    codes = [
        field.name
        for field in data.schema
        if pa.types.is_dictionary(field.type)
        and _is_number(field.type.value_type)
        and field.name not in _CONTRACT_COLUMNS
    ]
    with reading(name):
        # DuckDB keeps the reference, so the rows live as long as the connection does.
        connection.con.register(view, data)
        return connection.table(view).cast(dict.fromkeys(codes, "string"))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _sink(frame: Any, connection: Backend, name: str) -> str:
    """Stream a Polars query to a file that lives as long as the connection."""
    folder = tempfile.TemporaryDirectory(prefix="causal_ranker_")
    weakref.finalize(connection, folder.cleanup)
    path = str(Path(folder.name) / "frame.parquet")
    polars = importlib.import_module("polars")
    try:
        frame.sink_parquet(path)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise DataError(
            expected=f"{name} as a Polars query that runs",
            came=f"{type(error).__name__} ({brief(error)})",
            do="Collect it by itself to see where it fails.",
        ) from error
    return path


def _check_fragments(dataset: pads.Dataset, name: str) -> None:
    """Refuse files whose naive timestamps Arrow would read as UTC, as the dataset's schema says."""
    aware = [field.name for field in dataset.schema if getattr(field.type, "tz", None)]
    if not aware:
        return
    for fragment in dataset.get_fragments():
        if not isinstance(fragment, pads.ParquetFileFragment):
            continue
        for column in aware:
            place = fragment.physical_schema.get_field_index(column)
            if place < 0:
                continue
            kind = fragment.physical_schema.field(place).type
            if pa.types.is_timestamp(kind) and kind.tz is None:
                raise SchemaError(
                    expected=f"one type of the column '{column}' in all files of {name}",
                    came=f"{dataset.schema.field(column).type} in the dataset, {kind} in "
                    f"{fragment.path}",
                    do="Say where the clock of the naive ones stood, and write them again in UTC.",
                )
