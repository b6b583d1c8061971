"""A fit that was killed goes on from the nuisances that it had."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from causal_ranker.serving.registry import Registry
from causal_ranker.worlds.logs import WorldLogs
from tests.cli.calling import MESSAGE, Run, environment

#: The program, which kills itself as it begins with what comes after the nuisances.
KILLED = """
import os, signal, sys
import causal_ranker.chain.train as chain
chain.choose_learner = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
from causal_ranker.cli import main
main(sys.argv[1:])
"""
SMALL = """
[dr.nuisance]
outcome = {rounds = 5}

[[candidates]]
learner = "constant"

[[candidates]]
learner = "dr"
stops = [1.0]
final = {rounds = 5}
"""


@pytest.mark.slow
def test_a_killed_fit_goes_on(run: Run, month: tuple[WorldLogs, list[str]], tmp_path: Path) -> None:
    logs, words = month
    kept = tmp_path / "kept"
    settings = tmp_path / "small.toml"
    settings.write_text(SMALL)
    words = ["fit", *words, "--log-end", logs.log_end.isoformat(), "--config", str(settings)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words, "--resume", kept, "--out", tmp_path / "one"],
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "one").exists()
    models = {file: file.stat().st_mtime_ns for file in kept.glob("*.txt")}
    assert len(models) == 4

    code, out, _ = run(*words, "--resume", kept, "--out", tmp_path / "two")
    assert code == 0
    assert f"nuisances: 4 of 4 models from {kept}" in out.replace("\n", "")
    assert {file: file.stat().st_mtime_ns for file in models} == models

    code, out, _ = run(*words, "--out", tmp_path / "whole")
    assert code == 0
    assert "nuisances:" not in out
    two, whole = (_published(tmp_path / name) for name in ("two", "whole"))
    for name in ("uplift.txt", "policy.json"):
        assert (two / name).read_bytes() == (whole / name).read_bytes()


def _published(registry: Path) -> Path:
    models = Registry(registry)
    return models.path_of(models.current())


def test_a_folder_that_cannot_be_is_told_before_the_logs_are_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    absent = [
        word for name in ("impressions", "plays", "candidates") for word in (f"--{name}", "x")
    ]
    code, _, err = run("fit", *absent, "--resume", tmp_path / "file" / "kept")
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
    assert "a folder for checkpoints" in err
