from __future__ import annotations

import json
from collections.abc import Callable
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


def test_design(tmp_path: Path) -> None:
    asked = ["experiment", "design", "--effect", "0.1", "--users-a-week", "3500"]
    page = tmp_path / "plan.html"
    plain = [*asked, "--deviation", "1", "--metric", "plays", "--html", str(page)]
    run = CliRunner().invoke(app, plain)
    assert run.exit_code == 0, run.output
    assert "3,140 users (1,570 new, 1,570 control), 1 whole week." in " ".join(run.output.split())
    assert "<svg" in page.read_text()
    assert "an effect of 0.1 in plays is found" in page.read_text()
    options = ["--guardrail", "errors:1:0.2", "--stratum", "de:0.4", "--stratum", "us:0.6"]
    options += ["--start", "2026-03-02", "--holiday", "2026-03-08", "--json"]
    options += ["--cluster-size", "3", "--cluster-correlation", "0.1"]
    run = CliRunner().invoke(app, [*asked, "--rate", "0.2", *options])
    answer = json.loads(run.output)
    assert answer["end"] == "2026-03-09"
    assert answer["design"]["treated_deviation"] == pytest.approx(0.21**0.5)
    assert answer["strata"].keys() == {"de", "us"}
    assert answer["guardrails"]["errors"]["power"] > 0.8
    assert answer["guardrails"]["errors"]["margin"] == 0.2


def test_design_from_past_logs(tmp_path: Path) -> None:
    path = write(tmp_path / "users.parquet")
    asked = ["experiment", "design", "--effect", "0.1", "--users-a-week", "9e4", "--json"]
    asked += ["--data", str(path), "--metric", "plays", "--past", "before"]
    answer = json.loads(CliRunner().invoke(app, asked).output)
    frame = pd.read_parquet(path)
    assert answer["design"]["deviation"] == pytest.approx(frame["plays"].std())
    assert answer["cuped_saves"] == pytest.approx(frame["plays"].corr(frame["before"]) ** 2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--deviation", "1", "--rate", "0.5"], "one of --deviation, --rate and --data"),
        ([], "one of --deviation, --rate and --data"),
        (["--data", "x.parquet"], "Give --metric"),
        (["--deviation", "1", "--stratum", "de"], "NAME:SHARE"),
        (["--deviation", "1", "--stratum", "de:1", "--stratum", "de:1"], "each name once"),
        (["--deviation", "1", "--past", "before"], "columns without --data"),
        (["--data", "x.parquet", "--metric", "plays", "--correlation", "0.5"], "got both"),
        (["--deviation", "1", "--correlation", "2"], "correlation = 2.0"),
        (["--deviation", "1", "--guardrail", "errors:1:a"], "NAME:DEVIATION:MARGIN"),
    ],
)
def test_a_design_that_cannot_be_is_told(words: list[str], told: str) -> None:
    asked = ["experiment", "design", "--effect", "0.1", "--users-a-week", "100"]
    run = CliRunner().invoke(app, [*asked, *words])
    assert run.exit_code == 2
    assert told in run.output


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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: pd.concat([f, f.head(1).assign(arm=1)]), "1 users with several, 1 of them in"),
        (lambda f: f.assign(at=f["at"].where(f.index > 2)), "'at' of the test; got 3 of 40 rows"),
        (lambda f: f[f["arm"] == 1], "expected users in the control; got none"),
        (lambda f: f.assign(plays=7), "expected a metric that varies between users; got 'plays'"),
        (lambda f: f.assign(plays=f["plays"] - 3), "expected counts of 0 or more in the column"),
        (lambda f: f.assign(plays=f["plays"].where(f.index % 2 > 0)), "got 20 of 40 rows"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], told: str
) -> None:
    users = np.arange(40)
    frame = pd.DataFrame({"user_id": users, "arm": users % 2, "plays": users // 2 % 5})
    frame["at"] = "2026-03-03T00:00:00Z"
    change(frame).to_csv(tmp_path / "users.csv", index=False)
    config = tmp_path / "test.toml"
    config.write_text('exposed_at = "at"\nmetrics = [{column = "plays"}]\n')
    asked = ["experiment", "read", "--data", str(tmp_path / "users.csv"), "--config", str(config)]
    run = CliRunner().invoke(app, asked)
    assert run.exit_code == 2
    line = run.output.rstrip("\n")
    assert line.startswith("error: expected ")
    assert "\n" not in line
    assert told in line


def test_reversed_dates_are_told_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "test.toml"
    config.write_text(
        "start = 2026-03-09T00:00:00Z\nend = 2026-03-02T00:00:00Z\n"
        'exposed_at = "at"\nmetrics = [{column = "plays"}]\n'
    )
    run = CliRunner().invoke(
        app, ["experiment", "read", "--data", "x.csv", "--config", str(config)]
    )
    assert run.exit_code == 2
    line = run.output.rstrip("\n")
    assert line.startswith("error: expected a start before the end; got 2026-03-09")
    assert "\n" not in line
