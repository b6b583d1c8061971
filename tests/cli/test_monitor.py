"""`causal-ranker monitor` with a decision log, and with columns that tell of the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.calling import MESSAGE, Run
from tests.drift.health.making import ROLES, table
from tests.serving.decisions.making import write
from tests.serving.decisions.test_served import lists


def test_lists_that_fall_back_are_told_by_the_monitor(run: object, tmp_path: Path) -> None:
    log = write(tmp_path / "log", [*lists(range(14)), *lists(range(14, 15), fell_back=0.7)])
    rng = np.random.default_rng(0)
    start = np.datetime64("2026-01-05")
    for name, first, days in (("before", 0, 14), ("now", 14, 1)):
        frame = pd.DataFrame({"x": rng.normal(size=100 * days)})
        frame["day"] = start + np.repeat(np.arange(first, first + days), 100)
        frame.to_parquet(tmp_path / f"{name}.parquet")
    words = ["monitor", "--reference", tmp_path / "before.parquet", "--day", "day"]
    words += ["--window", tmp_path / "now.parquet", "--decisions", log, "--json"]
    words += ["--html", tmp_path / "page.html", "--gauges", tmp_path / "drift.prom"]
    words += ["--review", tmp_path / "queue.sqlite"]
    code, said, err = run(*words)
    assert (code, err) == (12, "")
    told = json.loads(said)
    assert "stop serving this model" in told["verdict"]
    assert told["new_alerts_to_review"] >= 1
    names = {check["name"]: check["level"] for check in told["checks"]}
    assert names["log of lists fallback"] == "alarm"
    assert names["log of items base_score"] == "quiet"
    assert "log of lists fallback" in (tmp_path / "page.html").read_text()
    gauges = (tmp_path / "drift.prom").read_text()
    assert 'causal_ranker_drift_model_level{check="log of lists fallback"} 2.0' in gauges


def test_roles_are_named_on_the_command_line(run: Run, tmp_path: Path) -> None:
    before, now = tmp_path / "before.csv", tmp_path / "now.csv"
    table(0, days=2).to_csv(before, index=False)
    table(1, days=2, first=2, effect=-0.8).to_csv(now, index=False)
    words = ["monitor", "--reference", before, "--window", now, "--json"]
    for role, column in {**ROLES.keys, **ROLES.values}.items():
        words += ["--role", f"{role.partition(' ')[0]}={column}"]
    code, said, err = run(*words)
    assert (code, err) == (12, "")
    told = json.loads(said)
    assert told["verdict"].startswith("What is shown brings fewer plays than none: stop serving")
    assert {check["name"] for check in told["checks"] if check["level"] != "quiet"} == {"effect"}


@pytest.mark.parametrize("word", ["outcome", "outcome=", "user=b", "colour=b", "proxies=b"])
def test_a_role_that_is_none_is_told(run: Run, tmp_path: Path, word: str) -> None:
    words = ("--reference", tmp_path, "--window", tmp_path, "--role", "user=a", "--role", word)
    code, out, err = run("monitor", *words)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err


def test_a_log_needs_days_to_be_taken_apart(run: Run, tmp_path: Path) -> None:
    frame = tmp_path / "x.parquet"
    pd.DataFrame({"x": [1.0, 2.0]}).to_parquet(frame)
    words = ("--reference", frame, "--window", frame, "--decisions", tmp_path)
    code, _, err = run("monitor", *words)
    assert code == 2
    assert "--day" in err
