"""The film world: its filters and formulas on a made-up table, its look on MovieLens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.logs.datasets.movielens import load_movielens
from causal_ranker.logs.sources import connect
from causal_ranker.worlds.semisynthetic import films
from causal_ranker.worlds.semisynthetic.films import FilmsConfig, films_world
from causal_ranker.worlds.semisynthetic.pair_world import PairWorld

SMALL = FilmsConfig(film_ratings=5, user_ratings=5, recommendations=4, margin=0.01)

FEW = 13


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    """Sixty users and forty films of falling popularity."""
    rng = np.random.default_rng(0)
    rows = [
        (user, 1000 - film, rng.integers(1, 11) / 2)
        for user in range(10, 70)
        for film in range(40)
        if rng.random() < 0.9 / (1 + film / 12)
    ]
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "rating"])
    return table.sample(frac=1, random_state=0)


def test_probabilities_are_the_recipes(
    ratings: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions in the place of the factorisations, then the fractions by hand."""
    seen: dict[str, NDArray[Any]] = {}
    stars = np.random.default_rng(1)

    def rated(rating: NDArray[np.float32], given: NDArray[np.bool_], **_: object) -> object:
        seen["rating"], seen["given"] = rating, given
        seen["r"] = stars.uniform(0, 6, size=given.shape).astype(np.float32)
        return seen["r"]

    def watched(given: NDArray[np.bool_], **_: object) -> object:
        np.testing.assert_array_equal(given, seen["given"])
        seen["w"] = stars.uniform(0, 1, size=given.shape).astype(np.float32)
        return seen["w"]

    monkeypatch.setattr(films, "predict_ratings", rated)
    monkeypatch.setattr(films, "predict_watches", watched)
    world = films_world(ratings, config=SMALL)
    by_hand = ratings.set_index(["user_id", "item_id"]).rating.to_dict()
    for row, user in enumerate(world.users.tolist()):
        for column, item in enumerate(world.items.tolist()):
            assert seen["given"][row, column] == ((user, item) in by_hand)
            if seen["given"][row, column]:
                assert seen["rating"][row, column] == by_hand[user, item]
    shown = 1 / (1 + np.exp(5 - seen["r"].astype(np.float64)))
    np.testing.assert_allclose(world.played_if_shown, shown, rtol=1e-5)
    np.testing.assert_array_equal(world.played_if_not, seen["w"])
    # one number c for all, but for ranks that are held at .99
    mean = (shown + seen["w"]) / 2
    rank = 1 + np.argsort(np.argsort(-mean, axis=1), axis=1)
    c = world.propensity[0, rank[0] == len(world.items)] * len(world.items)
    np.testing.assert_allclose(world.propensity, np.minimum(c / rank, 0.99), rtol=1e-5)
    np.testing.assert_allclose(world.propensity.sum(axis=1), 4, rtol=1e-5)
    assert world.statistics["ratings"] == seen["given"].sum()


def test_films_and_users_with_few_ratings_are_left_out(ratings: pd.DataFrame) -> None:
    """By hand: drop again and again, as one falls with the other."""
    kept = {(int(u), int(i)) for u, i in zip(ratings.user_id, ratings.item_id, strict=True)}
    first = {
        (u, i)
        for u, i in kept
        if sum(b == i for _, b in kept) >= FEW and sum(a == u for a, _ in kept) >= FEW
    }
    while True:
        users = {u: sum(a == u for a, _ in kept) for u, _ in kept}
        items = {i: sum(b == i for _, b in kept) for _, i in kept}
        left = {(u, i) for u, i in kept if users[u] >= FEW and items[i] >= FEW}
        if left == kept:
            break
        kept = left
    assert kept < first  # one round would not do
    config = FilmsConfig(film_ratings=FEW, user_ratings=FEW, recommendations=4)
    world = films_world(ratings, config=config)
    assert world.users.tolist() == sorted({u for u, _ in kept})
    assert world.items.tolist() == sorted({i for _, i in kept})
    assert world.statistics["ratings"] == len(kept)


def test_order_of_rows_and_other_columns_change_nothing(ratings: pd.DataFrame) -> None:
    before = ratings.copy()
    world = films_world(ratings, config=SMALL)
    other = films_world(ratings.sort_values("rating").assign(play_id=1), config=SMALL)
    np.testing.assert_array_equal(world.propensity, other.propensity)
    np.testing.assert_array_equal(world.played_if_shown, other.played_if_shown)
    pd.testing.assert_frame_equal(ratings, before)
    again = films_world(ratings, seed=1, config=SMALL)
    assert (again.played_if_shown != world.played_if_shown).any()


def test_input_that_cannot_be_used_is_told(ratings: pd.DataFrame) -> None:
    with pytest.raises(SchemaError, match="got no rating among user_id, item_id, stars"):
        films_world(ratings.rename(columns={"rating": "stars"}))
    with pytest.raises(RowError, match="each pair of user and item once; got 1 rows"):
        films_world(pd.concat([ratings, ratings[:1]]))
    for value in (np.nan, np.inf):
        holes = ratings.assign(rating=ratings.rating.mask(ratings.user_id == 12, value))
        expected = (ratings.user_id == 12).sum()
        with pytest.raises(RowError, match=f"finite rating in each row; got {expected} rows"):
            films_world(holes)
    gaps = ratings.user_id.astype("Int64").mask(ratings.item_id == 990)
    with pytest.raises(RowError, match="an id of user and item"):
        films_world(ratings.assign(user_id=gaps))
    nullable = ratings.rating.astype("Float64").mask(ratings.item_id == 990)
    with pytest.raises(RowError, match="finite rating"):
        films_world(ratings.assign(rating=nullable))
    with pytest.raises(SchemaError, match="numbers of stars"):
        films_world(ratings.assign(rating=ratings.rating.astype(str)))
    with pytest.raises(EmptyError, match="films with 1000 ratings by users with 10"):
        films_world(ratings, config=FilmsConfig(film_ratings=1000))
    every = pd.DataFrame([(u, i, 3.0) for u in range(20) for i in range(20)])
    with pytest.raises(EmptyError, match=r"pairs without a rating.*all 400 pairs"):
        films_world(every.set_axis(["user_id", "item_id", "rating"], axis=1))
    with pytest.raises(ConfigError, match="recommendations = 100"):
        films_world(ratings, config=FilmsConfig(film_ratings=5, user_ratings=5))
    with pytest.raises(ConfigError, match="margin"):
        FilmsConfig(margin=0.0)


def expected_at_10(world: PairWorld, score: NDArray[np.float32]) -> float:
    top = np.argsort(-score, axis=1)[:, :10]
    return float(np.take_along_axis(world.effect, top, axis=1).mean())


@pytest.mark.slow
@pytest.mark.needs_data("movielens_small")
def test_movielens_resembles_the_published_world(data_folder: Path) -> None:
    folder = data_folder / "movielens_small"
    logs = load_movielens(
        folder / "ratings.csv.gz", folder / "movies.csv.gz", connection=connect(threads=1)
    )
    movielens = films_world(logs.plays.to_pandas())
    told = movielens.statistics
    assert told["users"] == 670
    assert told["items"] == 1737
    assert told["exposures_per_user"] == pytest.approx(100, rel=1e-4)
    # what is watched anyway gains nothing from being shown: the published rankers of accuracy had
    # a CP@10 of -.41, and the best causal ones +.25
    assert -0.5 < expected_at_10(movielens, movielens.played_if_not) < -0.25
    assert 0.25 < expected_at_10(movielens, movielens.effect) < 0.4
    popular = np.broadcast_to(movielens.played_if_not.sum(axis=0), movielens.effect.shape)
    assert expected_at_10(movielens, popular) < 0
