"""The decision log: records are written by one thread in groups, and acknowledged when they last.

What is promised:

* The future of `append` says True once the records survive the death of the process (kill -9).
  They are brought to the disk (fdatasync) within ``sync_seconds``, so that a loss of power takes no
  more than the last of them; with ``sync_seconds = 0`` True is said only then, and it takes none,
  as far as the disk keeps what it says it has.
* False: they were not written, or it is not known whether they will last. They may still be found
  in the log, never twice.
* `append` neither waits for the disk nor raises. A full disk is counted, told through `logging` at
  most once a minute, and writing goes on by itself when there is room again.
* One process writes a folder; any number may read it meanwhile.

Why segments: `ARCHITECTURE.md`, "The decision log", has what they and SQLite (WAL) took;
``python -m benchmarks serving --part log`` measures it again.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from causal_ranker.errors import ConfigError
from causal_ranker.serving.decisions.alarm import Alarm
from causal_ranker.serving.decisions.appender import Appender
from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.frames import frame
from causal_ranker.serving.decisions.record import Record, encode
from causal_ranker.serving.decisions.segments import (
    FolderLock,
    cut_torn_tail,
    next_boot,
    segments,
)

__all__ = ["DecisionLog", "LogCounts"]


@dataclass(frozen=True)
class LogCounts:
    """What a log did since it was opened.

    Parameters
    ----------
    written : int
        Records acknowledged.
    failed : int
        Records refused, or that could not be written.
    bytes : int
        Bytes of the acknowledged ones.
    pending : int
        Bytes that wait to be written.
    """

    written: int
    failed: int
    bytes: int
    pending: int


@dataclass(frozen=True)
class _Waiting:
    chunk: bytes
    records: int
    future: Future[bool]


class DecisionLog:
    """A durable log of decisions and events in a folder.

    Parameters
    ----------
    folder : str or Path
        The folder, which is created.
    config : LogConfig
        Sizes, ages and syncing.

    Raises
    ------
    ConfigError
        If another process writes the folder, or it cannot be written.
    """

    def __init__(self, folder: str | Path, *, config: LogConfig = LogConfig()) -> None:  # noqa: B008
        self._folder = Path(folder).absolute()
        try:
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                expected=f"a folder for the decision log at {folder}, or a place to create it",
                came=str(error),
                do="Choose another path.",
            ) from error
        self._lock = FolderLock.of_writer(self._folder)
        try:
            for file in segments(self._folder)[-1:]:
                cut_torn_tail(file)
            self._boot = f"{next_boot(self._folder):08x}-{secrets.token_hex(4)}"
        except OSError as error:
            self._lock.release()
            raise ConfigError(
                expected=f"a decision log that can be read and written at {folder}",
                came=str(error),
                do="Check its permissions and the disk.",
            ) from error
        self._appender = Appender(self._folder, self._boot, config=config)
        self._alarm = Alarm(str(self._folder))
        self._limit = config.pending_bytes
        self._changed = threading.Condition()
        self._queue: list[_Waiting] = []
        self._ids = self._written = self._failed = self._bytes = self._pending = 0
        self._closing = self._ended = False
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    def new_id(self) -> str:
        """Return an id for a decision.

        Returns
        -------
        str
            30 characters: the opening of the log, a random part and a count. Ids of one log rise,
            whatever the clock does, and none comes twice, in no log.
        """
        with self._changed:
            self._ids += 1
            return f"{self._boot}-{self._ids:012x}"

    def append(self, records: Sequence[Record]) -> Future[bool]:
        """Write records down.

        Parameters
        ----------
        records : sequence of Decision or EventRecord
            What happened. They are encoded before this returns.

        Returns
        -------
        Future of bool
            True once they are written so that nothing loses them; False if they are not. It
            cannot be cancelled.
        """
        future: Future[bool] = Future()
        future.set_running_or_notify_cancel()
        try:
            chunk = b"".join(frame(encode(record)) for record in records)
        except Exception as error:  # an id of 80 bits, a lone surrogate: never the caller's trouble
            self._refuse(future, len(records), f"a record cannot be encoded ({error})")
            return future
        with self._changed:
            full = self._pending + len(chunk) > self._limit
            if not (full or self._closing or self._ended):
                self._pending += len(chunk)
                self._queue.append(_Waiting(chunk, len(records), future))
                self._changed.notify_all()
                return future
        reason = "it is closed" if self._closing else "its thread has ended"
        self._refuse(future, len(records), "too much waits for the disk" if full else reason)
        return future

    @property
    def alive(self) -> bool:
        """Whether records can be written, as far as the process itself goes; a disk may be full."""
        return not self._ended

    @property
    def counts(self) -> LogCounts:
        """What the log did since it was opened."""
        with self._changed:
            return LogCounts(self._written, self._failed, self._bytes, self._pending)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything appended so far is written or refused.

        Parameters
        ----------
        timeout_s : float
            Seconds to wait at most.

        Returns
        -------
        bool
            Whether it is.
        """
        try:
            self.append([]).result(timeout_s)
        except FutureTimeoutError:
            return False
        return True

    def close(self, timeout_s: float | None = None) -> bool:
        """Write what waits, close the segment and let others write the folder. Twice is fine.

        Parameters
        ----------
        timeout_s : float, optional
            Seconds to wait at most, for a disk that may hang; as long as it takes by default.

        Returns
        -------
        bool
            Whether it is done. If not, nobody else can write the folder until it is.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse(self, future: Future[bool], records: int, reason: str) -> None:
        with self._changed:
            self._failed += records
            self._alarm.ring(records, reason)
        future.set_result(False)

    def _run(self) -> None:
        try:
            self._work()
        finally:  # whatever ended it, nobody waits for a thread that is gone
            with self._changed:
                self._ended = True
                left, self._queue = self._queue, []
                self._pending -= sum(len(each.chunk) for each in left)
            for each in left:
                self._refuse(each.future, each.records, "its thread has ended")
            self._lock.release()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._queue and not self._closing:
                    self._changed.wait(self._appender.wait_s)
                group, self._queue = self._queue, []
                closing = self._closing
            if group:
                self._write(group)
            self._try(self._appender.tend)
            if closing and not group:
                break
        self._try(self._appender.close)

    def _try(self, step: Callable[[], OSError | None]) -> None:
        try:
            failed: Exception | None = step()
        except Exception as error:  # no descriptor is left, or a bug: the thread must outlive it
            failed = error
        if failed is not None:
            with self._changed:
                self._alarm.ring(0, str(failed) or repr(failed))

    def _write(self, group: list[_Waiting]) -> None:
        try:
            done, error = self._appender.write([each.chunk for each in group])
            reason = str(error)
        except Exception as bug:  # the thread must outlive whatever this is
            done, reason = 0, repr(bug)
        lost = sum(each.records for each in group[done:])
        with self._changed:
            self._written += sum(each.records for each in group[:done])
            self._bytes += sum(len(each.chunk) for each in group[:done])
            self._pending -= sum(len(each.chunk) for each in group)
            self._failed += lost
            if lost:
                self._alarm.ring(lost, reason)
        for place, each in enumerate(group):
            each.future.set_result(place < done)
