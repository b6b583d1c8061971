"""The folder of a log: segments by name, who may write, and what a segment holds.

Segments are named ``<boot>-<random>-<number>.log``: a boot is one opening by a writer, and counts
up; the random part keeps apart logs of other folders, and of a folder that was emptied. So names
rise, and none ever comes twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from causal_ranker.errors import ConfigError, DataError
from causal_ranker.serving.decisions.frames import Damage, Frame, frames
from causal_ranker.serving.decisions.record import Record, decode
from causal_ranker.serving.replace import sync_folder

__all__ = [
    "FolderLock",
    "closed_segments",
    "cut_torn_tail",
    "next_boot",
    "read_segment",
    "segments",
]

_NAME: Final = re.compile(r"([0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{6}\.log")
_LOCK: Final = "writer.lock"
_BOOT: Final = "boot"
# A writer who is stopping may hold the lock for an instant more.
_PATIENCE_S: Final = 1.0


class FolderLock:
    """The right to write a folder, held by one process until it is released, or ends.

    Parameters
    ----------
    file : Path
        The lock's file, which stays when it is released.
    what : str
        What is locked, for the message.

    Raises
    ------
    ConfigError
        If somebody else holds it, or the file cannot be made.
    """

    def __init__(self, file: Path, *, what: str) -> None:
        try:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                expected=f"a folder for {what} that can be written",
                came=str(error),
                do="Check the path and its permissions.",
            ) from error
        try:
            self._take(file, what)
        except BaseException:
            os.close(self._descriptor)
            raise
        with contextlib.suppress(OSError):  # a full disk: the lock is held all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def _take(self, file: Path, what: str) -> None:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() < until:
                    time.sleep(0.02)
                    continue
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace") or "?"
            raise ConfigError(
                expected=f"{what} that nobody else writes",
                came=f"{file.parent}, which process {holder} writes",
                do="Stop that process, or give another folder.",
            )

    def release(self) -> None:
        """Give the right back."""
        os.close(self._descriptor)

    @classmethod
    def of_writer(cls, folder: Path) -> FolderLock:
        """Take the right to write a log.

        Parameters
        ----------
        folder : Path
            The log.

        Returns
        -------
        FolderLock
            The lock, held.

        Raises
        ------
        ConfigError
            If another process writes the log.
        """
        return cls(folder / _LOCK, what="a decision log")


def segments(folder: Path) -> list[Path]:
    """List the segments of a log, in the order in which they were written.

    Parameters
    ----------
    folder : Path
        The log.

    Returns
    -------
    list of Path
        Their files.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    try:
        return sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name))
    except OSError as error:
        raise DataError(
            expected=f"the folder of a decision log at {folder}",
            came=error.strerror or str(error),
            do="Give the folder that the service writes its decisions to.",
        ) from None


def closed_segments(folder: Path) -> list[Path]:
    """List the segments that nobody will write to any more.

    Parameters
    ----------
    folder : Path
        The log.

    Returns
    -------
    list of Path
        All of them, or all but the newest while a writer has it open.

    Raises
    ------
    DataError
        If there is no such folder.
    OSError
        If the newest cannot be opened.
    """
    found = segments(folder)  # none is ever opened again, whoever starts in between
    return found[:-1] if found and _is_open(found[-1]) else found


def _is_open(file: Path) -> bool:
    """Say whether a writer has a segment open: it holds a lock on it from the first moment."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # nothing was written to it, and it is gone
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def next_boot(folder: Path) -> int:
    """Count an opening; only the holder of the writer's lock may.

    Parameters
    ----------
    folder : Path
        The log.

    Returns
    -------
    int
        Larger than that of every opening before. On a full disk it is not written down, and the
        next opening counts from the segments that there are.
    """
    boots = [int(file.name[:8], 16) for file in segments(folder)]
    with contextlib.suppress(OSError, ValueError):
        boots.append(int((folder / _BOOT).read_text("ascii")))
    boot = max(boots, default=0) + 1
    fresh = folder / f".{_BOOT}"
    with contextlib.suppress(OSError):
        fresh.write_text(str(boot), "ascii")
        os.replace(fresh, folder / _BOOT)
        sync_folder(folder)
    return boot


def cut_torn_tail(file: Path) -> int:
    """Cut off what a crash left of a record; a record with a checksum that fits always stays.

    Parameters
    ----------
    file : Path
        A segment that nobody writes.

    Returns
    -------
    int
        Bytes that were cut off.
    """
    last = None
    for last in frames(file.read_bytes()):  # noqa: B007
        pass
    if not isinstance(last, Damage):
        return 0
    with file.open("r+b") as handle:
        handle.truncate(last.offset)
        os.fsync(handle.fileno())
    return last.size


def read_segment(file: Path) -> Iterator[tuple[int, Record] | Damage]:
    """Read a segment, which may be being written.

    Parameters
    ----------
    file : Path
        The segment.

    Yields
    ------
    tuple of int and record, or Damage
        Each record with its offset; what cannot be read, and then the rest.
    """
    for found in frames(file.read_bytes()):
        if isinstance(found, Frame):
            try:
                yield found.offset, decode(found.content)
            except msgspec.DecodeError:
                yield Damage(found.offset, len(found.content), tail=False)
        else:
            yield found
