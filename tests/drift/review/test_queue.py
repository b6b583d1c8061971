"""The review queue: nothing said is lost, and only forgetting erases."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from causal_ranker.drift.review.entries import VerdictKind, standing
from causal_ranker.drift.review.queue import ReviewQueue
from causal_ranker.errors import ConfigError, DataError, RowError
from tests.drift.review.making import START, alert, entry, row

ROOT = Path(__file__).parents[3]


@pytest.fixture
def queue(tmp_path: Path) -> ReviewQueue:
    return ReviewQueue(tmp_path / "queue.sqlite")


def test_an_entry_enters_once_and_the_largest_score_is_listed_first(queue: ReviewQueue) -> None:
    assert queue.add([entry(alert("a"), 1.0), entry(row(), 2.0)]) == 2
    assert queue.add([entry(alert("a"), 9.0), entry(alert("a", window="w2"), 1.5)]) == 1
    assert [e.score for e in queue.entries()] == [2.0, 1.5, 1.0]
    assert [e.kind for e in queue.entries(kind="row")] == ["row"]
    assert queue.entry(entry(row()).id) == entry(row(), 2.0)
    assert entry(row(7)).id != entry(row("7")).id


def test_a_later_verdict_stands_and_the_earlier_is_kept(queue: ReviewQueue) -> None:
    queue.add([entry(alert())])
    name = entry(alert()).id
    first = queue.decide(name, VerdictKind.FALSE_ALARM, who="ann", why="a holiday", at=START)
    # The second one's clock is behind; it was said later all the same.
    early = START - timedelta(days=1)
    second = queue.decide(name, VerdictKind.REAL_DRIFT, who="bob", why="it was not", at=early)
    assert second.at > first.at
    found = queue.entry(name)
    assert found.verdicts == (first, second)
    assert standing(found) == second
    assert queue.entries(waiting=True) == []
    queue.decide(name, VerdictKind.UNSURE, who="ann", why="look again")
    assert standing(queue.entry(name)) is None
    assert [e.id for e in queue.entries(waiting=True)] == [name]


def test_what_cannot_be_said_is_refused(queue: ReviewQueue) -> None:
    queue.add([entry(alert())])
    name = entry(alert()).id
    with pytest.raises(ConfigError, match="of this alert one of"):
        queue.decide(name, VerdictKind.LABEL_CORRECTED, who="ann", why="x")
    for who, why in ((" ", "x"), ("ann", ""), ("ann\n", "x"), ("\udc80", "x")):
        with pytest.raises(ConfigError, match="a few words"):
            queue.decide(name, VerdictKind.UNSURE, who=who, why=why)
    with pytest.raises(ConfigError, match="review list"):
        queue.decide("nothing", VerdictKind.UNSURE, who="ann", why="x")
    assert queue.entry(name).verdicts == ()


def test_the_file_itself_lets_no_verdict_be_written_over(queue: ReviewQueue) -> None:
    queue.add([entry(alert())])
    queue.decide(entry(alert()).id, VerdictKind.UNSURE, who="ann", why="x")
    with sqlite3.connect(queue.path) as other:
        for words in ("DELETE FROM verdicts", "UPDATE verdicts SET why = 'y'"):
            with pytest.raises(sqlite3.IntegrityError, match="a verdict is changed by a later one"):
                other.execute(words)
    other.close()
    found = queue.entry(entry(alert()).id)
    twisted = replace(found, verdicts=(replace(found.verdicts[0], who="eve"),))
    with pytest.raises(RowError, match="other words under the same id"):
        queue.add([entry(row()), twisted])
    assert queue.entries(kind="row") == [], "all or nothing"


def test_a_forgotten_user_is_in_no_byte_of_the_files(queue: ReviewQueue) -> None:
    queue.add([entry(row("user-to-forget")), entry(row("another")), entry(alert())])
    name = entry(row("user-to-forget")).id
    queue.decide(name, VerdictKind.LABEL_CORRECTED, who="ann", why="user-to-forget called")
    assert b"user-to-forget" in b"".join(_files(queue.path))
    assert queue.forget({"user-to-forget"}) == 1
    assert b"user-to-forget" not in b"".join(_files(queue.path))
    assert {e.kind for e in queue.entries()} == {"row", "alert"}
    assert queue.forget({"user-to-forget", 5}) == 0


def test_a_forgotten_user_does_not_come_back_with_an_old_export(queue: ReviewQueue) -> None:
    old = [entry(row(7)), entry(row("7")), entry(alert("x"))]
    queue.add(old)
    queue.forget([7, 8])
    assert queue.add([*old, entry(row(8))]) == 0  # 8 never was in, and may not enter
    assert [e.about.user_id for e in queue.entries(kind="row")] == ["7"]
    assert len(queue.entries(kind="alert")) == 1
    with ReviewQueue(queue.path) as again:  # it is in the file, not in the process
        assert again.add(old) == 0
    salts = [q._db.execute("SELECT salt FROM salt").fetchone()[0] for q in (queue, again_of(queue))]
    assert salts[0] != salts[1]


def again_of(queue: ReviewQueue) -> ReviewQueue:
    return ReviewQueue(queue.path.with_name("other.sqlite"))


def test_5_and_its_text_are_two_users(queue: ReviewQueue) -> None:
    queue.add([entry(row(5)), entry(row("5"))])
    assert queue.forget({5}) == 1
    assert [e.about for e in queue.entries()] == [row("5")]


def _files(path: Path) -> list[bytes]:
    return [each.read_bytes() for each in path.parent.glob(path.name + "*")]


def test_files_that_are_no_queue_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        ReviewQueue(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    text = tmp_path / "text"
    text.write_text("not a database, and long enough to be looked at as one" * 20)
    with pytest.raises(DataError, match="not a database"):
        ReviewQueue(text)
    other = tmp_path / "other"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    with pytest.raises(DataError, match="another program"):
        ReviewQueue(other)
    ReviewQueue(tmp_path / "new").close()
    with sqlite3.connect(tmp_path / "new") as database:
        database.execute("PRAGMA user_version = 1")  # before the forgotten were kept out
    database.close()
    with pytest.raises(DataError, match="version 1"):
        ReviewQueue(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0, "it names users"


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"

    def work(who: int) -> None:
        with ReviewQueue(path) as mine:
            for k in range(10):
                mine.add([entry(alert(f"{k}")), entry(alert(f"{who}-{k}"))])
                mine.decide(entry(alert(f"{k}")).id, VerdictKind.UNSURE, who=str(who), why="x")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    with ReviewQueue(path, create=False) as queue:
        found = queue.entries()
    assert len(found) == 10 + 3 * 10
    assert sum(len(e.verdicts) for e in found) == 30


def test_whoever_opens_while_another_makes_the_file_finds_a_queue(tmp_path: Path) -> None:
    start = threading.Barrier(4)

    def work(_: int) -> int:
        found = 0
        for k in range(25):
            start.wait(60)
            with ReviewQueue(tmp_path / f"{k}.sqlite") as mine:
                found += len(mine.entries()) + 1
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [25] * 4


_CHILD = """
import sys
from pathlib import Path
from causal_ranker.drift.review.entries import VerdictKind
from causal_ranker.drift.review.queue import ReviewQueue
queue = ReviewQueue(Path(sys.argv[1]), create=False)
while True:
    said = queue.decide(sys.argv[2], VerdictKind.FALSE_ALARM, who="ann", why="x" * 2000)
    print(said.id, flush=True)
"""


def test_kill_9_in_the_middle_of_a_verdict_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    name = entry(alert()).id
    with ReviewQueue(path) as queue:
        queue.add([entry(alert())])
    known: set[str] = set()
    for after in (1, 7, 40):
        words = [sys.executable, "-c", _CHILD, str(path), name]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout is not None
            told = [child.stdout.readline() for _ in range(after)]
            child.send_signal(signal.SIGKILL)
            told += child.stdout.read().splitlines(keepends=True)
        known |= {line.strip() for line in told if line.endswith("\n")}
        with ReviewQueue(path, create=False) as queue:
            kept = {verdict.id for verdict in queue.entry(name).verdicts}
        # One more may have reached the disk than its writer could tell of.
        assert known <= kept
        assert len(kept - known) <= 3
    assert len(known) >= 48
