"""A run is logged to MLflow where that is asked for; who lacks it is told before the run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from causal_ranker.cli.app import app
from causal_ranker.errors import MissingExtraError, UpstreamError
from causal_ranker.runs.mlflow import EXPERIMENT, open_tracking
from causal_ranker.runs.record import recording
from pipelines.labelling import check_logs
from pipelines.settings import TrainSettings
from tests.runs.standin import MlflowClient, Stored, put_in

STORE = "sqlite:///runs.db"


def record(folder: Path, **figures: Any) -> None:
    settings = {"seed": 3, "config": {"features": {"windows_days": [3, 14]}, "cold": None}}
    with recording(
        folder,
        "fit",
        settings=settings,
        inputs={"plays": str(folder.parent / "plays.csv")},
        versions={"numpy": "2"},
        also=open_tracking(STORE),
    ) as run:
        run.figures = figures


def stored() -> list[Stored]:
    return MlflowClient.stores[STORE][EXPERIMENT]


def test_settings_inputs_and_figures_are_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(monkeypatch)
    (tmp_path / "plays.csv").write_text("play_id\n1\n2\n")
    gain = {"Logs, and labels": 0.5, "rows": {"fit": 7}}
    record(tmp_path / "one", policy="blend", gain=gain, words="w" * 9000)
    record(tmp_path / "two", gain=0.25)
    one, two = stored()
    assert one.params == {
        "seed": "3",
        "config.features.windows_days": "[3, 14]",
        "config.cold": "null",
        "versions.numpy": "2",
    }
    assert one.metrics.pop("seconds") >= 0
    # A comma may stand in no name there.
    assert one.metrics == {"gain.Logs_ and labels": 0.5, "gain.rows.fit": 7.0}
    assert one.tags["command"] == "fit"
    assert one.tags["inputs.plays.rows"] == "2"
    assert len(one.tags["inputs.plays.content"]) == 32
    assert one.tags["figures.policy"] == "blend"
    assert len(one.tags["figures.words"]) < 6000
    assert json.loads(one.artifacts[0])["figures"]["policy"] == "blend"
    assert (one.status, two.metrics["gain"]) == ("FINISHED", 0.25)
    assert one.end_time is not None
    assert one.end_time >= one.start_time > 1.7e12


def test_more_than_fits_one_call_is_sent_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(monkeypatch)
    record(tmp_path / "many", **{f"figure {n}": n for n in range(230)})
    (run,) = stored()
    assert len(run.metrics) == 231


def test_a_store_that_does_not_answer_is_told_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(monkeypatch)
    with pytest.raises(UpstreamError, match=r"keeps runs at http://nowhere; got .* refused\. Ch"):
        open_tracking("http://nowhere")

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(MlflowClient, "log_batch", full)
    with pytest.raises(UpstreamError, match=r"no space left\. The run is over, and lies in .*one"):
        record(tmp_path / "one")
    assert (tmp_path / "one" / "run.json").is_file()


def test_without_the_package_nothing_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    logs = {name: f"no-{name}.csv" for name in ("impressions", "plays", "candidates")}
    words = [word for name, path in logs.items() for word in (f"--{name}", path)]
    told = ["fit", *words, "--out", str(tmp_path / "out"), "--mlflow", STORE]
    done = CliRunner().invoke(app, told)
    assert done.exit_code == 2
    assert "the package 'mlflow'" in done.stderr
    assert "pip install mlflow" in done.stderr
    assert not (tmp_path / "out").exists()
    settings = TrainSettings(
        logs=logs, holdout_from="2025-01-11T00:00:00Z", registry=tmp_path / "m", mlflow=STORE
    )
    with pytest.raises(MissingExtraError, match="mlflow"):
        check_logs(settings)
