"""The file of a review queue: SQLite, its tables, and what its failures mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from causal_ranker.errors import ConfigError, DataError

__all__ = ["SCHEMA_VERSION", "open_database", "told", "transaction"]

#: Written into the file; another version is refused, never guessed at.
SCHEMA_VERSION: Final = 2
_APPLICATION: Final = 0x43525256  # "CRRV": the file says whose it is
_WAIT_S: Final = 30.0
# Verdicts are only ever added. They go with their entry, when a user is forgotten: SQLite deletes
# the entry first, so that the trigger lets only those through whose entry has gone.
_TABLES: Final = (
    """
    CREATE TABLE entries (
        id TEXT PRIMARY KEY, user TEXT, kind TEXT NOT NULL, score REAL NOT NULL,
        reason TEXT NOT NULL, entered_us INTEGER NOT NULL, about TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX entries_of_user ON entries (user) WHERE user IS NOT NULL",
    """
    CREATE TABLE verdicts (
        id TEXT PRIMARY KEY, entry TEXT NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
        kind TEXT NOT NULL, who TEXT NOT NULL, at_us INTEGER NOT NULL, why TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX verdicts_of_entry ON verdicts (entry, at_us, id)",
    """
    CREATE TRIGGER verdicts_stay BEFORE DELETE ON verdicts
    WHEN EXISTS (SELECT 1 FROM entries WHERE id = OLD.entry)
    BEGIN SELECT RAISE(ABORT, 'a verdict is changed by a later one, never erased'); END
    """,
    """
    CREATE TRIGGER verdicts_are_final BEFORE UPDATE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'a verdict is changed by a later one, never written over'); END
    """,
    # Who was forgotten must not come back with an old export. The salt is this queue's own, so that
    # hashes of two queues tell nothing of each other.
    "CREATE TABLE forgotten (user BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE salt (salt BLOB NOT NULL)",
    "INSERT INTO salt VALUES (randomblob(32))",
)


def open_database(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open the file of a queue.

    Parameters
    ----------
    path : Path
        The file.
    create : bool
        Whether to make one where there is none.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode, with foreign keys, a write-ahead log, commits that reach the disk, and
        deleted bytes overwritten.

    Raises
    ------
    ConfigError
        If there is no file, or none can be made.
    DataError
        If the file is not a queue, is of another version, or is held by another process for
        longer than half a minute.
    """
    if not create and not path.is_file():
        raise ConfigError(
            expected=f"a review queue at {path}",
            came="no such file",
            do="Check the path; `causal-ranker monitor --review PATH` or an import makes one.",
        )
    try:
        path.touch(mode=0o600)  # it names users; SQLite's own two files take after it
    except OSError as error:
        raise ConfigError(
            expected=f"a file at {path} that can be written to",
            came=error.strerror or str(error),
            do="Choose another path.",
        ) from error
    with told(path):
        database = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        try:
            _prepare(database, path)
        except BaseException:
            database.close()
            raise
    return database


@contextmanager
def transaction(database: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Write everything inside or nothing; other writers wait.

    Parameters
    ----------
    database : sqlite3.Connection
        Of `open_database`.
    path : Path
        Its file, for messages.

    Yields
    ------
    sqlite3.Connection
        The database. What was written is on the disk when the block has ended.

    Raises
    ------
    DataError
        If the file cannot be read or written.
    """
    with told(path):
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    # One state of the file for the looks at it: another process may make its tables meanwhile.
    database.execute("BEGIN")
    found = _marks(database)
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    database.execute("COMMIT")
    if found not in {(0, 0), (_APPLICATION, SCHEMA_VERSION)} or (found == (0, 0) and tables):
        whose = f"version {found[1]}" if found[0] == _APPLICATION else "another program's database"
        raise DataError(
            expected=f"a review queue of version {SCHEMA_VERSION} at {path}",
            came=whose,
            do="Export it with the program that wrote it and import the file, or choose another "
            "path.",
        )
    _write_ahead(database)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA secure_delete = ON")
    database.execute("PRAGMA foreign_keys = ON")
    if found == (0, 0):
        with transaction(database, path):
            if _marks(database) == (0, 0):  # another process may have been first
                for statement in _TABLES:
                    database.execute(statement)
                database.execute(f"PRAGMA application_id = {_APPLICATION}")
                database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _marks(database: sqlite3.Connection) -> tuple[int, int]:
    application, version = (
        int(database.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("application_id", "user_version")
    )
    return application, version


def _write_ahead(database: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; SQLite does not wait for its lock here as it does elsewhere."""
    end = time.monotonic() + _WAIT_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite says into an error of ours.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    None
        Control, inside which queries may run.

    Raises
    ------
    DataError
        If the file cannot be read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(
            expected=f"a review queue at {path} that can be read and written",
            came=str(error),
            do="Check that the file is one, that there is room, and that no other process holds "
            "it.",
        ) from error
