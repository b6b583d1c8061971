"""``kill -9`` at random moments under load: what was acknowledged is in the next training log, once.

A process that writes decisions is killed again and again, each time at another moment. It says
which decisions and plays were acknowledged. The log is compacted between some of the kills and in
the end; what is missing in the tables, and what is in them twice, is counted.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from causal_ranker.columns import Columns as C
from causal_ranker.serving.decisions.compact import compact

__all__ = ["Promised", "lost_or_twice", "run"]

_KILLS: Final = 50
_LONGEST_S: Final = 1.0
_SEGMENT_BYTES: Final = 500_000


class Promised:
    """What was acknowledged.

    Attributes
    ----------
    decisions, plays : set of str
        Ids.
    """

    def __init__(self) -> None:
        self.decisions: set[str] = set()
        self.plays: set[str] = set()


def run(*, quick: bool) -> dict[str, object]:
    """Kill, compact, count.

    Parameters
    ----------
    quick : bool
        Three kills instead of fifty.

    Returns
    -------
    dict
        ``decisions_lost``: acknowledged decisions and plays that are missing after compaction, and
        those that are there twice; and how many were acknowledged.
    """
    kills = 3 if quick else _KILLS
    moments = random.Random(7)
    promised = Promised()
    with tempfile.TemporaryDirectory() as folder:
        log, out = Path(folder) / "log", Path(folder) / "out"
        log.mkdir()
        for kill in range(kills):
            _write_until_killed(log, moments.uniform(0, _LONGEST_S), promised)
            if kill % 10 == 5:
                compact(log, out=out)
        compact(log, out=out)
        lost, twice = lost_or_twice(out, promised)
    return {
        "decisions_lost": lost + twice,
        "decisions_twice": twice,
        "decisions_acknowledged": len(promised.decisions),
        "plays_acknowledged": len(promised.plays),
        "decision_kills": kills,
    }


def lost_or_twice(out: Path, promised: Promised) -> tuple[int, int]:
    """Compare what was acknowledged with compacted tables.

    Parameters
    ----------
    out : Path
        The tables.
    promised : Promised
        What was acknowledged.

    Returns
    -------
    lost, twice : int
        Decisions and plays that are missing, and rows of impressions, candidates and plays whose
        key is there already.
    """
    slots: Counter[str] = Counter()
    pairs: Counter[tuple[object, ...]] = Counter()
    plays: Counter[str] = Counter()
    decisions: set[str] = set()
    for file in (out / "impressions").glob("*.parquet"):
        slots.update(pq.ParquetFile(file).read([C.IMPRESSION])[C.IMPRESSION].to_pylist())
    for name in ("candidates", "candidates_without_propensity"):
        for file in (out / name).glob("*.parquet"):
            rows = pq.ParquetFile(file).read([C.ASSIGNMENT_UNIT, C.ITEM])
            units = rows[C.ASSIGNMENT_UNIT].to_pylist()
            pairs.update(zip(units, rows[C.ITEM].to_pylist(), strict=True))
            decisions.update(units)
    for file in (out / "plays").glob("*.parquet"):
        names = pq.ParquetFile(file).read([C.PLAY])[C.PLAY].to_pylist()
        plays.update(name.removeprefix("play-") for name in names)
    lost = len(promised.decisions - decisions) + len(promised.plays - plays.keys())
    twice = sum(sum(each.values()) - len(each) for each in (slots, pairs, plays))
    return lost, twice


def _write_until_killed(log: Path, after_s: float, promised: Promised) -> None:
    command = [sys.executable, "-m", "benchmarks._decision_child", str(log), str(_SEGMENT_BYTES)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdout is not None
        # From its first promise on; the pipe is read all the time, or it would wait for us.
        for number, line in enumerate(process.stdout):
            if number == 0:
                threading.Timer(after_s, process.kill).start()
            kind, _, name = line.strip().partition(" ")
            if line.endswith("\n"):
                (promised.decisions if kind == "decision" else promised.plays).add(name)
