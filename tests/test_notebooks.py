"""Each notebook runs as a script, on a small slice, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, data_folder: Path) -> None:
    environment = {
        **os.environ,
        "NOTEBOOK_USERS": "120",
        "NOTEBOOK_OUT": str(tmp_path / "out"),
        "MOVIELENS": str(data_folder / "movielens_small"),  # left out where it is not there
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    assert "per 100 slots" in done.stdout


def test_there_is_one_and_its_cells_are_marked() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert text.count("# %% [markdown]") >= 3
        assert "With your own data" in text
