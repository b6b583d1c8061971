"""What the engine and the system say when they fail, told apart for whoever can do something.

A log that cannot be read, a result that cannot be written, and a query that does not fit into
memory call for different things; the engine's own words mix them up with advice on its options.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from ibis.common.exceptions import (
    IbisError,
    OperationNotDefinedError,
    UnsupportedOperationError,
)

from causal_ranker.errors import DataError, SchemaError

__all__ = ["FAILURES", "SPILL_FOLDER", "brief", "explain", "lacks_room", "reading", "writing"]

#: What engines and files raise; anything else is a mistake of ours, and keeps its traceback.
FAILURES: Final = (
    duckdb.Error,
    IbisError,
    OSError,
    EOFError,
    MemoryError,
    zlib.error,
    pa.ArrowInvalid,
)

#: Begin of the name of each folder for what does not fit into memory.
SPILL_FOLDER: Final = "causal_ranker_"

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_SUCH_OPERATION: Final = (OperationNotDefinedError, UnsupportedOperationError)
_UNKNOWN_TYPE: Final = (IbisError, duckdb.NotImplementedException)


def explain(error: BaseException, *, name: str, target: Path | None = None) -> DataError:
    """Say what failed, and what to do about it.

    Parameters
    ----------
    error : BaseException
        One of `FAILURES`.
    name : str
        What was read, for messages.
    target : Path, optional
        The file that was written, if one was.

    Returns
    -------
    DataError
        To be raised from the error.
    """
    if _is_memory(error):
        folder = Path(tempfile.gettempdir())
        return DataError(
            expected=f"memory for the query, or room in {folder} for what does not fit",
            came=f"{brief(error)} ({_free(folder)} there)",
            do="Give the engine more with --memory (engine_memory), or name a folder with more "
            "room in the environment variable TMPDIR.",
        )
    if _is_no_room(error) or (target is not None and _names(error, target)):
        folder = _folder_written(error, target)
        return DataError(
            expected=f"a folder to write to, with room, at {folder}",
            came=f"{brief(error)} ({_free(folder)} there)",
            do="Make room, or choose another folder.",
        )
    if isinstance(error, _NO_SUCH_OPERATION):
        return DataError(
            expected=f"{name} on an engine that can do what is asked of it",
            came=f"{type(error).__name__} ({brief(error)})",
            do="Pass all tables on one DuckDB connection, or as paths or data frames.",
        )
    if isinstance(error, _UNKNOWN_TYPE):
        return SchemaError(
            expected=f"columns of {name} whose types fit together and are known to the engine",
            came=brief(error),
            do="Cast ids to integers or strings, and names to text, alike in all logs.",
        )
    if "utf-8" in str(error).lower():
        return DataError(
            expected=f"{name} as text in UTF-8",
            came=brief(error),
            do="Write the file anew as UTF-8, e.g. with iconv -f LATIN1 -t UTF-8.",
        )
    return DataError(
        expected=f"{name} to be readable to the last row",
        came=brief(error),
        do="Check the files: a copy may be cut short, or a row may have broken quotes.",
    )


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what the engine says while it reads a table into a `DataError`.

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
        If the engine could not read the rows, has no such operation, or found no room.
    """
    try:
        yield
    except FAILURES as error:
        raise explain(error, name=name) from error


@contextmanager
def writing(target: Path, *, name: str) -> Iterator[None]:
    """Turn what fails while rows are written into a `DataError`.

    Parameters
    ----------
    target : Path
        The file that is written.
    name : str
        What the rows are, for messages: lazy rows may fail to be read now.

    Yields
    ------
    None
        Control, inside which the file may be written.

    Raises
    ------
    DataError
        If the rows cannot be read, do not fit into memory, or cannot be written.
    """
    try:
        yield
    except FAILURES as error:
        raise explain(error, name=name, target=target) from error


def brief(error: BaseException) -> str:
    """Shorten an error's words to what went wrong and where.

    Parameters
    ----------
    error : BaseException
        The error.

    Returns
    -------
    str
        One line.
    """
    # DuckDB's first lines say where and what; advice on its own options follows.
    lines = str(error).strip().partition("\n\n")[0].splitlines()
    advice = ("Possible", "LINE", "This limit")
    kept = takewhile(lambda line: not line.startswith(advice), lines[:3])
    said = "; ".join(line.strip() for line in kept)[:300].rstrip(".: ")
    return said or type(error).__name__


def lacks_room(error: BaseException) -> bool:
    """Tell whether memory, or room on a disk, is what this machine lacks.

    Parameters
    ----------
    error : BaseException
        The error.

    Returns
    -------
    bool
        False for errors of other engines, whose memory and disks are their own.
    """
    return isinstance(error, FAILURES) and (_is_memory(error) or _is_no_room(error))


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return True
    # A file that spills is told of like any other.
    return _is_no_room(error) and str(Path(tempfile.gettempdir()) / SPILL_FOLDER) in str(error)


def _is_no_room(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return any(os.strerror(code) in str(error) for code in _NO_ROOM)


def _names(error: BaseException, target: Path) -> bool:
    if isinstance(error, OSError):
        return error.filename is not None and Path(error.filename) in (target, *target.parents)
    return str(target) in str(error)


def _folder_written(error: BaseException, target: Path | None) -> Path:
    if target is not None:
        return target.parent
    named = getattr(error, "filename", None) or re.search(r'file "([^"]+)"', str(error))
    if isinstance(named, re.Match):
        named = named[1]
    return Path(named).parent if named else Path()


def _free(folder: Path) -> str:
    there = next((each for each in (folder, *folder.parents) if each.exists()), Path())
    return f"{shutil.disk_usage(there).free / 1e6:,.0f} MB free"
