from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from causal_ranker.cli.app import app
from causal_ranker.errors import ConfigError
from causal_ranker.runs.record import differences, list_runs, read_run, recording


def record(folder: Path, *, seed: int, figure: float, data: Path | None = None) -> None:
    inputs = {"plays": None if data is None else str(data)}
    with recording(
        folder, "fit", settings={"seed": seed, "k": 10}, inputs=inputs, versions={"numpy": "2"}
    ) as run:
        run.figures = {"diff": figure, "rows": {"fit": 7}}


def test_what_was_recorded_is_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(name * 5)
    record(tmp_path / "one", seed=0, figure=0.5, data=tmp_path / "*.csv")
    found = read_run(tmp_path / "one")
    assert (found.command, found.figures) == ("fit", {"diff": 0.5, "rows": {"fit": 7}})
    assert found.settings == {"seed": 0, "k": 10}
    assert found.inputs["plays"]["files"] == 2
    assert found.inputs["plays"]["bytes"] == 10
    assert found.started.endswith("+00:00")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["run.json"]


def test_a_run_that_fails_leaves_no_record(tmp_path: Path) -> None:
    def fail() -> None:
        with recording(tmp_path, "fit", settings={}, inputs={}, versions={}):
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_runs_are_listed_and_compared(tmp_path: Path) -> None:
    record(tmp_path / "one", seed=0, figure=0.5)
    record(tmp_path / "deep" / "two", seed=1, figure=0.5)
    assert set(list_runs(tmp_path)) == {"one", "deep/two"}
    ones, twos = read_run(tmp_path / "one"), read_run(tmp_path / "deep" / "two")
    names = [name for name, _, _ in differences(ones, twos)]
    assert "settings.seed" in names
    assert "figures.diff" not in names
    assert differences(ones, ones) == []

    run = CliRunner().invoke
    listed = json.loads(run(app, ["runs", "list", "--root", str(tmp_path), "--json"]).output)
    assert listed["one"]["settings"]["seed"] == 0
    assert "deep/two" in run(app, ["runs", "list", "--root", str(tmp_path)]).output
    shown = json.loads(run(app, ["runs", "show", str(tmp_path / "one")]).output)
    assert shown["figures"]["rows"]["fit"] == 7
    both = [str(tmp_path / "one"), str(tmp_path / "deep" / "two")]
    assert json.loads(run(app, ["runs", "compare", *both, "--json"]).output)["settings.seed"] == [
        0,
        1,
    ]


def test_no_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="record of a run"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"command": "fit"}')
    with pytest.raises(ConfigError, match="started"):
        read_run(tmp_path)
    shown = CliRunner().invoke(app, ["runs", "show", str(tmp_path / "none")])
    assert shown.exit_code == 2
