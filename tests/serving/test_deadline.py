"""Calls that are late are left behind, and the next one finds a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from causal_ranker.serving.deadline import CallLateError, QueueFullError, Workers
from tests.serving.fakes import until


def workers(*, threads: int = 1, queue: int = 4, abandoned: int = 2) -> Workers:
    return Workers(threads=threads, queue=queue, abandoned=abandoned, name="test")


def test_what_a_call_returns_or_raises_comes_home() -> None:
    def stop() -> None:
        raise StopIteration

    def leave() -> None:
        raise SystemExit(3)

    async def run() -> None:
        some = workers()
        assert await some.run(lambda: 7, within=5) == 7
        with pytest.raises(ZeroDivisionError):
            await some.run(lambda: 1 / 0, within=5)
        for odd in (stop, leave):  # no future can carry the one, the other would end the loop
            with pytest.raises(RuntimeError, match=r"StopIteration|SystemExit"):
                await some.run(odd, within=5)
        assert await some.run(threading.get_ident, within=5) != threading.get_ident()
        some.close()

    asyncio.run(run())


def test_a_call_that_hangs_is_left_behind_and_comes_back_alone() -> None:
    async def run() -> None:
        release = threading.Event()
        some = workers()
        began = time.monotonic()
        with pytest.raises(CallLateError) as caught:
            await some.run(release.wait, within=0.15)
        assert caught.value.started
        assert time.monotonic() - began < 2
        assert some.abandoned == 1
        assert await some.run(lambda: "next", within=5) == "next"
        release.set()
        await until(lambda: some.abandoned == 0)
        assert await some.run(lambda: "again", within=5) == "again"
        some.close()

    asyncio.run(run())


def test_beyond_the_bound_nobody_takes_the_place_until_one_returns() -> None:
    async def run() -> None:
        release = threading.Event()
        some = workers(abandoned=2)
        for _ in range(3):
            assert not some.exhausted
            with pytest.raises(CallLateError):
                await some.run(release.wait, within=0.15)
        assert some.exhausted
        assert some.abandoned == 3
        before = threading.active_count()
        with pytest.raises(QueueFullError):
            await some.run(lambda: 1, within=1)
        assert threading.active_count() == before
        release.set()
        await until(lambda: not some.exhausted and some.abandoned == 0)
        assert await some.run(lambda: 1, within=5) == 1
        some.close()

    asyncio.run(run())


def test_a_call_that_waited_too_long_never_begins() -> None:
    async def run() -> None:
        release, ran = threading.Event(), []
        some = workers(queue=2)
        first = asyncio.create_task(some.run(release.wait, within=5))
        await until(lambda: some.waiting == 0)
        await asyncio.sleep(0)
        with pytest.raises(CallLateError) as caught:
            await some.run(lambda: ran.append(1), within=0.01)
        assert not caught.value.started
        assert some.waiting == 0
        release.set()
        assert await first
        assert await some.run(lambda: "next", within=5) == "next"
        assert ran == []
        assert some.waiting == 0
        assert some.abandoned == 0
        some.close()

    asyncio.run(run())


def test_those_who_wait_behind_one_that_hangs_do_not_hang_as_well() -> None:
    async def run() -> None:
        release = threading.Event()
        some = workers(queue=20, abandoned=2)
        calls = [some.run(release.wait, within=0.3) for _ in range(20)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [each.started for each in found if isinstance(each, CallLateError)] == [
            True,
            *[False] * 19,
        ]
        assert some.abandoned == 1
        release.set()
        some.close()

    asyncio.run(run())


def test_the_queue_is_bounded() -> None:
    async def run() -> None:
        release = threading.Event()
        some = workers(queue=2)
        tasks = [asyncio.create_task(some.run(release.wait, within=5))]
        await asyncio.sleep(0)
        await until(lambda: some.waiting == 0)
        tasks += [asyncio.create_task(some.run(lambda: True, within=5)) for _ in range(2)]
        await asyncio.sleep(0)
        assert some.waiting == 2
        with pytest.raises(QueueFullError):
            await some.run(lambda: True, within=5)
        release.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        some.close()

    asyncio.run(run())


def test_who_would_wait_in_vain_is_sent_away_at_once() -> None:
    async def run() -> None:
        some = workers(queue=50)
        for _ in range(40):  # until it knows how long a call takes
            await some.run(lambda: time.sleep(0.01), within=5)
        calls = [some.run(lambda: time.sleep(0.01), within=0.1) for _ in range(40)]
        waits = [asyncio.create_task(each) for each in calls]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        away = [each for each in waits if each.done()]
        assert 28 <= len(away) <= 39  # 9 of 10 ms fit, fewer where the machine is busy
        assert all(isinstance(each.exception(), QueueFullError) for each in away)
        await asyncio.gather(*waits, return_exceptions=True)
        # and one alone is always let in, so that the average can fall again
        assert await some.run(lambda: "in", within=5) == "in"
        some.close()

    asyncio.run(run())


def test_a_caller_who_goes_away_leaves_no_thread_hanging_for_ever() -> None:
    async def run() -> None:
        release = threading.Event()
        some = workers()
        task = asyncio.create_task(some.run(release.wait, within=0.05))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert some.abandoned == 0
        await until(lambda: some.abandoned == 1)  # the deadline holds all the same
        assert await some.run(lambda: 1, within=5) == 1
        release.set()
        some.close()

    asyncio.run(run())


@pytest.mark.parametrize("hang", [False, True])
def test_threads_go_home_when_closed(hang: bool) -> None:
    async def run() -> None:
        release = threading.Event()
        some = Workers(threads=2, queue=4, abandoned=1, name="closing")
        call: Callable[[], object] = release.wait if hang else lambda: 1
        waits = [asyncio.create_task(some.run(call, within=0.02)) for _ in range(3)]
        await asyncio.gather(*waits, return_exceptions=True)
        some.close()
        release.set()
        await until(lambda: not any(t.name == "closing" for t in threading.enumerate()))
        with pytest.raises(QueueFullError):
            await some.run(lambda: 1, within=1)

    asyncio.run(run())


def test_a_thread_that_cannot_start_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def run() -> None:
        release = threading.Event()
        some = workers(abandoned=2)
        with monkeypatch.context() as full:
            full.setattr(threading.Thread, "start", none_left)
            with pytest.raises(CallLateError):
                await some.run(release.wait, within=0.05)
            with pytest.raises(QueueFullError):
                await some.run(lambda: 1, within=5)
        release.set()
        await until(lambda: some.abandoned == 0)  # it goes home, and nobody took its place
        assert not some.exhausted
        assert await some.run(lambda: 1, within=5) == 1
        some.close()
        assert some.waiting == 0

    asyncio.run(run())
