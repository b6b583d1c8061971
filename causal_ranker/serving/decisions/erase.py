"""Take a user out of a log's segments and out of compacted tables."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, DataError
from causal_ranker.serving.decisions.frames import MAGIC, Damage, frame
from causal_ranker.serving.decisions.index import CompactionIndex, is_compacted
from causal_ranker.serving.decisions.parts import Parts
from causal_ranker.serving.decisions.record import (
    Decision,
    EventRecord,
    Record,
    ShadowRecord,
    encode,
    id_text,
)
from causal_ranker.serving.decisions.segments import (
    FolderLock,
    closed_segments,
    read_segment,
    segments,
)
from causal_ranker.serving.replace import sync_folder, write_synced

__all__ = ["Erased", "decisions_of", "erase_from_compacted", "erase_from_log"]

Id = int | str

_LOOK_S: Final = 0.1
_TABLES: Final = (
    "impressions",
    "plays",
    "candidates",
    "candidates_without_propensity",
    "aside",
    "shadow",
)
_WHAT: Final[dict[type, str]] = {
    Decision: "decisions",
    EventRecord: "events",
    ShadowRecord: "lists of a shadow",
}


@dataclass(eq=False)
class Erased:
    """What was taken out of a folder.

    Attributes
    ----------
    rows : Counter of str
        Records or rows, by what they were.
    files : list of str
        Files that were written anew.
    decisions : set of str
        The users' decisions, as far as the log knows them.
    unreadable : int
        Bytes that could not be read, and were taken out with the rest: they may have been the
        user's.
    """

    rows: Counter[str] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)
    decisions: set[str] = field(default_factory=set)
    unreadable: int = 0


def erase_from_log(
    folder: Path, users: Collection[Id], *, also: Collection[str] = (), wait_s: float = 0.0
) -> Erased:
    """Write every segment that speaks of some users anew, without them.

    What is taken out: their decisions, their events, and events of others' against their decisions.
    What of a segment cannot be read is taken out, too. While a service writes the log, the segment
    that it writes cannot be touched: it is waited for until it is closed.

    Parameters
    ----------
    folder : Path
        The log.
    users : collection of int or str
        The users.
    also : collection of str
        Further decisions of theirs, whose records may be gone.
    wait_s : float
        Seconds to wait at most for a segment that is being written.

    Returns
    -------
    Erased
        What was taken out.

    Raises
    ------
    ConfigError
        If a segment is being written for longer.
    DataError
        If there is no such log.
    OSError
        If a segment cannot be read or written; each is the old one or the new one.
    """
    with _closed(folder, wait_s) as files:
        erased = Erased(decisions=set(also))
        touched: set[Path] = set()
        for file in files:
            for found in read_segment(file):
                if isinstance(found, Damage):
                    touched.add(file)
                elif isinstance(found[1], Decision) and found[1].user_id in users:
                    erased.decisions.add(found[1].decision_id)
                    touched.add(file)
                elif _speaks_of(found[1], users, erased.decisions):
                    touched.add(file)
        for file in sorted(touched):
            _rewrite(file, users, erased)
    return erased


def _speaks_of(record: Record, users: Collection[Id], decisions: Collection[str]) -> bool:
    return record.user_id in users or record.decision_id in decisions


def _rewrite(file: Path, users: Collection[Id], erased: Erased) -> None:
    kept = [MAGIC]
    for found in read_segment(file):
        if isinstance(found, Damage):
            erased.unreadable += found.size
        elif _speaks_of(found[1], users, erased.decisions):
            erased.rows[_WHAT[type(found[1])]] += 1
        else:
            kept.append(frame(encode(found[1])))
    fresh = file.with_name(f".{file.name}")
    fresh.unlink(missing_ok=True)  # of a run that was interrupted
    write_synced(fresh, b"".join(kept), mode=0o600)
    os.replace(fresh, file)
    sync_folder(file.parent)
    erased.files.append(file.name)


@contextlib.contextmanager
def _closed(folder: Path, wait_s: float) -> Iterator[list[Path]]:
    """Wait until what there is now is written by nobody, and keep writers out if there are none."""
    newest = segments(folder)[-1:]
    until = time.monotonic() + wait_s
    while True:
        try:
            lock = FolderLock.of_writer(folder)
        except ConfigError:
            lock = None
        files = segments(folder) if lock else closed_segments(folder)
        if lock or set(newest) <= set(files):
            break
        if time.monotonic() > until:
            raise ConfigError(
                expected=f"segments that nobody writes in {folder}",
                came=f"{newest[0].name}, which a service is writing",
                do="Wait until it closes the segment (--wait SECONDS; segment_seconds in the "
                "service's settings of its log says how long that takes), or stop the service.",
            )
        time.sleep(_LOOK_S)
    try:
        yield files
    finally:
        if lock:
            lock.release()


def decisions_of(folder: Path, users: Collection[Id]) -> list[str]:
    """List the decisions of some users that are in compacted tables.

    Parameters
    ----------
    folder : Path
        What `causal_ranker.serving.decisions.compact.compact` wrote.
    users : collection of int or str
        The users.

    Returns
    -------
    list of str
        Ids.

    Raises
    ------
    ConfigError
        If another process works on the folder.
    DataError
        If it holds no compacted log.
    """
    with _index(folder) as index:
        return [each for user in users for each in index.decisions_of(user)]


def _index(folder: Path) -> CompactionIndex:
    if not is_compacted(folder):
        raise DataError(
            expected=f"a folder of compacted tables at {folder}",
            came="one without an index" if folder.is_dir() else "no such folder",
            do="Give the folder that decisions were compacted into, or leave it out.",
        )
    return CompactionIndex(folder)


def erase_from_compacted(
    folder: Path, users: Collection[Id], *, also: Collection[str] = ()
) -> Erased:
    """Write every file of compacted tables that speaks of some users anew, without them.

    All files change in one step, with the folder's index. The log comes first, or what is still in
    it could be compacted again.

    Parameters
    ----------
    folder : Path
        What `causal_ranker.serving.decisions.compact.compact` wrote.
    users : collection of int or str
        The users.
    also : collection of str
        Further decisions of theirs, which are only in a log, while events wait for them here.

    Returns
    -------
    Erased
        What was taken out.

    Raises
    ------
    ConfigError
        If another process works on the folder.
    DataError
        If it holds no compacted log.
    OSError
        If a file cannot be read or written; nothing has changed then.
    """
    erased = Erased()
    with _index(folder) as index:
        index.begin()
        try:
            decisions = {*also, *(each for user in users for each in index.decisions_of(user))}
            replaced: list[str] = []
            with Parts(index) as parts:
                for table in _TABLES:
                    for name in index.files(table):
                        replaced += _without(table, name, users, decisions, parts, erased)
            index.take_waiting(decisions)
            for user in users:
                index.erase(user)
            index.commit(segment=None, files=parts.names, replaced=replaced)
        except BaseException:
            index.rollback()
            raise
    return erased


def _without(
    table: str,
    name: str,
    users: Collection[Id],
    decisions: Collection[str],
    parts: Parts,
    erased: Erased,
) -> list[str]:
    """Write a file anew if it speaks of the users; returns it if so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    segment = name.removeprefix(f"{table}/").split(".")[0]
    found = parts.read(table, segment)
    assert found is not None
    rows = found[1]
    if table in {"aside", "shadow"}:
        theirs = pc.or_kleene(
            pc.is_in(rows[C.USER], pa.array([id_text(user) for user in users], pa.string())),
            pc.is_in(rows["decision_id"], pa.array(sorted(decisions), pa.string())),
        )
    else:
        kind = rows[C.USER].type
        whole = pa.types.is_integer(kind)
        named: list[Id] = [str(user) for user in users]
        if whole:
            named = [u for u in users if isinstance(u, int) and -(2**63) <= u < 2**63]
        theirs = pc.is_in(rows[C.USER], pa.array(named, kind))
    count = pc.sum(theirs).as_py() or 0
    if not count:
        return []
    erased.rows[table] += count
    erased.files.append(name)
    parts.write(table, segment, rows.filter(pc.invert(theirs)))
    return [name]
