"""What can be done about a failure is told by what failed."""

from __future__ import annotations

import decimal
import errno
import os
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend
from ibis.common.exceptions import IbisTypeError

from causal_ranker.errors import DataError, SchemaError
from causal_ranker.logs.carry import bring_over
from causal_ranker.logs.failures import SPILL_FOLDER, explain, writing
from causal_ranker.logs.sources import connect, read_table, reading

TARGET = Path("/results/.credits.parquet.7.part")
SPILLED = f"{tempfile.gettempdir()}/{SPILL_FOLDER}7_ab/duckdb_temp_storage-0.tmp"
FULL = os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    "error",
    [
        duckdb.OutOfMemoryException("Out of Memory Error: failed to pin block of size 256.0 KiB"),
        MemoryError(),
        duckdb.IOException(f'IO Error: Could not write file "{SPILLED}": {FULL}'),
    ],
)
@pytest.mark.parametrize("target", [None, TARGET])
def test_memory(error: BaseException, target: Path | None) -> None:
    told = str(explain(error, name="plays", target=target))
    for words in ("--memory", "TMPDIR", tempfile.gettempdir(), "MB free"):
        assert words in told
    assert "cut short" not in told


@pytest.mark.parametrize(
    ("error", "target", "folder"),
    [
        (OSError(errno.ENOSPC, FULL), TARGET, "/results"),
        (OSError(errno.EDQUOT, "Quota exceeded", "/here/x.parquet"), None, "/here"),
        (duckdb.IOException(f'Could not write file "/here/x.csv": {FULL}'), None, "/here"),
        (duckdb.IOException(f'Could not write file "{TARGET}": {FULL}'), TARGET, "/results"),
        (duckdb.IOException(f'Cannot open file "{TARGET}": Permission denied'), TARGET, "/results"),
        (PermissionError(errno.EACCES, "Permission denied", "/results"), TARGET, "/results"),
    ],
)
def test_a_folder_that_cannot_be_written(
    error: BaseException, target: Path | None, folder: str
) -> None:
    told = explain(error, name="plays", target=target)
    assert told.expected.endswith(f"at {folder}")
    assert "MB free" in told.came
    assert "another folder" in told.do


@pytest.mark.parametrize(
    "error",
    [
        duckdb.IOException('IO Error: Cannot open file "/logs/plays.parquet": Permission denied'),
        PermissionError(errno.EACCES, "Permission denied", "/logs/plays.csv.gz"),
        duckdb.InvalidInputException("Invalid Input Error: Snappy decompression failure"),
        EOFError(),
    ],
)
@pytest.mark.parametrize("target", [None, TARGET])
def test_a_log_that_cannot_be_read(error: BaseException, target: Path | None) -> None:
    told = explain(error, name="plays", target=target)
    assert told.expected == "plays to be readable to the last row"
    assert told.came
    assert "cut short" in told.do


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (duckdb.OutOfMemoryException("Out of Memory Error: failed to pin block"), "--memory"),
        (duckdb.IOException(f'Could not write file "{SPILLED}": {FULL}'), "TMPDIR"),
        (OSError(errno.ENOSPC, FULL, "/here/x"), "another folder"),
        (RuntimeError(f"executor 7: {FULL}"), "to Parquet there"),
        (ValueError("no such function"), "to Parquet there"),
    ],
)
def test_whose_room_is_lacking_when_rows_are_carried(
    error: Exception, told: str, connection: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    table = connect(threads=1).create_table("plays", {"play_id": [1]})
    monkeypatch.setattr(type(table), "to_pyarrow_batches", fail)
    with pytest.raises(DataError, match=told):
        bring_over(table, connection, name="plays")


def test_types_that_do_not_fit(connection: Backend) -> None:
    assert isinstance(explain(IbisTypeError("int64 and string"), name="plays"), SchemaError)
    wide = pa.table({"user_id": pa.array([decimal.Decimal(1)], pa.decimal256(60, 0))})
    with pytest.raises(SchemaError, match=r"types fit together.*Cast ids"):
        read_table(wide, connection, name="plays")


def test_mistakes_of_ours_stay_what_they_are() -> None:
    with pytest.raises(KeyError), reading("plays"):
        raise KeyError("x")
    with pytest.raises(TypeError), writing(TARGET, name="plays"):
        raise TypeError
    with pytest.raises(DataError, match="/results"), writing(TARGET, name="plays"):
        raise OSError(errno.ENOSPC, FULL)
