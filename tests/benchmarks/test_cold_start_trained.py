from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks._cold_start_trained import load_films, trained

GENRES = ("Drama", "Comedy", "Horror", "War")


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small copy of the data set's form: users of one taste each, genres that tell of it."""
    rng = np.random.default_rng(0)
    n_films, n_users = 320, 90
    genre = rng.integers(4, size=n_films)
    words = [f"word{chr(97 + k // 10)}{chr(97 + k % 10)}" for k in range(80)]
    split = np.repeat(["warm", "cold_vali", "cold_test"], [200, 50, 70])[rng.permutation(n_films)]
    items = pd.DataFrame(
        {
            "iid": np.arange(n_films),
            "title": [
                f"{' '.join(rng.choice(words, 3))} (19{rng.integers(60, 99)})" for _ in genre
            ],
            "genres": [GENRES[code] for code in genre],
            "split": split,
        }
    )
    taste = np.arange(n_users)[:, None] % 4 == genre
    who, what = np.nonzero(rng.random(taste.shape) < np.where(taste, 0.5, 0.03))
    pairs = pd.DataFrame({"uid": who, "iid": what, "split": split[what]})
    pairs["split"] = pairs["split"].replace("warm", "train")
    folder = tmp_path / "ml1m_coldstart"
    folder.mkdir()
    items.sample(frac=1, random_state=0).to_parquet(folder / "items.parquet")
    pairs.to_parquet(folder / "pairs.parquet")
    monkeypatch.setenv("CAUSAL_RANKER_DATA", str(tmp_path))
    return folder


def test_films_are_in_order_and_their_pairs_are_their_own(films: Path) -> None:
    side = load_films("cold_test")
    items = pd.read_parquet(films / "items.parquet").set_index("iid").sort_index()
    items = items[items["split"] == "cold_test"]
    assert [names[0] for names in side.genres] == items["genres"].tolist()
    pairs = pd.read_parquet(films / "pairs.parquet")
    counts = pairs["iid"].value_counts().reindex(items.index, fill_value=0)
    np.testing.assert_array_equal(side.audience.matrix.sum(axis=0), counts)


@pytest.mark.slow
@pytest.mark.usefixtures("films")
def test_every_model_beats_chance_and_popularity() -> None:
    found = trained(quick=True)
    models = {"knn", "deepmusic_ridge", "deepmusic", "dropoutnet", "heater", "metadata_alignment"}
    assert found.keys() == models | {"random", "genre_popularity"}
    least = max(found["random"]["ndcg30"], found["genre_popularity"]["ndcg30"])
    for name in models:
        assert found[name]["ndcg30"] > least + 0.05, name
        low, high = found[name]["ndcg15_interval"]
        assert low < found[name]["ndcg15"] < high
        low, high = found[name]["mdg_min10_interval"]
        assert low <= found[name]["mdg_min10"] <= high
        assert {"seconds", "recall15", "precision30", "mdg_mean", "mdg_min10"} <= found[name].keys()
    heater = found["heater"]
    assert heater["loss_last"] < heater["loss_first"]
    assert 0.05 < heater["expert_least"] <= heater["expert_most"] < 0.6


def test_no_data_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUSAL_RANKER_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="CAUSAL_RANKER_DATA"):
        load_films("warm")
