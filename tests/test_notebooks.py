"""Each notebook runs as a script, on a small slice, and its pair is the same notebook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
import pandas as pd
import pytest
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks import notebooks as benchmark
from benchmarks.notebooks import NOTEBOOKS, SLICE, run_notebook
from causal_ranker.logs.datasets.movielens import load_movielens
from causal_ranker.logs.sources import connect
from causal_ranker.recommenders.implicit import ImplicitRecommender
from notebooks.pair import paired

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_on_a_slice_and_leaves_pictures(
    path: Path, tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIELENS", str(data_folder / "movielens_small"))  # may not be there
    run_notebook(path, out=tmp_path, users=SLICE)
    left = [*tmp_path.glob("out/**/*.svg"), *tmp_path.glob("out/**/*.html")]
    assert left
    for picture in left:
        assert picture.stat().st_size > 1_000


def test_what_they_claim_is_asserted_and_each_ends_with_your_own_data() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert text.count("# %% [markdown]") >= 3
        assert "\nassert " in text or "\n    assert " in text, path.name
        headings = re.findall(r"^# ## (.+)$", text, flags=re.MULTILINE)
        assert headings[-1] == "With your own data", path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_pair_is_the_same_and_holds_no_outputs(path: Path) -> None:
    pair = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert pair == paired(path), "run `make notebooks`"
    book = nbformat.reads(pair, as_version=4)
    nbformat.validate(book)
    assert not any(cell.get("outputs") for cell in book.cells)


def test_the_pair_of_a_pair_is_the_notebook_again() -> None:
    """What the `.ipynb` holds is all that the `.py` does, and nothing else."""
    for path in NOTEBOOKS:
        book = jupytext.read(path.with_suffix(".ipynb"))
        again = jupytext.reads(jupytext.writes(book, fmt="py:percent"), fmt="py:percent")
        told = [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]
        assert [(cell.cell_type, cell.source) for cell in again.cells] == told


def test_a_notebook_that_fails_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "00_broken.py"
    broken.write_text("assert 1 + 1 == 3, 'sums'\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="sums"):
        run_notebook(broken, out=tmp_path, users=SLICE)


def test_the_benchmark_runs_each_on_the_slice_and_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    notebook = tmp_path / "00_tells.py"
    notebook.write_text(
        "import os, time\n"
        "time.sleep(0.3)\n"
        f"with open({str(seen)!r}, 'a') as told:\n"
        "    told.write(os.environ.get('NOTEBOOK_USERS', 'its own') + '\\n')\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("NOTEBOOK_USERS", "7")  # the caller's own is not what is measured
    monkeypatch.setattr(benchmark, "NOTEBOOKS", (notebook,))
    found = benchmark.run(quick=False)
    assert seen.read_text("utf-8").split("\n")[:2] == [str(SLICE), "its own"]
    assert found.columns == ("notebook", "seconds, slice", "seconds, full")
    assert [row[0] for row in found.rows] == ["00_tells", "all"]
    assert found.figures["slice_total"] == found.figures["slice_seconds"]["00_tells"] > 0
    assert benchmark.run(quick=True).columns == ("notebook", "seconds, slice")


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
