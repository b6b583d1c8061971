"""What engines say while they read, turned into errors of ours."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile

import duckdb
import ibis.common.exceptions as ice
import pyarrow as pa

from causal_ranker.errors import DataError

__all__ = ["brief", "reading"]


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
        If the engine could not read the rows, or has no such operation.
    """
    try:
        yield
    except (duckdb.Error, OSError, EOFError, zlib.error, pa.ArrowInvalid) as error:
        raise DataError(
            expected=f"{name} to be readable to its last row",
            came=brief(error),
            do="Check the files: a copy may be cut short, or a row may have broken quotes.",
        ) from error
    except ice.IbisError as error:
        raise DataError(
            expected=f"{name} on an engine that can do what is asked of it",
            came=f"{type(error).__name__} ({brief(error)})",
            do="Pass all tables on one DuckDB connection, or as paths or data frames.",
        ) from error


def brief(error: BaseException) -> str:
    """Return what an engine said, in one line.

    Parameters
    ----------
    error : BaseException
        What it raised.

    Returns
    -------
    str
        Where and what; without the advice on the engine's own options.
    """
    # DuckDB's first lines say where and what; advice on its own options follows.
    lines = str(error).strip().partition("\n\n")[0].splitlines()
    kept = takewhile(lambda line: not line.startswith(("Possible", "LINE")), lines[:3])
    return "; ".join(line.strip() for line in kept)[:300]
