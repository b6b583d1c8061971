"""Total plays, against a count by hand and by loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.labels.totals import total_plays
from causal_ranker.logs.sources import read_table
from tests.labels.builders import ENGINE, at, candidate, collect, play, random_world


def counted(candidates: list[dict[str, Any]], plays: list[dict[str, Any]]) -> dict[Any, int]:
    key = ["user_id", "t0", "horizon_end"]
    horizons = pd.DataFrame(candidates)[key].drop_duplicates()
    nobody = {name: type(candidates[0][name])(-1) for name in ("user_id", "item_id")}
    played = pd.DataFrame([*plays, play(-1, -2000, **nobody)])
    found = total_plays(
        read_table(horizons, ENGINE, name="candidates"),
        read_table(played.astype({"seconds": "float64"}), ENGINE, name="plays"),
    ).to_pyarrow()
    assert found.column_names == [*key, "total_plays"]
    assert found.num_rows == len(horizons)
    return {tuple(row[name] for name in key): row["total_plays"] for row in found.to_pylist()}


def test_every_item_counts_once_on_any_surface_and_the_end_does_not() -> None:
    plays = [
        play(1, 0, item_id=1),  # at t0 itself
        play(2, 3, item_id=1, surface="search"),  # again
        play(3, 9.99, item_id=7),  # no candidate
        play(4, 10, item_id=8),  # at the end of the horizon
        play(5, -0.01, item_id=9),  # before t0
        play(6, 5, item_id=9, user_id=2),  # somebody else
    ]
    found = counted([candidate(0), candidate(0, item_id=2), candidate(0, user_id=3)], plays)
    assert found == {(1, at(0), at(10)): 2, (3, at(0), at(10)): 0}


def test_horizons_of_one_request_may_differ() -> None:
    plays = [play(1, 2, item_id=5), play(2, 6, item_id=6)]
    found = counted([candidate(0, horizon=4), candidate(0, item_id=2, horizon=8)], plays)
    assert found == {(1, at(0), at(4)): 1, (1, at(0), at(8)): 2}


@pytest.mark.parametrize(("seed", "name"), [(0, int), (1, str)])
def test_by_loops_and_never_below_the_outcomes(seed: int, name: Any) -> None:
    candidates, _, plays = random_world(np.random.default_rng(seed), 12, name)
    found = counted(candidates, plays)
    for row in candidates:
        items = {
            each["item_id"]
            for each in plays
            if each["user_id"] == row["user_id"]
            and row["t0"] <= each["played_at"] < row["horizon_end"]
        }
        assert found[row["user_id"], row["t0"], row["horizon_end"]] == len(items)
    assert sum(found.values()) > 10


def test_the_rows_that_features_are_joined_to_do_not_carry_it() -> None:
    rows, _ = collect([candidate(0)], [play(1, 1)])
    assert "total_plays" not in rows.table.columns
