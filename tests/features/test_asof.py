"""Nothing from t0 on may enter a row; what came before does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.features.asof import AsOfFeatures, Levels, outcome_counts
from causal_ranker.features.config import FeatureConfig
from causal_ranker.logs.sources import read_table
from tests.features.logs import (
    CONFIG,
    ENGINE,
    Logs,
    at,
    block_of,
    frame_of,
    play,
    random_logs,
    row,
)

LOGS = random_logs(11)
T0S = sorted(set(LOGS.rows["t0"]))
FEATURES = frame_of(block_of(LOGS))

ids = st.integers(0, 5)
delays = st.sampled_from([0, 1, 10**6, 3_600 * 10**6, 30 * 86_400 * 10**6])


def up_to(table: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    return table[table.index.get_level_values("t0") <= moment]


@settings(max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # no shrinking
@given(
    cut=st.sampled_from(T0S),
    plays=st.lists(st.tuples(ids, ids, delays), max_size=8),
    shown=st.lists(st.tuples(ids, ids, delays), max_size=8),
    lags=st.lists(delays, min_size=1, max_size=2),
    rows=st.lists(
        st.tuples(ids, ids, delays, st.booleans()),
        max_size=6,
        unique_by=lambda drawn: drawn[:3],
    ),
)
def test_what_happens_at_t0_or_later_changes_nothing(
    cut: datetime, plays: list[Any], shown: list[Any], lags: list[int], rows: list[Any]
) -> None:
    known = set(map(tuple, LOGS.rows[["user_id", "item_id", "t0"]].to_numpy()))
    # Of users and items that happen to be drawn few are those of a row at this very moment.
    own = LOGS.rows[LOGS.rows["t0"] == cut][["user_id", "item_id"]].itertuples(index=False)
    near = [(u, i, d) for u, i in own for d in (0, *lags)]
    later = LOGS.plus(
        plays=[
            play(u, i, cut + timedelta(microseconds=d), credit=1.0) for u, i, d in [*plays, *near]
        ],
        shown=[(u, i, cut + timedelta(microseconds=d)) for u, i, d in [*shown, *near]],
        rows=[
            row(u, i, cut + timedelta(microseconds=d), treatment=int(hit), outcome=int(hit))
            for u, i, d, hit in rows
            if (u, i, pd.Timestamp(cut + timedelta(microseconds=d))) not in known
        ],
    )
    before = up_to(FEATURES, cut)
    after = frame_of(block_of(later)).loc[before.index]
    pd.testing.assert_frame_equal(after, before)


def changed(logs: Logs, key: tuple[Any, ...]) -> set[str]:
    new = frame_of(block_of(logs)).loc[key].to_numpy()
    return {
        name
        for name, a, b in zip(CONFIG.names, FEATURES.loc[key], new, strict=True)
        if not np.array_equal(a, b, equal_nan=True)
    }


def test_a_play_just_before_t0_counts() -> None:
    """The guard is sharp: a microsecond earlier, the same play changes the row."""
    key = next(key for key in FEATURES.index if key[0] == 2)
    user, item, t0 = key
    just_before, at_t0 = (
        LOGS.plus(plays=[play(user, item, t0 - timedelta(microseconds=d))]) for d in (1, 0)
    )
    assert changed(at_t0, key) == set()
    assert {
        *(f"{of}_plays_{days}d" for of in ("user", "pair") for days in (2, 7, 21)),
        "user_credited_share",
    } <= changed(just_before, key)


def test_item_state_is_that_of_the_last_full_hour() -> None:
    key = FEATURES.index[len(FEATURES) // 2]
    _, item, t0 = key
    hour = t0.floor("h")
    nobody = 77
    assert changed(LOGS.plus(plays=[play(nobody, item, hour)]), key) == set()
    counts = {f"item_plays_{days}d" for days in (2, 7, 21)}
    earlier = hour - timedelta(microseconds=1)
    assert changed(LOGS.plus(plays=[play(nobody, item, earlier)]), key) == counts


def test_an_outcome_counts_once_its_horizon_has_ended() -> None:
    sometimes_shown = FEATURES[FEATURES["item_shown_share"].between(0, 0.9)]
    key = max(sometimes_shown.index, key=lambda key: key[2])
    _, item, t0 = key
    hour = t0.floor("h")
    seen = row(77, item, hour - timedelta(days=1), treatment=1, outcome=1)
    late = seen | {"horizon_end": hour + timedelta(microseconds=1)}
    on_time = seen | {"horizon_end": hour}
    # that it was shown was known at once; whether it was played was not
    assert changed(LOGS.plus(rows=[late]), key) == {"item_shown_share"}
    assert changed(LOGS.plus(rows=[on_time]), key) == {
        "item_shown_share",
        "item_rate_shown",
        "item_rate_difference",
    }


def test_an_item_is_as_unknown_before_its_first_row_as_one_that_never_comes() -> None:
    """Or a row at t0 would tell that there will be rows: served items have none yet."""
    t0 = at(40)
    asked = LOGS.plus(rows=[row(1, 77, t0)])
    found = frame_of(block_of(asked)).loc[(1, 77, pd.Timestamp(t0))]
    assert found[["item_shown_share", "item_rate_shown", "item_rate_not_shown"]].isna().all()


def test_rows_may_come_in_any_order_and_one_at_a_time() -> None:
    shuffled = replace(
        LOGS,
        rows=LOGS.rows.sample(frac=1, random_state=1),
        plays=LOGS.plays.sample(frac=1, random_state=2),
    )
    pd.testing.assert_frame_equal(frame_of(block_of(shuffled)), FEATURES)


def test_codes_are_the_places_of_sorted_levels_and_unseen_ones_are_missing() -> None:
    levels = Levels(
        {
            "user_country": ("AT",),
            "item_genre": ("crime",),
            "item_kids": ("false", "true"),
            "device": ("phone", "tv"),
        }
    )
    logs = replace(
        LOGS,
        rows=pd.DataFrame(
            [
                row(1, 0, at(30), device="phone"),
                row(2, 2, at(30), device="watch"),
                row(3, 0, at(30), device=None),
            ]
        ),
        users=pd.DataFrame({"user_id": [1, 2], "age": 30, "country": ["AT", "BR"]}),
    )
    found = frame_of(block_of(logs, levels=levels))
    expected = {
        "user_country": [0, np.nan, np.nan],
        "item_genre": [0, np.nan, 0],
        "item_kids": [1, 1, 1],
        "device": [0, np.nan, np.nan],
    }
    for name, codes in expected.items():
        np.testing.assert_array_equal(found[name], codes, err_msg=name)


def test_levels_are_learned_from_all_tables() -> None:
    learned = block_levels(LOGS)
    assert learned == {
        "user_country": ("AT", "BR"),
        "item_genre": ("crime", "drama"),
        "item_kids": ("false", "true"),
        "device": ("phone", "tv"),
    }


def block_levels(logs: Logs) -> dict[str, tuple[str, ...]]:
    return Levels.learn(
        read_table(logs.rows, ENGINE, name="rows"),
        users=read_table(logs.users, ENGINE, name="users"),
        items=read_table(logs.items, ENGINE, name="items"),
        config=CONFIG,
    ).by_feature


def test_an_item_column_called_group_is_only_a_column() -> None:
    config = FeatureConfig(windows_days=(7,), item_group="genre", item_categories=("group",))
    items = pd.DataFrame({"item_id": [0, 1], "genre": "crime", "group": ["a", "b"]})
    logs = Logs(pd.DataFrame([row(1, 0, at(30))]), pd.DataFrame([play(1, 1, at(29))]), None, items)
    found = frame_of(block_of(logs, config=config), config=config).iloc[0]
    assert found["group_plays_7d"] == 1
    assert found["item_group"] == 0


@pytest.mark.parametrize(
    ("config", "table"),
    [
        (FeatureConfig(user_numbers=("height",)), "users"),
        (FeatureConfig(user_categories=("city",)), "users"),
        (FeatureConfig(item_numbers=("weight",)), "items"),
        (FeatureConfig(item_categories=("colour",)), "items"),
        (FeatureConfig(item_group="shelf"), "items"),
        (FeatureConfig(item_vectors={"taste": 3}), "items"),
        (FeatureConfig(user_vectors={"taste": 3}), "users"),
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_a_feature_without_its_column_is_refused(
    config: FeatureConfig, table: str, given: bool
) -> None:
    logs = LOGS if given else replace(LOGS, users=None, items=None)
    with pytest.raises(SchemaError, match=table):
        block_of(logs, config=config)


@pytest.mark.parametrize(
    ("look", "length", "error", "message"),
    [
        ([[1.0, 2.0], [1.0]], 2, RowError, r"2 numbers in each list of 'look'; got lists of 1"),
        ([[1.0, 2.0], None], 3, RowError, r"3 numbers in each list of 'look'; got lists of 2"),
        ([1.0, 2.0], 2, SchemaError, r"lists of 2 numbers in 'look'; got float64"),
        ([["a"], ["b"]], 1, SchemaError, r"lists of 1 numbers in 'look'; got array<string>"),
    ],
)
def test_lists_of_another_length_or_kind_are_refused(
    look: list[Any], length: int, error: type[Exception], message: str
) -> None:
    items = pd.DataFrame({"item_id": [0, 1], "look": look})
    with pytest.raises(error, match=message):
        block_of(replace(LOGS, items=items), config=FeatureConfig(item_vectors={"look": length}))


def test_exposures_are_needed_where_they_are_features() -> None:
    logs = random_logs(2)
    rows = read_table(logs.rows, ENGINE, name="rows")
    config = FeatureConfig(exposures=True)
    with pytest.raises(SchemaError, match="exposures, as the config asks for dose and recency"):
        AsOfFeatures(
            ENGINE,
            plays=read_table(logs.plays, ENGINE, name="plays"),
            daily=outcome_counts(rows),
            users=None,
            items=None,
            requests=rows.select("user_id", "t0").distinct(),
            config=config,
            levels=Levels(),
        )


def test_without_tables_of_users_and_items() -> None:
    config = FeatureConfig(windows_days=(7,))
    found = frame_of(block_of(replace(LOGS, users=None, items=None), config=config), config=config)
    assert found["user_plays_7d"].notna().all()
    assert list(found.columns) == config.names
