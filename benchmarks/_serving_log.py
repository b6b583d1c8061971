"""How long a decision takes to be safe: segments with checksums beside SQLite.

Records of 200 candidates; one writer thread in both, which commits whatever waits as one group.
*Process*: acknowledged when the operating system has it, which survives kill -9. *Power*:
acknowledged when the disk has it (fdatasync for each group, or ``synchronous = FULL``). Times are
those from `append` to the acknowledgement, at 200 a second and with 64 records waiting always.
"""

from __future__ import annotations

import queue
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

import numpy as np

from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import Decision, encode

__all__ = ["run", "some_decision"]

_Append = Callable[[], "Future[bool]"]

_CANDIDATES: Final = 200
_RATE: Final = 200
_WAITING: Final = 64


def run(*, quick: bool) -> dict[str, object]:
    """Measure both, each with both promises.

    Parameters
    ----------
    quick : bool
        A second of each instead of ten.

    Returns
    -------
    dict
        By log and promise: records a second when saturated, and milliseconds at 200 a second
        (median and 99th percentile).
    """
    seconds = 1.0 if quick else 10.0
    figures: dict[str, object] = {}
    for promise in ("process", "power"):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            config = LogConfig(sync_seconds=1.0 if promise == "process" else 0.0)
            with DecisionLog(folder, config=config) as log:
                made = some_decision("a")
                figures |= _measured(f"segments_{promise}", lambda: log.append([made]), seconds)  # noqa: B023
        with tempfile.TemporaryDirectory(dir=".") as folder:
            database = _Sqlite(Path(folder) / "log", full=promise == "power")
            made = some_decision("a")
            figures |= _measured(f"sqlite_{promise}", lambda: database.append(made), seconds)  # noqa: B023
            database.close()
    return figures


def some_decision(name: str, *, candidates: int = _CANDIDATES) -> Decision:
    """Make up a decision.

    Parameters
    ----------
    name : str
        Its id.
    candidates : int
        Candidates.

    Returns
    -------
    Decision
        Ten slots of it drawn.
    """
    rng = np.random.default_rng(len(name))
    score = rng.normal(size=candidates)
    shown = np.argsort(-score)[:10].tolist()
    # Chances given those above, of a draw in proportion to e^score.
    weight = np.exp(score)
    above = np.concatenate([[0.0], np.cumsum(weight[shown])[:-1]])
    return Decision(
        decision_id=name,
        user_id=1,
        at_ms=time.time_ns() // 1_000_000,
        version="0123456789ab",
        exploration={"draw": {"kind": "plackett_luce", "temperature": 1.0}, "slots": 10},
        seed=1,
        items=list(range(candidates)),
        base_score=rng.random(candidates).tolist(),
        score=score.tolist(),
        shown=shown,
        propensity=(weight[shown] / (weight.sum() - above)).tolist(),
        slots=10,
        fallback=None,
        holdout=False,
        explored=True,
        features_hash="0123456789ab",
        session_id=None,
        surface="home",
        canary=False,
        constrained=False,
    )


def _measured(name: str, append: _Append, seconds: float) -> dict[str, object]:
    calm = _latencies(append, seconds)
    most = _saturated(append, seconds)
    return {
        f"{name}_p50_ms": round(float(np.percentile(calm, 50)), 3),
        f"{name}_p99_ms": round(float(np.percentile(calm, 99)), 3),
        f"{name}_per_s": round(most),
    }


def _latencies(append: _Append, seconds: float) -> list[float]:
    """Append at the rate, whatever the log does; return milliseconds."""
    taken: list[float] = []
    futures = []
    start = time.perf_counter()
    for number in range(round(seconds * _RATE)):
        due = start + number / _RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        future = append()
        future.add_done_callback(
            lambda _, due=due: taken.append((time.perf_counter() - due) * 1000)  # type: ignore[misc]
        )
        futures.append(future)
    assert all(future.result() for future in futures)
    return taken


def _saturated(append: _Append, seconds: float) -> float:
    """Keep some records waiting; return how many a second are acknowledged."""
    waiting: queue.SimpleQueue[Future[bool]] = queue.SimpleQueue()
    done = 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        waiting.put(append())
        if waiting.qsize() >= _WAITING:
            assert waiting.get().result()
            done += 1
    return done / (time.perf_counter() - start)


class _Sqlite:
    """The same interface on SQLite in WAL mode."""

    def __init__(self, file: Path, *, full: bool) -> None:
        self._queue: queue.SimpleQueue[tuple[bytes, Future[bool]] | None] = queue.SimpleQueue()
        self._file, self._full = file, full
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def append(self, record: Decision) -> Future[bool]:
        future: Future[bool] = Future()
        self._queue.put((encode(record), future))
        return future

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        database = sqlite3.connect(self._file, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {'FULL' if self._full else 'NORMAL'}")
        database.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, content BLOB)")
        ended = False
        while not ended:
            group = [self._queue.get()]
            while not self._queue.empty():
                group.append(self._queue.get())
            ended = None in group
            records = [each for each in group if each is not None]
            database.execute("BEGIN")
            database.executemany(
                "INSERT INTO records (content) VALUES (?)", [(content,) for content, _ in records]
            )
            database.execute("COMMIT")
            for _, future in records:
                future.set_result(True)
        database.close()
