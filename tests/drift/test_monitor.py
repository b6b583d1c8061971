from __future__ import annotations

import json
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from causal_ranker.cli.app import app
from causal_ranker.drift.monitor import MonitorConfig, monitor
from causal_ranker.errors import EmptyError, SchemaError


def frame(seed: int, rows: int = 10_000, features: int = 50, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        rng.normal(size=(rows, features)), columns=[f"x{i}" for i in range(features)]
    )
    table["x7"] += shift
    table["device"] = rng.choice(["tv", "phone"], rows)
    return table


def test_one_shifted_feature_of_fifty_is_found_and_only_it() -> None:
    reference = ibis.memtable(frame(0))
    quiet = monitor(reference, ibis.memtable(frame(1)))
    assert quiet.advice == "nothing"
    assert quiet.verdict == "None of 51 columns drifted: nothing to do."
    found = monitor(reference, ibis.memtable(frame(2, shift=0.2)))
    assert [f.column for f in found.features if f.drifted] == ["x7"]
    assert found.advice == "watch"
    moved = next(f for f in found.features if f.column == "x7")
    assert moved.mean_shift == pytest.approx(0.2, abs=0.04)


def test_what_moved_besides_the_distribution() -> None:
    before = pd.DataFrame({"a": np.arange(400.0), "c": ["x", "y"] * 200, "k": np.ones(400)})
    now = before.assign(a=before["a"].where(before.index % 4 > 0), c=["x", "z"] * 200)
    report = monitor(ibis.memtable(before), ibis.memtable(now))
    by_name = {f.column: f for f in report.features}
    assert by_name["a"].missing_now == 0.25
    assert by_name["a"].drifted
    assert by_name["c"].new_categories == ("z",)
    assert by_name["c"].drifted
    assert not by_name["k"].drifted
    assert by_name["k"].mean_shift is None
    assert report.advice == "retrain"
    assert "retrain" in report.verdict


def test_the_schema_is_told_first() -> None:
    before = ibis.memtable(pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2], "c": ["x", "y"]}))
    now = ibis.memtable(pd.DataFrame({"a": [1.0, 2.0], "b": ["1", "2"], "d": [1, 2]}))
    report = monitor(before, now)
    assert [(c.column, c.before, c.now) for c in report.schema] == [
        ("b", "int64", "string"),
        ("c", "string", None),
        ("d", None, "int64"),
    ]
    assert report.verdict.startswith("The schema changed: 3 columns")
    assert report.advice == "retrain"
    assert [f.column for f in report.features] == ["a"]


def test_all_missing_is_drift_of_missing_values() -> None:
    before = pd.DataFrame({"a": np.arange(50.0)})
    now = pd.DataFrame({"a": np.full(50, np.nan)})
    report = monitor(ibis.memtable(before), ibis.memtable(now))
    assert report.features[0].decision is None
    assert report.features[0].drifted


def test_bad_input_is_told() -> None:
    good = ibis.memtable(pd.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(EmptyError, match="two rows in the window; got 1"):
        monitor(good, ibis.memtable(pd.DataFrame({"a": [1.0]})))
    with pytest.raises(SchemaError, match="'b'"):
        monitor(good, good, columns=["b"])
    times = ibis.memtable(pd.DataFrame({"t": pd.to_datetime(["2024-01-01", "2024-01-02"])}))
    with pytest.raises(SchemaError, match="numbers, text or booleans"):
        monitor(times, times)
    with pytest.raises(Exception, match="level"):
        MonitorConfig(level=2)


def test_the_command(tmp_path: Path) -> None:
    paths = []
    for name, shift in (("before", 0.0), ("quiet", 0.0), ("moved", 2.0)):
        paths.append(tmp_path / f"{name}.parquet")
        frame(len(paths), rows=500, features=9, shift=shift).to_parquet(paths[-1])
    run = CliRunner().invoke
    quiet = run(app, ["monitor", "--reference", str(paths[0]), "--window", str(paths[1])])
    assert quiet.exit_code == 0, quiet.output
    assert "nothing to do" in quiet.output
    asked = ["monitor", "--reference", str(paths[0]), "--window", str(paths[2])]
    moved = run(app, [*asked, "--columns", "x7, x8", "--json"])
    assert moved.exit_code == 1
    answer = json.loads(moved.output)
    assert answer["advice"] == "retrain"
    assert [f["column"] for f in answer["features"] if f["drifted"]] == ["x7"]
    missing = run(app, ["monitor", "--reference", "no.parquet", "--window", str(paths[1])])
    assert missing.exit_code == 2
    assert missing.output.count("\n") == 1
