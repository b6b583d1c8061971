"""Bytes to segments: rotation, syncing, and a disk that is full.

Used by one thread. What could not be written whole is cut off again, so that a segment ends with a
whole record whatever happens. Syncing that nobody waits for runs beside, so that the next records
don't wait for the disk either.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.frames import MAGIC
from causal_ranker.serving.replace import sync_folder

__all__ = ["Appender"]

# After these a segment is good for more as soon as there is room; after others it is left.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Appender:
    """Appends to the newest segment of a log.

    Parameters
    ----------
    folder : Path
        The log, whose lock is held.
    prefix : str
        Boot and random part of the names of segments.
    config : LogConfig
        Sizes, ages and syncing.
    """

    def __init__(self, folder: Path, prefix: str, *, config: LogConfig) -> None:
        self._folder, self._prefix, self._config = folder, prefix, config
        self._number = 0
        self._file: Path | None = None
        self._descriptor = -1
        self._size = 0
        self._opened = self._synced = time.monotonic()
        self._dirty = False
        self._syncs: list[Future[None]] = []
        self._due: SimpleQueue[tuple[int, Future[None]] | None] = SimpleQueue()
        # A pool's threads would be waited for at the end of the process, however long a disk hangs.
        self._beside = Thread(
            target=_sync_each, args=(self._due,), name="decision-log-sync", daemon=True
        )
        self._beside.start()

    def write(self, chunks: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Append chunks, each whole or not at all.

        Parameters
        ----------
        chunks : sequence of bytes
            Frames.

        Returns
        -------
        written : int
            How many of the chunks are written (and synced, if every write is), from the first on.
        error : OSError or None
            Why it is not all of them.
        """
        if not any(chunks):
            return len(chunks), None
        try:
            self._open()
        except OSError as error:
            return 0, error
        data = b"".join(chunks)
        done, failed = 0, None
        try:
            while done < len(data):
                done += os.write(self._descriptor, memoryview(data)[done:])
        except OSError as error:
            failed = error
        whole, count = _whole(chunks, done)
        self._dirty = True
        self._size += whole
        if done > whole:
            self._cut()
        if count and not self._config.sync_seconds:
            try:
                os.fdatasync(self._descriptor)
                self._dirty = False
            except OSError as error:
                # Whether the records will be there after a loss of power is not known, nor whether
                # a second try would say so.
                count, failed = 0, error
        if failed is not None and failed.errno not in _FULL:
            self._leave()
        return count, failed

    def tend(self) -> OSError | None:
        """Sync or close the segment if it is time to.

        Returns
        -------
        OSError or None
            What failed in syncing beside since the last time.

        Raises
        ------
        OSError
            If the segment cannot be synced or closed now; it is not tried again.
        """
        now = time.monotonic()
        if self._dirty and now - self._synced >= self._config.sync_seconds:
            self._synced = now
            self._sync_beside()
        old = now - self._opened >= self._config.segment_seconds
        if self._descriptor >= 0 and (old or self._size >= self._config.segment_bytes):
            self._leave()
        failed = None
        for sync in [each for each in self._syncs if each.done()]:
            self._syncs.remove(sync)
            failed = _failure(sync) or failed
        return failed

    @property
    def wait_s(self) -> float | None:
        """Seconds until there is something to tend to; None: only once there is something new."""
        now, due = time.monotonic(), []
        if self._dirty:
            due.append(self._synced + self._config.sync_seconds - now)
        if self._descriptor >= 0:
            due.append(self._opened + self._config.segment_seconds - now)
        return max(0.0, min(due)) if due else None

    def close(self) -> OSError | None:
        """Close the segment and wait until everything is on the disk.

        Returns
        -------
        OSError or None
            What failed in syncing.

        Raises
        ------
        OSError
            If the segment cannot be synced or closed now.
        """
        try:
            self._leave()
        finally:
            self._due.put(None)
            self._beside.join()
        return self.tend()

    def _open(self) -> None:
        if self._descriptor >= 0:
            return
        name = f"{self._prefix}-{self._number:06x}.log"
        self._file = self._folder / f".{name}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._number += 1  # a name is never tried twice
        self._descriptor = os.open(self._file, flags, 0o600)
        self._size = len(MAGIC)
        try:
            # Readers see the segment only once the lock is held that says that it is open.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(self._descriptor, MAGIC) < len(MAGIC):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.rename(self._file, self._folder / name)
            self._file = self._folder / name
            sync_folder(self._folder)
        except OSError:
            self._leave()
            raise
        self._opened = self._synced = time.monotonic()
        self._dirty = True

    def _leave(self) -> None:
        if self._descriptor < 0:
            return
        try:
            if self._dirty:
                self._sync_beside()
        finally:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
        if self._size <= len(MAGIC) and self._file is not None:
            self._file.unlink(missing_ok=True)  # nothing was ever written to it

    def _sync_beside(self) -> None:
        self._dirty = False
        try:
            copy = os.dup(self._descriptor)
        except OSError:  # no descriptor is left: the next records wait this once
            os.fdatasync(self._descriptor)
            return
        sync: Future[None] = Future()
        self._syncs.append(sync)
        self._due.put((copy, sync))

    def _cut(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            # Readers pass over what is no whole record; what follows goes elsewhere.
            self._size = self._config.segment_bytes


def _whole(chunks: Sequence[bytes], done: int) -> tuple[int, int]:
    """Return the bytes of the chunks that were written whole, and how many those are."""
    size = count = 0
    for chunk in chunks:
        if size + len(chunk) > done:
            break
        size += len(chunk)
        count += 1
    return size, count


def _sync_each(due: SimpleQueue[tuple[int, Future[None]] | None]) -> None:
    while (each := due.get()) is not None:
        descriptor, sync = each
        try:
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except Exception as error:
            sync.set_exception(error)
        else:
            sync.set_result(None)


def _failure(sync: Future[None]) -> OSError | None:
    error = sync.exception()
    return error if isinstance(error, OSError) else None
