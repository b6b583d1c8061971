"""What a compacted folder already holds: its manifest, in one SQLite file.

Files are written aside and synced; one transaction then says which files count, which segments went
into them, and which decisions and events are in. Only after it do files change places. Whoever
opens the folder next finishes or undoes what a crash interrupted, so that nothing is ever in twice.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from causal_ranker.errors import ConfigError, DataError
from causal_ranker.serving.decisions.record import EventRecord, decode, encode
from causal_ranker.serving.decisions.segments import FolderLock
from causal_ranker.serving.replace import sync_folder

__all__ = ["CompactionIndex", "Known", "is_compacted", "key_of"]

Id = int | str

_FILE: Final = "compaction.sqlite"
# Begins no event's name.
_REFUSED: Final = "decision-"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replaced (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decisions (
    id TEXT PRIMARY KEY, user BLOB NOT NULL, t0 INTEGER NOT NULL, segment TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS requests ON decisions (user, t0);
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, user BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    decision TEXT NOT NULL, id TEXT NOT NULL, user BLOB, record BLOB NOT NULL,
    PRIMARY KEY (decision, id)
) WITHOUT ROWID;
"""


class Known(msgspec.Struct, frozen=True):
    """A decision that is in.

    Parameters
    ----------
    user : int or str
        Whom it was for.
    t0 : int
        Its moment, in microseconds since 1970.
    segment : str
        The segment that its rows came from.
    """

    user: Id
    t0: int
    segment: str


def is_compacted(folder: Path) -> bool:
    """Say whether a folder holds a compacted log.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    bool
        Whether there is an index in it.
    """
    return (folder / _FILE).is_file()


def key_of(value: Id) -> bytes:
    """Write an id so that 5 and "5" differ.

    Parameters
    ----------
    value : int or str
        The id.

    Returns
    -------
    bytes
        The key.
    """
    return msgspec.msgpack.encode(value)


class CompactionIndex:
    """The index of a compacted folder, held by one process.

    Parameters
    ----------
    folder : Path
        The folder, which is created.

    Raises
    ------
    ConfigError
        If another process works on the folder, or it cannot be written.
    DataError
        If its index cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(0o700, parents=True, exist_ok=True)
            (folder / _FILE).touch(mode=0o600)  # it names users, as every file here
        except OSError as error:
            raise ConfigError(
                expected=f"a folder for compacted logs at {folder}, or a place to create it",
                came=str(error),
                do="Choose another path.",
            ) from error
        self.folder = folder
        self._lock = FolderLock(folder / "compaction.lock", what="a folder of compacted logs")
        try:
            self._db = sqlite3.connect(folder / _FILE, isolation_level=None)
            # Every commit on the disk; what is deleted is overwritten, for users who leave.
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(_TABLES)
            self._settle()
        except sqlite3.Error as error:
            self._lock.release()
            raise DataError(
                expected=f"the index of a compacted log in {folder / _FILE}",
                came=str(error),
                do="Compact into a new folder; the segments still hold everything.",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()
        self._lock.release()

    def setting(self, name: str) -> str | None:
        """Return a setting of the folder.

        Parameters
        ----------
        name : str
            Which.

        Returns
        -------
        str or None
            Its value, None where it was never set.
        """
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", [name]).fetchone()
        return None if row is None else str(row[0])

    def set(self, name: str, value: str) -> None:
        """Set a setting of the folder, as a part of what is committed next.

        Parameters
        ----------
        name, value : str
            The setting.
        """
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", [name, value])

    def has(self, segment: str) -> bool:
        """Say whether a segment is in.

        Parameters
        ----------
        segment : str
            Its name.

        Returns
        -------
        bool
            Whether it is.
        """
        row = self._db.execute("SELECT 1 FROM segments WHERE name = ?", [segment]).fetchone()
        return row is not None

    def begin(self) -> None:
        """Begin what is committed or rolled back together."""
        self._db.execute("BEGIN IMMEDIATE")

    def rollback(self) -> None:
        """Forget everything since :meth:`begin`, unless it was committed already."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
            shutil.rmtree(self._aside, ignore_errors=True)

    def add_decision(self, decision: str, user: Id, at_us: int, *, segment: str) -> int | None:
        """Add a decision.

        A user has one request at a moment: should there be two in the same millisecond, the later
        one stands a microsecond behind.

        Parameters
        ----------
        decision : str
            Its id.
        user : int or str
            Whom it was for.
        at_us : int
            When, in microseconds since 1970.
        segment : str
            The segment it is in.

        Returns
        -------
        int or None
            Its moment; None if it is in already.
        """
        if self.find(decision) is not None:
            return None
        key = key_of(user)
        taken = "SELECT 1 FROM decisions WHERE user = ? AND t0 = ?"
        while self._db.execute(taken, [key, at_us]).fetchone() is not None:
            at_us += 1
        self._db.execute(
            "INSERT INTO decisions VALUES (?, ?, ?, ?)", [decision, key, at_us, segment]
        )
        return at_us

    def find(self, decision: str) -> Known | None:
        """Look a decision up.

        Parameters
        ----------
        decision : str
            Its id.

        Returns
        -------
        Known or None
            What is known of it.
        """
        query = "SELECT user, t0, segment FROM decisions WHERE id = ?"
        row = self._db.execute(query, [decision]).fetchone()
        if row is None:
            return None
        return Known(msgspec.msgpack.decode(row[0], type=Id), row[1], row[2])

    def add_event(self, event: str, user: Id | None) -> bool:
        """Add an event.

        Parameters
        ----------
        event : str
            Its id.
        user : int or str or None
            Whose it is, if anybody's.

        Returns
        -------
        bool
            False if it is in already.
        """
        key = None if user is None else key_of(user)
        row = self._db.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", [event, key])
        return row.rowcount == 1

    def refuse(self, decision: str, user: Id) -> bool:
        """Remember a decision that was set aside.

        Parameters
        ----------
        decision : str
            Its id.
        user : int or str
            Whom it was for.

        Returns
        -------
        bool
            False if it was set aside already.
        """
        return self.add_event(_REFUSED + decision, user)

    def add_waiting(self, event: EventRecord) -> bool:
        """Add an event whose decision is not in, but may come with another log.

        Parameters
        ----------
        event : EventRecord
            The event.

        Returns
        -------
        bool
            False if it is waiting already.
        """
        key = None if event.user_id is None else key_of(event.user_id)
        row = self._db.execute(
            "INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?)",
            [event.decision_id or "", event.event_id, key, encode(event)],
        )
        return row.rowcount == 1

    def waiting(self) -> list[EventRecord]:
        """List the events whose decisions are not in.

        Returns
        -------
        list of EventRecord
            By decision.
        """
        rows = self._db.execute("SELECT record FROM waiting ORDER BY decision, id")
        return [event for (row,) in rows if isinstance(event := decode(row), EventRecord)]

    def take_waiting(self, decisions: Collection[str]) -> list[EventRecord]:
        """Take out the events that waited for some decisions.

        Parameters
        ----------
        decisions : collection of str
            Decisions that are in now.

        Returns
        -------
        list of EventRecord
            The events.
        """
        named = self._db.execute("SELECT DISTINCT decision FROM waiting").fetchall()
        found = []
        for (decision,) in named:
            if decision in decisions:
                rows = self._db.execute("SELECT record FROM waiting WHERE decision = ?", [decision])
                found += [decode(row) for (row,) in rows]
                self._db.execute("DELETE FROM waiting WHERE decision = ?", [decision])
        return [event for event in found if isinstance(event, EventRecord)]

    def decisions_of(self, user: Id) -> list[str]:
        """List a user's decisions, those that were set aside as well.

        Parameters
        ----------
        user : int or str
            The user.

        Returns
        -------
        list of str
            Their ids.
        """
        query = "SELECT id FROM decisions WHERE user = ?"
        found = [row[0] for row in self._db.execute(query, [key_of(user)])]
        query = "SELECT substr(id, ?) FROM events WHERE user = ? AND substr(id, 1, ?) = ?"
        start = len(_REFUSED)
        rows = self._db.execute(query, [start + 1, key_of(user), start, _REFUSED])
        return found + [row[0] for row in rows]

    def erase(self, user: Id) -> None:
        """Delete what the index itself holds of a user.

        Parameters
        ----------
        user : int or str
            The user.
        """
        for table in ("decisions", "events", "waiting"):
            self._db.execute(f"DELETE FROM {table} WHERE user = ?", [key_of(user)])

    def files(self, table: str, segment: str | None = None) -> list[str]:
        """List the files that count, of a table or of a table and a segment.

        Parameters
        ----------
        table : str
            The table's folder.
        segment : str, optional
            The segment's name; every one without it.

        Returns
        -------
        list of str
            Names relative to the folder, sorted.
        """
        start = f"{table}/" if segment is None else f"{table}/{segment}."
        query = "SELECT name FROM files WHERE substr(name, 1, ?) = ? ORDER BY name"
        return [row[0] for row in self._db.execute(query, [len(start), start])]

    def aside(self, name: str) -> Path:
        """Return where to write a file that is to count once this is committed.

        Parameters
        ----------
        name : str
            Its name relative to the folder.

        Returns
        -------
        Path
            A place beside, whose folder exists.
        """
        path = self._aside / name
        self._aside.mkdir(0o700, exist_ok=True)
        path.parent.mkdir(0o700, exist_ok=True)
        return path

    def commit(
        self, *, segment: str | None, files: Iterable[str], replaced: Iterable[str] = ()
    ) -> None:
        """Make everything since :meth:`begin` count, in one step.

        Parameters
        ----------
        segment : str or None
            The segment that is in from now on.
        files : iterable of str
            Files written aside that count from now on.
        replaced : iterable of str
            Files that don't any more.
        """
        for name in files:
            self._db.execute("INSERT INTO files VALUES (?)", [name])
            _sync(self.aside(name))
        for name in replaced:
            self._db.execute("DELETE FROM files WHERE name = ?", [name])
            self._db.execute("INSERT OR IGNORE INTO replaced VALUES (?)", [name])
        if segment is not None:
            self._db.execute("INSERT INTO segments VALUES (?)", [segment])
        if self._aside.exists():
            for folder in (self._aside, *self._aside.iterdir()):
                sync_folder(folder)
        self._db.execute("COMMIT")
        self._settle()

    @property
    def _aside(self) -> Path:
        return self.folder / ".aside"

    def _settle(self) -> None:
        """Put the files that count in their places, and remove those that don't."""
        touched = set()
        for path in sorted(self._aside.glob("*/*")):
            name = f"{path.parent.name}/{path.name}"
            if self._db.execute("SELECT 1 FROM files WHERE name = ?", [name]).fetchone():
                place = self.folder / name
                place.parent.mkdir(0o700, exist_ok=True)
                os.replace(path, place)
                touched.add(place.parent)
        for (name,) in self._db.execute("SELECT name FROM replaced").fetchall():
            (self.folder / name).unlink(missing_ok=True)
            touched.add((self.folder / name).parent)
        for folder in touched:
            sync_folder(folder)
        self._db.execute("DELETE FROM replaced")
        shutil.rmtree(self._aside, ignore_errors=True)


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
