"""The log while it is written: acknowledgements, one writer, full disks, clocks, restarts."""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.errors import ConfigError, DataError
from causal_ranker.serving.decisions import alarm, appender
from causal_ranker.serving.decisions import segments as segments_module
from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.frames import Damage
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import Decision, EventRecord, Record
from causal_ranker.serving.decisions.segments import closed_segments, read_segment, segments
from tests.serving.decisions.making import decision, play

ROOT = Path(__file__).parents[3]


def event(number: int) -> EventRecord:
    return play(number, 1_000 + number, user_id=1, play_id=number)


def read(folder: Path) -> list[Record]:
    found = []
    for file in segments(folder):
        for each in read_segment(file):
            assert not isinstance(each, Damage)
            found.append(each[1])
    return found


@pytest.mark.parametrize("sync_seconds", [0.0, 1.0])
def test_what_is_acknowledged_is_there(tmp_path: Path, sync_seconds: float) -> None:
    records = [decision("a"), event(1), decision("b", user="ü", moment={"hour": 3.0})]
    with DecisionLog(tmp_path, config=LogConfig(sync_seconds=sync_seconds)) as log:
        for record in records:
            assert log.append([record]).result(10)
            assert read(tmp_path)[-1] == record  # while it is being written
        assert log.append(records).result(10)
        assert log.flush(10)
        counts = log.counts
    assert read(tmp_path) == [*records, *records]
    assert (counts.written, counts.failed, counts.pending) == (6, 0, 0)
    assert counts.bytes == segments(tmp_path)[0].stat().st_size - 8
    assert not log.append(records).result(10), "it is closed"
    log.close()


def test_segments_rotate_by_size_and_by_age_and_never_change_again(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, config=LogConfig(segment_bytes=2000)) as log:
        for number in range(60):
            assert log.append([event(number)]).result(10)
        by_size = {file: file.read_bytes() for file in segments(tmp_path)}
        assert len(by_size) > 3
        assert closed_segments(tmp_path) == sorted(by_size)[:-1]
    assert closed_segments(tmp_path) == segments(tmp_path)
    with DecisionLog(tmp_path, config=LogConfig(segment_seconds=0.2)) as log:
        assert log.append([event(100)]).result(10)
        aged = segments(tmp_path)[-1]
        time.sleep(0.5)  # nothing is written, and it is closed all the same
        assert log.append([event(101)]).result(10)
        assert segments(tmp_path)[-1] > aged
        assert [found[1] for found in read_segment(aged)] == [event(100)]  # type: ignore[index]
    assert {file: file.read_bytes() for file in by_size} == by_size
    assert read(tmp_path) == [event(number) for number in [*range(60), 100, 101]]


def test_a_segment_of_a_writer_who_starts_just_now_is_not_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DecisionLog(tmp_path) as log:
        assert log.append([event(0)]).result(10)
    started = []

    is_open = segments_module._is_open

    def start(file: Path) -> bool:
        log = DecisionLog(tmp_path)
        assert log.append([event(1)]).result(10)
        started.append(log)
        return is_open(file)

    monkeypatch.setattr(segments_module, "_is_open", start)
    found = closed_segments(tmp_path)
    monkeypatch.undo()
    assert found == segments(tmp_path)[:-1]
    assert closed_segments(tmp_path) == found
    assert segments(tmp_path)[-1] not in found
    started[0].close()


def test_one_writer_and_a_clear_word_for_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DecisionLog(tmp_path) as log:
        with pytest.raises(ConfigError, match=rf"process {os.getpid()} writes"):
            DecisionLog(tmp_path)
        assert log.append([event(1)]).result(10)
    DecisionLog(tmp_path).close()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="place to create"):
        DecisionLog(tmp_path / "file")
    with pytest.raises(DataError, match="folder of a decision log"):
        segments(tmp_path / "nowhere")


def test_ids_rise_over_restarts_and_clocks_that_jump_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for now in (2e9, 1e9, 1.5e9):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        with DecisionLog(tmp_path) as log:
            ids += [log.new_id() for _ in range(3)]
    for file in tmp_path.glob("*.log"):
        file.unlink()
    with DecisionLog(tmp_path) as log:
        ids.append(log.new_id())
    assert ids == sorted(set(ids))
    assert all(len(name) <= 64 for name in ids)
    with DecisionLog(tmp_path / "other") as log:
        assert log.new_id()[9:17] != ids[0][9:17], "no id of another log"


@pytest.mark.parametrize("bad", [{"user_id": 10**30}, {"surface": "\ud800"}])
def test_a_record_that_cannot_be_written_is_refused_and_counted(
    tmp_path: Path, bad: dict[str, Any]
) -> None:
    with DecisionLog(tmp_path) as log:
        assert not log.append([decision("a"), decision("b", **bad)]).result(10)
        assert log.append([event(1)]).result(10)
        assert (log.counts.written, log.counts.failed) == (1, 2)
    assert read(tmp_path) == [event(1)]


class Disk:
    """Takes so many bytes, and fails then as a full disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        self.room: int | None = None
        self.code = code
        self._write = os.write
        monkeypatch.setattr(appender.os, "write", self.write)

    def write(self, descriptor: int, data: Any) -> int:
        if self.room is None:
            return self._write(descriptor, data)
        if not self.room:
            raise OSError(self.code, os.strerror(self.code))
        done = self._write(descriptor, bytes(data)[: self.room])
        self.room -= done
        return done


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("sync_seconds", [0.0, 1.0])
def test_a_full_disk_is_counted_and_told_and_gone_on_from(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
    sync_seconds: float,
) -> None:
    now = [0.0]
    monkeypatch.setattr(alarm.time, "monotonic", lambda: now[0])
    disk = Disk(monkeypatch, code)
    with DecisionLog(tmp_path, config=LogConfig(sync_seconds=sync_seconds)) as log:
        assert log.append([event(0)]).result(10)
        for room in (70, 1, 0, 0):  # a part of a record, a byte of one, nothing
            disk.room = room
            assert not log.append([event(1)]).result(10)
            assert read(tmp_path) == [event(0)], "what was written of it is cut off"
        disk.room = None
        assert log.append([event(2)]).result(10)
        assert read(tmp_path) == [event(0), event(2)]
        assert (log.counts.written, log.counts.failed) == (2, 4)
    alarms = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(alarms) == 1, "once a minute"
    assert os.strerror(code) in alarms[0].getMessage()
    assert len(segments(tmp_path)) == (1 if code == errno.ENOSPC else 2)


def test_the_alarm_rings_again_after_a_minute_and_says_how_many(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [5.0]
    monkeypatch.setattr(alarm.time, "monotonic", lambda: now[0])
    bell = alarm.Alarm("here")
    for moment in (5.0, 6.0, 64.0, 66.0, 100.0):
        now[0] = moment
        bell.ring(2, "full")
    assert [each.args[1] for each in caplog.records] == [2, 6]  # type: ignore[index]


def test_a_group_that_half_fits_is_half_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, errno.ENOSPC)
    with DecisionLog(tmp_path) as log:
        assert log.append([event(0)]).result(10)
        size = segments(tmp_path)[0].stat().st_size - 8
        with log._changed:  # so that they are one group
            disk.room = size * 2 + 5
            futures = [log.append([event(number)]) for number in (1, 2, 3)]
        assert [future.result(10) for future in futures] == [True, True, False]
    assert read(tmp_path) == [event(0), event(1), event(2)]


def test_too_much_that_waits_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    write = os.write

    def slow(descriptor: int, data: Any) -> int:
        assert go.wait(20)
        return write(descriptor, data)

    with DecisionLog(tmp_path, config=LogConfig(pending_bytes=1000)) as log:
        monkeypatch.setattr(appender.os, "write", slow)
        futures = [log.append([event(number)]) for number in range(50)]
        refused = [future for future in futures if future.done()]
        assert 30 < len(refused) < 50
        assert not any(future.result() for future in refused)
        assert log.counts.pending <= 1000
        assert not log.flush(0.01)
        go.set()
        assert all(future.result(10) for future in futures if future not in refused)
        assert log.counts.failed == len(refused)
    assert len(read(tmp_path)) == 50 - len(refused)


def test_no_file_descriptor_left_costs_nothing_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none_left(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    synced: list[int] = []
    fdatasync = os.fdatasync
    monkeypatch.setattr(appender.os, "fdatasync", lambda fd: (synced.append(fd), fdatasync(fd))[1])
    with DecisionLog(tmp_path, config=LogConfig(sync_seconds=0.05, segment_seconds=0.3)) as log:
        assert log.append([event(0)]).result(10)
        monkeypatch.setattr(appender.os, "dup", none_left)
        assert log.append([event(1)]).result(10)
        time.sleep(0.2)
        assert synced, "in place"
        opening = os.open
        monkeypatch.setattr(appender.os, "open", none_left)
        time.sleep(0.3)  # the segment is old, and no other can be opened
        assert not log.append([event(2)]).result(10)
        monkeypatch.setattr(appender.os, "open", opening)
        assert log.append([event(3)]).result(10)
        assert log.alive
        assert (log.counts.written, log.counts.failed) == (3, 1)
    assert os.strerror(errno.EMFILE) in caplog.text
    assert read(tmp_path) == [event(0), event(1), event(3)]


def test_a_disk_that_fails_while_syncing_in_place_is_told_and_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(descriptor: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with DecisionLog(tmp_path, config=LogConfig(sync_seconds=0.01)) as log:
        monkeypatch.setattr(appender.os, "dup", fail)
        monkeypatch.setattr(appender.os, "fdatasync", fail)
        assert log.append([event(0)]).result(10)
        time.sleep(0.1)
        assert log.append([event(1)]).result(10)
    assert os.strerror(errno.EIO) in caplog.text
    log = DecisionLog(tmp_path)  # the lock was given back all the same
    log.close()
    assert read(tmp_path) == [event(0), event(1)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_refuses_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end() -> None:
        raise SystemError("not an Exception that anybody foresaw")

    with DecisionLog(tmp_path) as log:
        monkeypatch.setattr(log, "_try", lambda step: end())
        log.append([event(0)]).result(10)
        log._thread.join(10)
        assert not log.alive
        future = log.append([event(1), event(2)])
        assert future.done()
        assert not future.result()
        assert (log.counts.written, log.counts.failed, log.counts.pending) == (1, 2, 0)


def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def hang(descriptor: int) -> None:
        assert go.wait(20)

    monkeypatch.setattr(appender.os, "fdatasync", hang)
    log = DecisionLog(tmp_path)
    assert log.append([event(0)]).result(10)
    began = time.monotonic()
    assert not log.close(0.1)
    assert time.monotonic() - began < 5
    with pytest.raises(ConfigError, match="writes"):
        DecisionLog(tmp_path)  # it may still be writing
    go.set()
    assert log.close()
    DecisionLog(tmp_path).close()


def test_a_process_ends_although_its_disk_hangs(tmp_path: Path) -> None:
    began = time.monotonic()
    assert acknowledged_by(_HANGING, tmp_path) == [0]
    assert time.monotonic() - began < 20


def test_segments_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    mask = os.umask(0)
    try:
        with DecisionLog(folder) as log:
            assert log.append([event(0)]).result(10)
    finally:
        os.umask(mask)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert segments(folder)[0].stat().st_mode & 0o777 == 0o600


def test_a_future_cannot_be_cancelled(tmp_path: Path) -> None:
    with DecisionLog(tmp_path) as log:
        future = log.append([event(1)])
        assert not future.cancel()
        assert future.result(10)


_EVENT = """
import itertools, resource, sys
from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import EventRecord
def event(n):
    return EventRecord(event_id=f"play#{n}", kind="play", item_id=n, at_ms=1000 + n,
                       received_ms=1000 + n, user_id=1, play_id=n)
"""
_LIMITED = """
with DecisionLog(sys.argv[1]) as log:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    for number in range(40):
        print(number, log.append([event(number)]).result(10))
"""
_HANGING = """
import os, time
os.fdatasync = lambda descriptor: time.sleep(60)
log = DecisionLog(sys.argv[1])
print(0, log.append([event(0)]).result(10))
log.close(0.2)
"""
_WRITING = """
log = DecisionLog(sys.argv[1], config=LogConfig(segment_bytes=20_000))
waiting = []
for number in itertools.count(int(sys.argv[2])):
    future = log.append([event(number)])
    future.add_done_callback(
        lambda future, number=number: print(number, future.result(), flush=True)
    )
    waiting.append(future)
    if len(waiting) > 50:
        waiting.pop(0).result()
"""


def acknowledged_by(code: str, *words: object, kill_after: float | None = None) -> list[int]:
    """Run a child, kill it some time after its first word, and return what it was promised."""
    with subprocess.Popen(
        [sys.executable, "-c", _EVENT + code, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        if kill_after is not None:
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        lines = [first, *process.stdout]
    assert process.returncode == (0 if kill_after is None else -signal.SIGKILL)
    words_of = [line.split() for line in lines if line.endswith("\n")]
    return [int(number) for number, outcome in words_of if outcome == "True"]


def test_a_limit_of_the_system_on_the_size_of_files(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    acknowledged = acknowledged_by(_LIMITED, tmp_path)
    assert 30 < len(acknowledged) < 40, "one is refused at the end of each file"
    assert read(tmp_path) == [event(number) for number in acknowledged]
    assert all(file.stat().st_size <= 1000 for file in segments(tmp_path))


def test_kill_minus_nine_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    start = 0
    acknowledged: list[int] = []
    for delay in (0.0, 0.013, 0.05, 0.21):
        acknowledged += acknowledged_by(_WRITING, tmp_path, start, kill_after=delay)
        start += 1_000_000
    with DecisionLog(tmp_path) as log:
        assert log.append([event(start)]).result(10)
    found = [each.play_id for each in read(tmp_path) if not isinstance(each, Decision)]
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    assert len(acknowledged) > 100
