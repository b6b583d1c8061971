"""The count of what kills cost: nothing when nothing is missing, and everything that is."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks._serving_decision_kills import Promised, lost_or_twice, write_until_killed
from causal_ranker.serving.decisions.compact import compact
from tests.serving.decisions.making import decision, play, view, write


def test_what_is_missing_and_what_is_there_twice_is_counted(tmp_path: Path) -> None:
    a, b = decision("a"), decision("b", holdout=True, explored=False)
    played = play(1, a.at_ms, user_id=1, play_id="p")
    write(tmp_path / "log", [a, b, view(a, 1), played])
    out = tmp_path / "out"
    compact(tmp_path / "log", out=out)
    promised = Promised()
    promised.decisions |= {"a", "b"}
    promised.views.add("a-2")
    promised.plays.add("p")
    assert lost_or_twice(out, promised) == (0, 0)
    promised.decisions.add("c")
    promised.views |= {"a-1", "b-1"}  # the one is there and was not viewed
    promised.plays.add("q")
    assert lost_or_twice(out, promised) == (4, 0)
    for table, rows in (("impressions", 4), ("plays", 1), ("candidates", 6)):
        (file,) = (out / table).glob("*")
        shutil.copy(file, file.with_name("again.parquet"))
        assert lost_or_twice(out, promised)[1] == rows
        file.with_name("again.parquet").unlink()


def test_a_killed_writer_loses_nothing(tmp_path: Path) -> None:
    promised = Promised()
    (tmp_path / "log").mkdir()
    write_until_killed(tmp_path / "log", 0.1, promised)
    compact(tmp_path / "log", out=tmp_path / "out")
    assert len(promised.decisions) > 5
    assert len(promised.plays) > 5
    assert lost_or_twice(tmp_path / "out", promised) == (0, 0)
