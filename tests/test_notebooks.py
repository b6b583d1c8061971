"""Each notebook runs as a script, on a small slice, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from causal_ranker.logs.datasets.movielens import load_movielens
from causal_ranker.logs.sources import connect
from causal_ranker.recommenders.implicit import ImplicitRecommender

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


@pytest.mark.needs_data("movielens_small")
def test_the_ten_lines_wrap_als_on_movielens(data_folder: Path) -> None:
    """The lines that the tutorial prints are run as they stand, up to the wrapped model."""
    text = (ROOT / "notebooks" / "02_wrap_an_existing_recommender.py").read_text(encoding="utf-8")
    block = text.split("# ```python\n")[1].split("# ```")[0]
    lines = [line.removeprefix("# ") for line in block.splitlines()]
    assert len(lines) == 10
    ranker = next(place for place, line in enumerate(lines) if line.startswith("ranker = "))
    ratings, movies = (
        next((data_folder / "movielens_small").glob(f"{name}.csv*"))
        for name in ("ratings", "movies")
    )
    rated = load_movielens(ratings, movies, connection=connect()).plays.to_pandas()
    cut = rated["played_at"].quantile(0.8).to_pydatetime()
    plays = rated[rated["played_at"] < cut]
    found: dict[str, Any] = {
        "pd": pd,
        "np": np,
        "csr_matrix": csr_matrix,
        "AlternatingLeastSquares": AlternatingLeastSquares,
        "ImplicitRecommender": ImplicitRecommender,
        "plays": plays,
        "cut": cut,
    }
    with threadpool_limits(1, "blas"):
        exec("\n".join(lines[:ranker]), found)
    someone = plays["user_id"].iloc[0]
    mine = found["base"].candidates([someone], at=cut, k=10)
    number = list(found["users"]).index(someone)
    best, scores = found["model"].recommend(
        number, found["matrix"][number], N=10, filter_already_liked_items=False
    )
    assert mine["item_id"].tolist() == [found["items"][each] for each in best]
    np.testing.assert_allclose(mine["base_score"], scores, rtol=1e-5)
