"""The ways that are compared do the same work, on the same logs."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import attribution
from benchmarks._attribution_child import WAYS
from benchmarks._logs import write_logs
from benchmarks._measure import run_child


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("logs")
    write_logs(made, impressions=40_000)
    return made


def test_logs_are_the_same_on_every_run(folder: Path, tmp_path: Path) -> None:
    write_logs(tmp_path, impressions=40_000)
    for name in ("impressions.parquet", "plays.parquet"):
        key = name[: -len("s.parquet")] + "_id"
        first, second = (pd.read_parquet(d / name).sort_values(key) for d in (folder, tmp_path))
        pd.testing.assert_frame_equal(first, second)
        assert first[key].is_unique
    assert len(first) == 10_000


def test_all_ways_credit_the_same_impressions(folder: Path) -> None:
    found = {}
    for way in ("ours", "pandas", "polars"):
        WAYS[way](folder, None)
        credits = pd.read_parquet(folder / "out.parquet").sort_values("play_id")
        found[way] = credits.set_index("play_id")["impression_id"].astype("Int64")
    assert 0.3 < found["ours"].notna().mean() < 0.7
    for way in ("pandas", "polars"):
        pd.testing.assert_series_equal(found[way], found["ours"])
    WAYS["copy"](folder, None)
    copied, original = (
        pd.read_parquet(folder / name).sort_values("impression_id", ignore_index=True)
        for name in ("out.parquet", "impressions.parquet")
    )
    pd.testing.assert_frame_equal(copied, original)


def test_ways_that_disagree_are_no_comparison(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one(way: str, _folder: Path) -> dict[str, float]:
        return {"seconds": 1.0, "peak": 1.0, "rows_in": 4.0, "credited": float(way == "ours")}

    monkeypatch.setattr(attribution, "_one", one)
    with pytest.raises(RuntimeError, match="different numbers of plays"):
        attribution._against_peers(folder, runs=1, rows=[])


def test_a_child_is_measured_and_its_failure_told(folder: Path) -> None:
    child = run_child(["-m", "benchmarks._attribution_child", "ours", str(folder), ""])
    told = json.loads(child.last_line)
    assert told["rows_in"] == 40_000
    assert told["seconds"] > 0
    assert 50 < child.peak < 2000
    assert math.isnan(child.spilled)
    with pytest.raises(RuntimeError, match="the reason"):
        run_child(["-c", "raise SystemExit('the reason')"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a running process")
def test_what_a_child_spills_is_seen(tmp_path: Path) -> None:
    spilling = """
import tempfile, time
from pathlib import Path
folder = Path(tempfile.mkdtemp())
(folder / "spilled").write_bytes(bytes(3 << 20))
time.sleep(1)
(folder / "spilled").unlink()
time.sleep(0.5)
"""
    assert run_child(["-c", spilling], temporary=tmp_path).spilled == pytest.approx(3, abs=0.1)
