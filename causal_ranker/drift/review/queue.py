"""A queue of what people should look at, in one SQLite file."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from causal_ranker.drift.review.entries import VERDICTS, Entry, Id, Row, Verdict, VerdictKind
from causal_ranker.drift.review.records import (
    about_from_text,
    about_to_text,
    from_microseconds,
    to_microseconds,
)
from causal_ranker.drift.review.store import open_database, told, transaction
from causal_ranker.errors import ConfigError, DataError, RowError

__all__ = ["ReviewQueue"]


class ReviewQueue:
    """Alerts and rows that people look at, and all that they said.

    Several processes may read and write at once. What a method wrote is on the disk when it
    returns. A verdict is never erased or written over: a later one takes its place, and both are
    kept. Only `forget` takes rows out, with what was said of them, and they stay out.

    Parameters
    ----------
    path : Path
        The file.
    create : bool
        Whether to make one where there is none.

    Raises
    ------
    ConfigError
        If there is no file, or none can be made.
    DataError
        If the file is not a queue, is of another version, or is held by another process.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._db = open_database(path, create=create)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, entries: Iterable[Entry]) -> int:
        """Add entries, with what was said of them; what is in stays as it is.

        Parameters
        ----------
        entries : iterable of Entry
            The entries. Verdicts that are not in yet are added to those that are. Rows of users
            who were forgotten are left out.

        Returns
        -------
        int
            How many entries are new.

        Raises
        ------
        RowError
            If a verdict is in with another content; then nothing is added.
        DataError
            If the file cannot be written.
        """
        new = 0
        with transaction(self._db, self.path) as db:
            for entry in entries:
                user = json.dumps(entry.about.user_id) if isinstance(entry.about, Row) else None
                if user is not None and self._is_forgotten(user):
                    continue
                new += db.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    [
                        *(entry.id, user, entry.kind, entry.score, entry.reason),
                        *(to_microseconds(entry.entered_at), about_to_text(entry.about)),
                    ],
                ).rowcount
                for verdict in entry.verdicts:
                    self._insert(entry.id, verdict)
        return new

    def decide(
        self, entry_id: str, kind: VerdictKind, *, who: str, why: str, at: datetime | None = None
    ) -> Verdict:
        """Record what a person says of an entry.

        Parameters
        ----------
        entry_id : str
            The entry.
        kind : VerdictKind
            What they say.
        who, why : str
            Their name, and their reason.
        at : datetime, optional
            When, with a time zone; now by default.

        Returns
        -------
        Verdict
            As it was kept: never older than what was said of the entry before, whatever the clock
            says, so that it stands.

        Raises
        ------
        ConfigError
            If there is no such entry, nobody's name or no reason, or this cannot be said of it.
        DataError
            If the file cannot be written.
        """
        for name, words in (("who says so", who), ("why", why)):
            if not words.strip() or not words.isprintable():
                raise ConfigError(
                    expected=f"a few words on {name}, in one line",
                    came=repr(words),
                    do="Say who decides, and why.",
                )
        moment = at or datetime.now(UTC)
        with transaction(self._db, self.path) as db:
            row = db.execute(
                "SELECT kind, (SELECT max(at_us) FROM verdicts WHERE entry = ?) FROM entries "
                "WHERE id = ?",
                [entry_id, entry_id],
            ).fetchone()
            if row is None:
                raise _no_entry(entry_id)
            if kind not in VERDICTS[row[0]]:
                raise ConfigError(
                    expected=f"of this {row[0]} one of {', '.join(VERDICTS[row[0]])}",
                    came=kind.value,
                    do="Choose one of these.",
                )
            at_us = max(to_microseconds(moment), -1 if row[1] is None else row[1] + 1)
            verdict = Verdict(uuid.uuid4().hex, kind, who, from_microseconds(at_us), why)
            self._insert(entry_id, verdict)
        return verdict

    def entries(
        self, *, kind: Literal["alert", "row"] | None = None, waiting: bool = False
    ) -> list[Entry]:
        """List entries, those from which most is learned first.

        Parameters
        ----------
        kind : {"alert", "row"}, optional
            Only these.
        waiting : bool
            Only those of which nothing was said, or "unsure" last.

        Returns
        -------
        list of Entry
            By score, then by when they entered.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        found = self._read("kind = coalesce(?, kind)", kind)
        if waiting:
            found = [
                entry
                for entry in found
                if not entry.verdicts or entry.verdicts[-1].kind is VerdictKind.UNSURE
            ]
        return found

    def entry(self, entry_id: str) -> Entry:
        """Return one entry with all that was said of it.

        Parameters
        ----------
        entry_id : str
            Which.

        Returns
        -------
        Entry
            The entry.

        Raises
        ------
        ConfigError
            If there is none.
        DataError
            If the file cannot be read.
        """
        found = self._read("id = ?", entry_id)
        if not found:
            raise _no_entry(entry_id)
        return found[0]

    def forget(self, users: Collection[Id]) -> int:
        """Erase users' rows, with what was said of them, from every byte of the file.

        Alerts name nobody and stay. Files that were exported before hold what they held, but rows
        of these users no longer enter: a salted hash of each id is kept to know them by. Whoever
        holds the file can try ids against it.

        Parameters
        ----------
        users : collection of int or str
            The users; 5 and "5" are two.

        Returns
        -------
        int
            Rows erased.

        Raises
        ------
        DataError
            If the file cannot be written, or another process still reads the old bytes.
        """
        erased = 0
        with transaction(self._db, self.path) as db:
            for user in map(json.dumps, users):
                erased += db.execute("DELETE FROM entries WHERE user = ?", [user]).rowcount
                db.execute(
                    "INSERT INTO forgotten VALUES (?) ON CONFLICT DO NOTHING", [self._hash(user)]
                )
        # The write-ahead log holds older pages until it is taken in and cut, also those of a
        # forget that was killed here.
        with told(self.path):
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise DataError(
                expected=f"a review queue at {self.path} that nobody reads meanwhile",
                came="another process in the middle of a query",
                do="Run the command again: rows are gone, older bytes of them may not be.",
            )
        return erased

    def _is_forgotten(self, user: str) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM forgotten WHERE user = ?)"
        return bool(self._db.execute(query, [self._hash(user)]).fetchone()[0])

    def _hash(self, user: str) -> bytes:
        salt = self._db.execute("SELECT salt FROM salt").fetchone()[0]
        return hashlib.blake2b(user.encode(), key=salt, digest_size=16).digest()

    def _insert(self, entry_id: str, verdict: Verdict) -> None:
        kept = (entry_id, verdict.kind.value, verdict.who, to_microseconds(verdict.at), verdict.why)
        new = self._db.execute(
            "INSERT INTO verdicts (id, entry, kind, who, at_us, why) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            [verdict.id, *kept],
        ).rowcount
        if new:
            return
        query = "SELECT entry, kind, who, at_us, why FROM verdicts WHERE id = ?"
        if self._db.execute(query, [verdict.id]).fetchone() != kept:
            raise RowError(
                expected=f"verdict {verdict.id} as it is in the queue",
                came="other words under the same id",
                do="Nothing was added; record the new verdict beside the old one.",
            )

    def _read(self, condition: str, value: str | None) -> list[Entry]:
        # One query is one state of the file, whatever is written meanwhile.
        query = (
            "SELECT e.kind, e.score, e.reason, e.entered_us, e.about, "
            "v.id, v.kind, v.who, v.at_us, v.why, e.id FROM "
            f"(SELECT * FROM entries WHERE {condition}) e LEFT JOIN verdicts v ON v.entry = e.id "
            "ORDER BY e.score DESC, e.entered_us, e.id, v.at_us, v.id"
        )
        with told(self.path):
            rows = self._db.execute(query, [value]).fetchall()
        found = []
        for _, lines in groupby(rows, key=lambda row: row[10]):
            said = list(lines)
            kind, score, reason, entered, about = said[0][:5]
            verdicts = [
                Verdict(name, VerdictKind(what), who, from_microseconds(at), why)
                for name, what, who, at, why in (line[5:10] for line in said)
                if name is not None
            ]
            thing = about_from_text(about, kind=kind)
            found.append(Entry(thing, score, reason, from_microseconds(entered), tuple(verdicts)))
        return found


def _no_entry(entry_id: str) -> ConfigError:
    return ConfigError(
        expected="the id of an entry",
        came=repr(entry_id),
        do="`causal-ranker review list` prints them.",
    )
