"""The commands on new items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest

from causal_ranker.cli.coldstart import _fit
from causal_ranker.coldstart.recommender import MODELS
from causal_ranker.runs.record import read_run
from tests.cli.calling import MESSAGE, Run

N_USERS, N_ITEMS, N_NEW = 90, 320, 80
GENRES = ("Drama", "Comedy", "Horror", "War")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of four genres, users of one taste each; the first films have only later plays."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    genre = rng.integers(4, size=N_ITEMS)
    names = np.array([f"film{at}" for at in range(N_ITEMS)])
    items = pd.DataFrame({"item_id": names, "genres": [f"{GENRES[code]}|Film" for code in genre]})
    items.to_parquet(folder / "items.parquet")
    taste = np.arange(N_USERS)[:, None] % 4 == genre
    who, what = np.nonzero(rng.random(taste.shape) < np.where(taste, 0.4, 0.04))
    plays = pd.DataFrame({"user_id": who, "item_id": names[what]})
    plays[what >= N_NEW].to_parquet(folder / "plays.parquet")
    plays[what < N_NEW].to_csv(folder / "later.csv", index=False)
    return folder


@pytest.fixture
def fitted(shop: Path, tmp_path: Path, run: Run) -> Path:
    code, out, err = run(
        *("coldstart", "fit", "--interactions", shop / "plays.parquet"),
        *("--items", shop / "items.parquet", "--categories", "genres"),
        *("--width", 4, "--out", tmp_path / "cold"),
    )
    assert (code, err) == (0, "")
    assert "cold items: 80" in out
    assert "Fairness to items" in out
    return tmp_path / "cold"


def test_from_plays_to_a_fair_page(shop: Path, fitted: Path, tmp_path: Path, run: Run) -> None:
    base, fair = fitted / "embeddings.npz", tmp_path / "fair.npz"
    words = ("coldstart", "debias", "--scores", base, "--interactions", shop / "plays.parquet")
    code, out, _ = run(*words, "--out", fair)
    assert code == 0
    assert "new items: 80" in out
    record = read_run(fair)
    assert (record.command, record.figures["new_items"]) == ("coldstart debias", N_NEW)
    assert set(record.inputs) == {"interactions", "scores"}
    assert all(len(each["content"]) == 32 for each in record.inputs.values())
    assert "Strengths tried on items held out" in out
    code, out, err = run(*words, "--method", "two_tiers", "--out", tmp_path / "t.parquet", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "method": "two_tiers",
        "chosen": None,
        "users": N_USERS,
        "users_without_positives": 0,
        "new_items": N_NEW,
        "warm_items": N_ITEMS - N_NEW,
        "pairs_of_other_users": 0,
        "pairs_of_other_items": 0,
        "missed": 0.0,
        "out": str(tmp_path / "t.parquet"),
    }
    judge = (
        *("coldstart", "evaluate", "--interactions", shop / "later.csv"),
        *("--scores", f"base={base}", "--scores", f"gen={fair}"),
        *("--scores", tmp_path / "t.parquet", "--warm", shop / "plays.parquet"),
    )
    page, drawing = tmp_path / "page.html", tmp_path / "drawing.svg"
    code, out, _ = run(*judge, "--html", page, "--plot", drawing)
    assert code == 0
    for words_told in ("Utility for users", "Fairness to items", "items not in all: 240"):
        assert words_told in out
    assert page.read_text("utf-8").count("<svg") == 1
    assert drawing.read_text("utf-8").startswith("<svg")
    record = read_run(page)
    assert record.command == "coldstart evaluate"
    assert set(record.inputs) == {"interactions", "warm", "scores 0", "scores 1", "scores 2"}
    assert set(record.figures["rankings"]) == {"base", "gen", "t"}
    code, out, err = run(*judge, "--k", 15, "--k", 20, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["items"], told["users"]) == (N_NEW, N_USERS)
    assert list(told["rankings"]) == ["base", "gen", "t"]
    figures = {name: each[0] for name, each in told["rankings"].items()}
    # 20 films of one's genre, 40 % of them liked: chance would find less than half of that
    assert figures["base"]["ndcg15"] > 0.35
    assert figures["base"]["ndcg15"] == figures["t"]["ndcg15"]  # the head of the list is kept
    low, high = figures["gen"]["mdg_min10_interval"]
    assert low <= figures["gen"]["mdg_min10"] <= high

    code, out, err = run(*judge, "--k", 20, "--plot", drawing)
    assert code == 2
    assert "lists of length 15, which the drawing is of; got 80 items, in lists of [20]" in err


def test_new_items_are_embedded_later(shop: Path, fitted: Path, tmp_path: Path, run: Run) -> None:
    items = pd.read_parquet(shop / "items.parquet").iloc[:30]
    items.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "new.npz"
    words = ("coldstart", "embed", "--model", fitted, "--items", tmp_path / "new.csv", "--out", out)
    code, printed, err = run(*words)
    assert (code, err) == (0, "")
    assert "30 items embedded, 0 of them without content" in printed
    assert read_run(out).figures == {"items": 30, "without_content": 0}
    with np.load(out) as new, np.load(fitted / "embeddings.npz") as all_items:
        np.testing.assert_array_equal(new["items"], all_items["items"][:30])
        np.testing.assert_array_equal(new["users"], all_items["users"])
        assert new["item_ids"].tolist() == items["item_id"].tolist()
    items.assign(genres="Musical").to_csv(tmp_path / "new.csv", index=False)
    code, printed, err = run(*words)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip())
    assert "30 of 30 items with none" in err


def test_long_lists_scores_without_numbers_and_content_of_another_width_are_told(
    shop: Path, fitted: Path, tmp_path: Path, run: Run
) -> None:
    with np.load(fitted / "embeddings.npz") as stored:
        arrays = dict(stored)
    matrix = arrays.pop("users") @ arrays.pop("items").T
    matrix[7, 3] = np.nan
    spoilt = tmp_path / "spoilt.npz"
    np.savez(spoilt, scores=matrix, **arrays)
    plays, later = shop / "plays.parquet", shop / "later.csv"
    dense = tmp_path / "dense.parquet"
    vectors = np.random.default_rng(1).normal(size=(N_ITEMS, 3))

    def written(width: int) -> Path:
        names = [f"film{at}" for at in range(N_ITEMS)]
        rows = vectors[:, :width].tolist()
        pd.DataFrame({"item_id": names, "picture": rows}).to_parquet(dense)
        return dense

    words = ("coldstart", "fit", "--interactions", plays, "--dense", "picture", "--width", 4)
    assert run(*words, "--items", written(3), "--out", tmp_path / "seen")[0] == 0
    judge = ("coldstart", "evaluate", "--interactions", later)
    made = ("--out", tmp_path / "new.npz")
    for asked, told in (
        ((*judge, "--scores", fitted / "embeddings.npz", "--k", 321), "from 1 to 320"),
        ((*judge, "--scores", spoilt), "1 of 90 rows with NaN or infinity, e.g. rows [7]"),
        (("coldstart", "debias", "--interactions", plays, "--scores", spoilt, *made), "[7]"),
        (
            ("coldstart", "embed", "--model", tmp_path / "seen", "--items", written(2), *made),
            "dense vectors of width 3, as in fit; got width 2",
        ),
    ):
        code, out, err = run(*asked)
        assert (code, out) == (2, "")
        assert MESSAGE.fullmatch(err.strip().splitlines()[-1])
        assert told in err


def test_what_is_fitted_is_told_in_one_line(shop: Path, tmp_path: Path, run: Run) -> None:
    config = tmp_path / "knn.toml"
    config.write_text("neighbours = 7\n")
    code, out, err = run(
        *("coldstart", "fit", "--interactions", shop / "plays.parquet", "--config", config),
        *("--items", shop / "items.parquet", "--categories", "genres", "--model", "knn"),
        *("--width", 4, "--validation-share", 0, "--out", tmp_path / "knn", "--json"),
    )
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["model"], told["warm_items"], told["held_out"]) == ("knn", 240, None)
    record = read_run(tmp_path / "knn")
    assert {**record.figures, "out": told["out"]} == told
    assert (record.settings["seed"], record.settings["config"]["neighbours"]) == (0, 7)
    assert set(record.inputs) == {"interactions", "items"}
    saved = json.loads((tmp_path / "knn" / "model.json").read_text("utf-8"))
    assert saved["config"]["neighbours"] == 7


def test_every_model_has_its_name_here() -> None:
    offered = get_args(get_args(get_type_hints(_fit, include_extras=True)["model"])[0])
    assert set(offered) == MODELS.keys()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fit", "--items", "{items}"], "at least one column of content"),
        (["fit", "--items", "{items}", "--text", "titel"], "the column 'titel' in items"),
        (
            ["fit", "--items", "{items}", "--categories", "genres", "--embeddings", "none.npz"],
            "No such file",
        ),
        (
            [
                "fit",
                "--items",
                "{items}",
                "--categories",
                "genres",
                "--user-embeddings",
                "u.parquet",
            ],
            "either --embeddings, or --user-embeddings and --item-embeddings",
        ),
        (["debias", "--out", "new.npz"], "either --scores, or --user-embeddings"),
        (["debias", "--scores", "s.npz", "--out", "new.csv"], "ends in .npz or .parquet"),
        (["debias", "--scores", "s.npz", "--out", "new.npz", "--most-loss", "2"], "most_loss"),
        (["evaluate", "--scores", "none.npz"], "No such file"),
        (["evaluate", "--scores", "s.npz", "--plot", "drawing.png"], "ends in .svg"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [word.format(items=shop / "items.parquet") for word in words]
    code, out, err = run("coldstart", *given, "--interactions", shop / "plays.parquet")
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip())
    assert told in err
