"""The adapters: on small files of the sources' form, and on the sources where they are at hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ibis.backends.duckdb import Backend

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.logs.datasets.hillstrom import load_hillstrom
from causal_ranker.logs.datasets.movielens import load_movielens
from causal_ranker.logs.datasets.open_bandit import load_open_bandit
from causal_ranker.logs.sources import connect


@pytest.fixture
def engine() -> Backend:
    return connect()


BANDIT = pd.DataFrame(
    {
        "timestamp": ["2019-11-24 00:00:02+00:00", "2019-11-24 00:00:01+00:00"],
        "item_id": [4, 7],
        "position": [3, 1],
        "click": [1, 0],
        "propensity_score": [0.5, 1e-6],
        "user_feature_0": ["a", "b"],
        "user-item_affinity_0": [0.0, 1.0],
    }
)


def test_each_bandit_row_is_its_own_user(tmp_path: Path, engine: Backend) -> None:
    path = tmp_path / "men.csv"
    BANDIT.to_csv(path, index=False)
    logs = load_open_bandit(path, engine)
    shown = logs.impressions.order_by("impression_id").to_pandas()
    assert shown["user_id"].tolist() == [0, 1]
    assert shown["item_id"].tolist() == [7, 4]
    assert shown["propensity"].tolist() == [1e-6, 0.5]
    assert "user-item_affinity_0" not in shown
    plays = logs.plays.to_pandas()
    assert plays[["user_id", "item_id"]].to_numpy().tolist() == [[1, 4]]
    assert plays["played_at"][0] == shown["t0"][1]
    BANDIT.iloc[::-1].to_csv(path, index=False)
    again = load_open_bandit(path, engine).impressions.order_by("impression_id").to_pandas()
    pd.testing.assert_frame_equal(shown, again)
    BANDIT.drop(columns="click").to_csv(path, index=False)
    with pytest.raises(SchemaError, match="'click'"):
        load_open_bandit(path, engine)


def hillstrom(arms: list[str]) -> pd.DataFrame:
    size = len(arms)
    facts = {name: np.arange(size) for name in ("recency", "history", "mens", "womens", "newbie")}
    words = {name: ["x"] * size for name in ("history_segment", "zip_code", "channel")}
    ones = {"visit": [1] * size, "conversion": [0] * size, "spend": [2.5] * size}
    return pd.DataFrame({"segment": arms, **facts, **words, **ones})


def test_both_emails_share_the_control(tmp_path: Path, engine: Backend) -> None:
    path = tmp_path / "hillstrom.csv"
    hillstrom(["Mens E-Mail", "No E-Mail", "Womens E-Mail"]).to_csv(path, index=False)
    logs = load_hillstrom(path, engine)
    rows = logs.candidates.to_pandas()
    counts = rows.groupby(["item_id", "shown"]).size().to_dict()
    assert counts == {
        ("mens", False): 1,
        ("mens", True): 1,
        ("womens", False): 1,
        ("womens", True): 1,
    }
    assert set(rows["propensity"]) == {0.5}
    assert len(logs.plays.to_pandas()) == 4
    assert logs.users.count().execute() == 3
    hillstrom(["Mens E-Mail", "Letter"]).to_csv(path, index=False)
    with pytest.raises(RowError, match="1 rows with others"):
        load_hillstrom(path, engine)


def test_ratings_are_plays(tmp_path: Path, engine: Backend) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n31,Film (1995),Drama|War\n")
    logs = load_movielens(tmp_path / "ratings.csv", tmp_path / "movies.csv", connection=engine)
    play = logs.plays.to_pandas().iloc[0]
    assert (play["user_id"], play["item_id"], play["rating"]) == (1, 31, 2.5)
    assert play["played_at"] == datetime(2009, 12, 14, 2, 52, 24, tzinfo=UTC)
    assert logs.items.to_pandas()["genres"].tolist() == ["Drama|War"]
    with pytest.raises(SchemaError, match="'userId'"):
        load_movielens(tmp_path / "movies.csv", tmp_path / "movies.csv", connection=engine)


@pytest.mark.needs_data("open_bandit")
def test_open_bandit_has_its_published_counts(data_folder: Path, engine: Backend) -> None:
    logs = load_open_bandit(data_folder / "open_bandit" / "impressions_all.parquet", engine)
    assert logs.impressions.count().execute() == 40_000
    assert logs.plays.count().execute() == 207
    assert logs.impressions.propensity.min().execute() == pytest.approx(1e-6, rel=0.5)


@pytest.mark.needs_data("hillstrom")
def test_hillstrom_has_its_published_rates(data_folder: Path, engine: Backend) -> None:
    logs = load_hillstrom(data_folder / "hillstrom" / "hillstrom.csv.gz", engine)
    rows = logs.candidates.to_pandas()
    counts = rows[rows["shown"]].groupby("item_id").size().to_dict()
    assert counts == {"mens": 21_307, "womens": 21_387}
    assert logs.users.count().execute() == 64_000
    visited = rows.merge(
        logs.plays.select("user_id", "item_id").to_pandas(), indicator=True, how="left"
    )
    rates = (
        visited.assign(hit=visited["_merge"] == "both").groupby(["item_id", "shown"])["hit"].mean()
    )
    assert rates["mens", True] == pytest.approx(0.1828, abs=5e-5)
    assert rates["womens", True] == pytest.approx(0.1514, abs=5e-5)
    assert rates["mens", False] == rates["womens", False] == pytest.approx(0.1062, abs=5e-5)


@pytest.mark.needs_data("movielens_small")
def test_movielens_has_its_published_count(data_folder: Path, engine: Backend) -> None:
    folder = data_folder / "movielens_small"
    logs = load_movielens(folder / "ratings.csv.gz", folder / "movies.csv.gz", connection=engine)
    assert logs.plays.count().execute() == 100_004
