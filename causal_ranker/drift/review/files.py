"""A queue's entries in files that other tools read: JSON lines, CSV or Parquet."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from causal_ranker.drift.review.entries import Entry
from causal_ranker.drift.review.records import entry_from_record, entry_to_record
from causal_ranker.errors import CausalRankerError, ConfigError, RowError, SchemaError
from causal_ranker.logs.failures import reading, writing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMATS", "read_entries", "write_entries", "write_rows"]

#: Endings of the files that can be written and read.
FORMATS: Final = (".jsonl", ".csv", ".parquet")
_COLUMNS: Final = ("id", "kind", "score", "reason", "entered_at", "about", "verdicts")


def write_entries(entries: Sequence[Entry], path: Path) -> Path:
    """Write entries with their history; readers see the old file or the whole new one.

    Parameters
    ----------
    entries : sequence of Entry
        The entries.
    path : Path
        A file that ends in one of `FORMATS`. It names users, and only its owner may read it;
        forgetting a user does not reach it.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If it ends otherwise.
    DataError
        If it cannot be written.
    """
    import pyarrow as pa

    schema = pa.schema([(n, pa.float64() if n == "score" else pa.string()) for n in _COLUMNS])
    return write_rows(pa.Table.from_pylist([entry_to_record(e) for e in entries], schema), path)


def write_rows(rows: pa.Table, path: Path) -> Path:
    """Write a table to a file that only its owner may read, by the ending of its name.

    Parameters
    ----------
    rows : pyarrow.Table
        The rows.
    path : Path
        A file that ends in one of `FORMATS`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If it ends otherwise.
    DataError
        If it cannot be written.
    """
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    _check(path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing(path, name="the entries"):
            fresh.touch(mode=0o600)
            if path.suffix == ".csv":
                pc.write_csv(rows, fresh)
            elif path.suffix == ".parquet":
                pq.write_table(rows, fresh)
            else:
                lines = [json.dumps(row, default=_moment) + "\n" for row in rows.to_pylist()]
                fresh.write_text("".join(lines), encoding="utf-8")
            os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def read_entries(path: Path) -> list[Entry]:
    """Read entries with their history.

    Parameters
    ----------
    path : Path
        Of `write_entries`.

    Returns
    -------
    list of Entry
        In the order of the file.

    Raises
    ------
    ConfigError
        If the file ends in none of `FORMATS`.
    SchemaError
        If it has other columns.
    RowError
        If one of its rows is no entry.
    DataError
        If it cannot be read.
    """
    _check(path)
    with reading(str(path)):
        rows = _rows(path)
    entries = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or set(row) != set(_COLUMNS):
            raise SchemaError(
                expected=f"the columns {', '.join(_COLUMNS)} in {path}",
                came=f"{', '.join(map(str, row))} in row {number}",
                do="Pass a file that `causal-ranker review export` wrote.",
            )
        try:
            entries.append(entry_from_record(row))
        except (ValueError, KeyError, TypeError, AttributeError, CausalRankerError) as error:
            raise RowError(
                expected=f"an entry of a review queue in row {number} of {path}",
                came=str(error),
                do="Mend the row, or export the queue anew; nothing was imported.",
            ) from error
    return entries


def _check(path: Path) -> None:
    if path.suffix not in FORMATS or path.is_dir():
        raise ConfigError(
            expected=f"a file that ends in {', '.join(FORMATS)}",
            came=str(path),
            do="Choose another name.",
        )


def _rows(path: Path) -> list[Any]:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        found: list[Any] = pq.read_table(path).to_pylist()
    elif path.suffix == ".csv":
        text = {name: pa.string() for name in _COLUMNS}
        kinds = pc.ConvertOptions(column_types=text, strings_can_be_null=False)
        # A row, with all that was said, must fit into one block.
        block = pc.ReadOptions(block_size=1 << 26)
        lines = pc.ParseOptions(newlines_in_values=True)
        found = pc.read_csv(
            path, read_options=block, parse_options=lines, convert_options=kinds
        ).to_pylist()
    else:
        found = [_line(text, path) for text in path.read_bytes().splitlines() if text.strip()]
    return found


def _line(text: bytes, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RowError(
            expected=f"a JSON object in each line of {path}",
            came=str(error),
            do="Export the queue anew; nothing was imported.",
        ) from error


def _moment(value: Any) -> str:
    return str(value.isoformat())
