"""The flows run here, go on after a kill at each step, and publish nothing that fails the gate."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from causal_ranker.drift.review.queue import ReviewQueue
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.runs.record import read_run
from causal_ranker.serving.registry import Registry
from tests.cli.calling import ROOT, small_world

pytestmark = pytest.mark.slow

_LIMIT_S = 900
TRAIN = (
    "start",
    "attribute",
    "label",
    "features",
    "learn",
    "choose",
    "gate",
    "publish",
    "promote",
    "end",
)
BACKFILL = ("start", "split", "credit", "join", "end")
MONITOR = ("start", "watch", "review", "end")
#: Soon enough for a step that does little: its process has hardly begun.
SOON = {"credit": 1.0, "watch": 1.0, "others": 0.3}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days of a small world, whose exploration is known."""
    folder = tmp_path_factory.mktemp("logs")
    world = small_world(users=200, days=8)
    for name in ("impressions", "plays", "candidates"):
        getattr(world, name).to_parquet(folder / f"{name}.parquet")
    return folder


def settings(folder: Path, logs: Path, *, least_gain: float) -> Path:
    file = folder / "train.toml"
    file.write_text(
        f"""
        holdout_from = 2025-01-11T00:00:00Z
        learners = ["constant", "r"]
        registry = "{folder / "models"}"
        promote = true
        k = 4
        [logs]
        impressions = "{logs}/impressions.parquet"
        plays = "{logs}/plays.parquet"
        candidates = "{logs}/candidates.parquet"
        [gate]
        least_gain = {least_gain}
        [chain]
        choose_days = 2
        [chain.refute]
        enabled = false
        """
    )
    return file


def start(flow: str, *words: object, folder: Path) -> subprocess.Popen[str]:
    """Start a flow in a session of its own, so that its steps can be killed with it."""
    environment = {
        **os.environ,
        "METAFLOW_USER": "tests",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        "METAFLOW_HOME": str(folder / "home"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, ROOT / "pipelines" / f"{flow}_flow.py", *map(str, words)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a flow, which has to be a good one."""
    try:
        told, _ = process.communicate(timeout=_LIMIT_S)
    finally:
        _kill(process)
    assert process.returncode == 0, told
    return told


def kill_in(process: subprocess.Popen[str], step: str, *, after_s: float) -> tuple[str, list[str]]:
    """Kill a flow and its steps soon after a step began; returns the run and what had begun."""
    assert process.stdout is not None
    run, begun = "", []
    for line in process.stdout:  # ends with the process, at the latest
        found = re.search(r"\[(\d+)/(\w+)/\d+ \(pid \d+\)\] Task is starting", line)
        if found:
            run = found[1]
            begun.append(found[2])
        if begun and begun[-1] == step:
            break
    time.sleep(after_s)
    _kill(process)
    assert begun[-1:] == [step]
    return run, begun


def killed_in_each(
    flow: str, steps: Sequence[str], *words: object, folder: Path, after_s: Mapping[str, float]
) -> str:
    """Run a flow, kill it in each of its steps, go on each time, and return what the end told."""
    for at, step in enumerate(steps):
        process = start(flow, *words, folder=folder)
        run, begun = kill_in(process, step, after_s=after_s.get(step, after_s["others"]))
        # What had ended is not done again: the step that was killed before is the first to begin.
        assert begun[0] == steps[max(at - 1, 0)]
        words = ("resume", "--origin-run-id", run)
    return finish(start(flow, *words, folder=folder))


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    if process.stdout is not None:
        process.stdout.close()


def test_a_run_that_is_killed_in_each_step_ends_as_one_that_is_not(
    logs: Path, tmp_path: Path
) -> None:
    file = settings(tmp_path, logs, least_gain=-1.0)
    words = ("run", "--settings", file, "--out", tmp_path / "runs")
    after = {"learn": 4.0, "others": 1.0}
    told = killed_in_each("train", TRAIN, *words, folder=tmp_path, after_s=after)

    registry = Registry(tmp_path / "models")
    (version,) = registry.versions()
    assert version.current
    assert f"is published as {version.version}, and answers from now on" in told
    (record,) = (tmp_path / "runs").glob("*/run.json")
    figures = json.loads(record.read_text())["figures"]
    assert figures["published"] == version.version
    assert figures["held_because"] == []
    folder = record.parent
    assert pq.read_metadata(folder / "labels.parquet").num_rows > 1_000
    assert pq.read_metadata(folder / "credits.parquet").num_rows > 100
    assert {each.name for each in (folder / "trials").iterdir()} == {"constant", "r"}


def test_what_fails_the_gate_is_not_published_and_the_run_says_why(
    logs: Path, tmp_path: Path
) -> None:
    file = settings(tmp_path, logs, least_gain=10.0)
    told = finish(
        start("train", "run", "--settings", file, "--out", tmp_path / "runs", folder=tmp_path)
    )
    assert re.search(r"Nothing was published: .* the lower end is not above 10", told)
    assert not (tmp_path / "models").exists()
    (record,) = (tmp_path / "runs").glob("*/run.json")
    figures = json.loads(record.read_text())["figures"]
    assert figures["published"] is None
    assert "not above 10" in figures["held_because"][0]
    (card,) = (tmp_path / ".metaflow").glob("mf.cards/**/gate/**/*.html")
    assert "Causal Ranker, learner" in card.read_text(encoding="utf-8")


def test_days_are_filled_in_parallel_and_after_a_kill_in_each_step(
    logs: Path, tmp_path: Path
) -> None:
    file = tmp_path / "backfill.toml"
    file.write_text(
        f"""
        impressions = "{logs}/impressions.parquet"
        plays = "{logs}/plays.parquet"
        out = "{tmp_path / "credits"}"
        days_a_task = 3
        """
    )
    words = ("run", "--settings", file)
    told = killed_in_each("backfill", BACKFILL, *words, folder=tmp_path, after_s=SOON)
    days = sorted((tmp_path / "credits").glob("date=*/credits.parquet"))
    assert f"{len(days)} days" in told
    plays = pq.read_table(logs / "plays.parquet")
    connection = connect()
    found = read_table(str(tmp_path / "credits"), connection, name="credits")
    assert found["play_id"].nunique().to_pyarrow().as_py() == plays.num_rows
    record = read_run(tmp_path / "credits")
    assert record.command == "backfill flow"
    assert record.inputs["plays"]["rows"] == plays.num_rows
    assert record.settings["days_a_task"] == 3
    assert len(record.figures["credits"]) == len(days)


def watched(tmp_path: Path) -> Path:
    """Settings of a table that moves and of one that does not."""
    rng = np.random.default_rng(7)
    for name, shift in (("before", 0.0), ("now", 1.5)):
        rows = {"score": rng.normal(shift, 1, 3_000), "calm": rng.normal(size=3_000)}
        pq.write_table(pa.table(rows), tmp_path / f"{name}.parquet")
    file = tmp_path / "monitor.toml"
    file.write_text(
        f"""
        [tables.scores]
        reference = "{tmp_path / "before.parquet"}"
        window = "{tmp_path / "now.parquet"}"
        review = "{tmp_path / "review.sqlite"}"
        [tables.still]
        reference = "{tmp_path / "before.parquet"}"
        window = "{tmp_path / "before.parquet"}"
        """
    )
    return file


def test_tables_are_watched_and_alerts_go_to_review(tmp_path: Path) -> None:
    file = watched(tmp_path)
    words = ("run", "--settings", file, "--out", tmp_path / "runs")
    told = finish(start("monitor", *words, folder=tmp_path))
    assert "advice: stop; 1 new alerts to review" in told or "advice: retrain; 1 new" in told
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "scores.json").read_text())["drifted"] == ["score"]
    assert json.loads((folder / "still.json").read_text())["advice"] == "nothing"
    assert {each.suffix for each in folder.iterdir()} == {".html", ".json", ".prom"}
    record = read_run(folder)
    assert record.command == "monitor flow"
    assert record.inputs["scores window"]["rows"] == 3_000
    assert record.figures["drifted"] == {"scores": ["score"], "still": []}
    assert set(record.settings["tables"]) == {"scores", "still"}
    with ReviewQueue(tmp_path / "review.sqlite") as queue:
        (entry,) = queue.entries(kind="alert")
    assert entry.about.subject == "score"


def test_a_watch_that_is_killed_in_each_step_tells_of_each_alert_once(tmp_path: Path) -> None:
    words = ("run", "--settings", watched(tmp_path), "--out", tmp_path / "runs")
    told = killed_in_each("monitor", MONITOR, *words, folder=tmp_path, after_s=SOON)
    assert "scores: " in told
    assert "still: " in told
    (record,) = (tmp_path / "runs").glob("*/run.json")
    assert read_run(record.parent).figures["drifted"] == {"scores": ["score"], "still": []}
    with ReviewQueue(tmp_path / "review.sqlite") as queue:
        assert [each.about.subject for each in queue.entries(kind="alert")] == ["score"]
