"""Threads whose calls can be left behind: whoever waits gets an answer in time, or none."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, Generic, Literal, TypeVar

__all__ = ["CallLateError", "QueueFullError", "Workers"]

T = TypeVar("T")

#: A call that waited for more of its time than this is not begun. Behind one that hangs many wait:
#: each would be begun for a moment, left behind, and taken for one that hangs as well.
_LAST_START: Final = 0.9
_WEIGHT: Final = 0.1


class CallLateError(Exception):
    """The call did not return in time.

    Parameters
    ----------
    started : bool
        Whether it had begun; False where it waited for a thread all the time.
    """

    def __init__(self, *, started: bool) -> None:
        self.started = started
        super().__init__("hung" if started else "waited for a thread")


class QueueFullError(Exception):
    """Too many calls wait already, or no thread is left to run one."""


class _Thread:
    """A thread's standing: at work, left behind, or stuck with nobody in its place."""

    def __init__(self) -> None:
        self.standing: Literal["working", "abandoned", "stuck"] = "working"


class _Job(Generic[T]):
    def __init__(
        self, call: Callable[[], T], loop: asyncio.AbstractEventLoop, *, begin_by: float
    ) -> None:
        self.call: Callable[[], T] | None = call
        self.loop = loop
        self.begin_by = begin_by
        self.future: asyncio.Future[T] = loop.create_future()
        self.thread: _Thread | None = None
        self.over = False

    def settle(self, found: Any, error: Exception | None) -> None:
        with suppress(RuntimeError):  # the loop has closed; nobody waits any more
            self.loop.call_soon_threadsafe(self._settle, found, error)

    def _settle(self, found: Any, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(found)
        else:
            self.future.set_exception(error)


class Workers:
    """A few threads that run calls one after the other.

    A call that is late is given up: if it had not begun it never will; if it had, its thread is
    left behind and another takes its place. Python cannot stop a thread, so that there is a bound
    on how many are left behind; at the bound no other takes the place, until one comes back.

    Parameters
    ----------
    threads : int
        Calls at a time.
    queue : int
        Calls that may wait.
    abandoned : int
        Threads that may be left behind.
    name : str
        What the threads are called.
    """

    def __init__(self, *, threads: int, queue: int, abandoned: int, name: str) -> None:
        self._threads, self._queue, self._most, self._name = threads, queue, abandoned, name
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = self._abandoned = self._stuck = self._working = 0
        self._takes_s = 0.0
        self._closed = False
        for _ in range(threads):
            self._hire()

    @property
    def waiting(self) -> int:
        """Calls that wait for a thread."""
        return self._waiting

    @property
    def abandoned(self) -> int:
        """Threads whose calls were given up and have not returned."""
        return self._abandoned + self._stuck

    @property
    def exhausted(self) -> bool:
        """Whether no thread is left that could begin a call, and none is to be started."""
        return not self._working and (self._closed or self._stuck >= self._threads)

    async def run(self, call: Callable[[], T], *, within: float) -> T:
        """Run a call in a thread.

        Parameters
        ----------
        call : callable
            What to run.
        within : float
            Seconds to wait for it.

        Returns
        -------
        object
            What it returned.

        Raises
        ------
        CallLateError
            If it did not return in time.
        QueueFullError
            If it cannot be waited for at all, or would wait in vain: as many are before it, and as
            long as they take.
        Exception
            What the call raised.
        """
        job = self._submit(call, within=within)
        timer = job.loop.call_later(max(within, 0.0), self._give_up, job)
        try:
            return await job.future
        finally:
            if job.over:  # else whoever asked went away, and the call may hang all the same
                timer.cancel()

    def close(self) -> None:
        """Let the threads go home after the calls that wait now."""
        with self._lock:
            self._closed = True
            threads = self._working + self._stuck
        for _ in range(threads):
            self._jobs.put(None)

    def _submit(self, call: Callable[[], T], *, within: float) -> _Job[T]:
        if self._working + self._stuck < self._threads and not self._closed:
            self._hire()  # the system had no thread to give before
        # What is left of its time when it begins has to be enough for it.
        last_start = within - max((1 - _LAST_START) * within, min(self._takes_s, within / 2))
        with self._lock:
            if self._closed or not self._working or self._waiting >= self._queue:
                raise QueueFullError
            if self._waiting * self._takes_s / self._working > last_start:
                raise QueueFullError  # it would wait in vain
            self._waiting += 1
        begin_by = time.monotonic() + last_start
        job = _Job(call, asyncio.get_running_loop(), begin_by=begin_by)
        self._jobs.put(job)
        return job

    def _give_up(self, job: _Job[Any]) -> None:
        replace = False
        with self._lock:
            if job.over:
                return  # it has just returned; what it says is on its way
            job.over = True
            job.call = None
            thread = job.thread
            if thread is None:
                self._waiting -= 1
            else:
                self._working -= 1
                if self._abandoned < self._most:
                    thread.standing = "abandoned"
                    self._abandoned += 1
                    replace = True
                else:
                    thread.standing = "stuck"
                    self._stuck += 1
        if replace:
            self._hire()
        if not job.future.done():
            job.future.set_exception(CallLateError(started=thread is not None))

    def _hire(self) -> None:
        thread = _Thread()
        with self._lock:
            self._working += 1
        try:
            # A daemon: a call that never returns must not keep the process from its end.
            threading.Thread(
                target=self._work, args=(thread,), name=self._name, daemon=True
            ).start()
        except RuntimeError:  # the system has no thread to give
            with self._lock:
                self._working -= 1

    def _work(self, thread: _Thread) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                with self._lock:
                    self._working -= 1
                return
            with self._lock:
                if job.over or time.monotonic() >= job.begin_by:
                    continue  # given up while it waited, or about to be
                self._waiting -= 1
                job.thread = thread
                call, job.call = job.call, None
            began = time.monotonic()
            found: Any = None
            error: Exception | None = None
            try:
                assert call is not None
                found = call()
            except BaseException as raised:  # a model may raise anything
                error = _carried(raised)
            with self._lock:
                late, job.over = job.over, True
                if not late:  # a moving average; of calls that hang it would shed all others
                    self._takes_s += _WEIGHT * (time.monotonic() - began - self._takes_s)
                standing = thread.standing
                if standing == "abandoned":
                    self._abandoned -= 1
                elif standing == "stuck":
                    self._stuck -= 1
                    self._working += 1
                    thread.standing = "working"
            if not late:
                job.settle(found, error)
            job = call = found = error = None  # the thread keeps nothing alive while it waits
            if standing == "abandoned":
                return


def _carried(raised: BaseException) -> Exception:
    """Return an error that a future can carry and that ends no event loop."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    return RuntimeError(repr(raised))
