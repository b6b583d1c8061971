from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from causal_ranker.cli.app import app


def write(path: Path, share: float = 0.5, users: int = 4000) -> Path:
    rng = np.random.default_rng(0)
    arm = (rng.random(users) < share).astype(int)
    before = rng.normal(size=users)
    frame = pd.DataFrame({"user_id": np.arange(users), "arm": arm, "before": before})
    frame["plays"] = 9 + before + 0.2 * arm + 0.3 * rng.normal(size=users)
    frame["hours"] = 9 + rng.normal(size=users)
    frame.to_parquet(path)
    return path


def test_design() -> None:
    asked = ["experiment", "design", "--deviation", "1", "--effect", "0.1"]
    run = CliRunner().invoke(app, [*asked, "--users-a-day", "500"])
    assert run.exit_code == 0
    assert "3,140 users (1,570 new, 1,570 control), 1 whole weeks; power 80.0%" in run.output
    run = CliRunner().invoke(app, [*asked, "--users-a-day", "500", "--json"])
    assert json.loads(run.output)["users"] == 3140


def test_read(tmp_path: Path) -> None:
    path = write(tmp_path / "users.parquet")
    asked = ["experiment", "read", "--data", str(path), "--metric", "plays", "--metric", "hours"]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    assert "not the chance that there is none" in " ".join(shown.output.split())
    plain = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    adjusted = json.loads(CliRunner().invoke(app, [*asked, "--past", "before", "--json"]).output)
    errors = [
        answer["metrics"]["plays per user"]["interval"]["standard_error"]
        for answer in (plain, adjusted)
    ]
    assert errors[1] / errors[0] == pytest.approx(0.3, abs=0.05)
    assert adjusted["metrics"]["plays per user"]["interval"]["point"] == pytest.approx(
        0.2, abs=0.03
    )
    p_values = [metric["adjusted_p"] for metric in adjusted["metrics"].values()]
    assert p_values[1] > 0.05 > p_values[0]


def test_a_wrong_split_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "users.parquet", share=0.42)
    asked = ["experiment", "read", "--data", str(path), "--metric", "plays"]
    run = CliRunner().invoke(app, asked)
    assert run.exit_code == 1
    assert "Nothing may be read" in " ".join(run.output.split())
    answer = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert answer["blocked"]
    assert answer["metrics"] == {}


def test_a_user_in_both_arms_is_told(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": [1, 1, 2, 3], "arm": [0, 1, 0, 1], "plays": [1, 2, 3, 4]})
    frame.to_parquet(tmp_path / "x.parquet")
    asked = ["experiment", "read", "--data", str(tmp_path / "x.parquet"), "--metric", "plays"]
    run = CliRunner().invoke(app, asked)
    assert run.exit_code == 2
    assert "1 users with several, 1 of them in both arms" in run.output
    run = CliRunner().invoke(app, [*asked, "--metric", "hours"])
    assert run.exit_code == 2
    assert "'hours'" in run.output
