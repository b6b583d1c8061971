"""The benchmark of drift: its parts are dispatched, and measure what is asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import PartedBenchmark, _drift_part_detection, drift, load
from benchmarks.__main__ import main


def test_what_is_asked_is_measured_by_some_part() -> None:
    assert isinstance(load("drift"), PartedBenchmark)
    folder = Path(drift.__file__).parent
    parts = sorted(path.stem for path in folder.glob("_drift_part_*.py"))
    assert parts == sorted(f"_drift_part_{name}" for name in drift.parts())
    text = "".join((folder / f"{name}.py").read_text("utf-8") for name in parts)
    for figure in drift.LIMITS:
        assert f'"{figure}"' in text, figure


def test_all_parts_run_or_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> Any:
        part = name.rpartition("_part_")[2]
        return SimpleNamespace(run=lambda *, quick: {part: quick, "peak_rss_mb": 1.0})

    monkeypatch.setattr("benchmarks._parts.importlib.import_module", found)
    every = drift.run(quick=True)
    assert set(every.figures) == {*drift.parts(), "peak_rss_mb"}
    alone = drift.run(quick=False, part="monitor")
    assert alone.figures == {"monitor": False, "peak_rss_mb": 1.0}
    assert ("monitor", "peak_rss_mb", 1.0, "at most 3072") in alone.rows
    assert main(["drift", "--part", "no_such"]) == 2


def test_a_day_differs_in_nothing_but_its_kind() -> None:
    days = {
        kind: _drift_part_detection._Day(40_000, kind, np.random.default_rng(0))
        for kind in _drift_part_detection._KINDS
    }
    plain = days["none"]
    for kind, day in days.items():
        moved = np.flatnonzero((day.x != plain.x).any(axis=0)).tolist()
        assert moved == {"mean": [0], "variance": [0], "correlation": [49]}.get(kind, [])
        assert ((day.letter != plain.letter).any()) == (kind == "category")
        same = kind not in {"label", "effect"}
        assert (day.outcome == plain.outcome).all() == same
    assert days["mean"].x[:, 0].mean() == pytest.approx(0.2, abs=0.02)
    assert plain.aipw.mean() == pytest.approx(0.1, abs=0.02)
    assert days["effect"].aipw.mean() == pytest.approx(0, abs=0.02)
    assert days["effect"].outcome.mean() == pytest.approx(plain.outcome.mean(), abs=0.01)
    assert days["label"].outcome.mean() > plain.outcome.mean() + 0.04


@pytest.mark.slow
def test_the_monitor_part_measures() -> None:
    figures: dict[str, Any] = dict(drift.run(quick=True, part="monitor").figures)
    assert figures["monitor_rows"] == 100_000
    assert figures["monitor_columns"] == 50
    assert figures["monitor_advice"] == "nothing"
    assert 50 < figures["peak_rss_mb"] < 3072
