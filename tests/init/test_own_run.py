"""From two CSV files of a newcomer to a report and lists, by the README's own commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calling import ROOT, environment
from tests.init.newcomer import offers, write
from tests.structure.test_readme import first_block

MOST_COMMANDS = 5


def clone(folder: Path) -> None:
    """Lay out what `make .venv` looks at, with an environment that is already built.

    CI builds it by the same target, from an empty clone, before any test runs.
    """
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy2(ROOT / name, folder / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    program = programs / "causal-ranker"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m causal_ranker "$@"\n', "utf-8")
    program.chmod(0o755)
    for stamp in (".installed", ".spark"):
        (folder / ".venv" / stamp).touch()


@pytest.mark.slow
def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    block = first_block((ROOT / "README.md").read_text("utf-8"), "Your own tables", language="sh")
    commands = [line for line in block.splitlines() if line.strip()]
    assert len(commands) <= MOST_COMMANDS
    assert commands[0] == "make .venv"
    clone(tmp_path)
    offered, watched = offers()
    write(tmp_path, offered, watched)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=tmp_path,
        env={**environment(), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "runs" / "mine" / "report.json").read_text("utf-8"))
    assert report["verdict"] in done.stdout.replace("\n", " ")
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()
    # the list that was printed is of the newcomer's titles, each once
    listed = [word for word in done.stdout.split() if word in set(offered["title"])]
    assert listed
    assert len(set(listed)) == len(listed)
