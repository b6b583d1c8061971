"""The grocery logs: a slice of the real data against plain pandas."""

from __future__ import annotations

import importlib.util
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ibis.backends.duckdb import Backend

from causal_ranker.errors import ConfigError, DataError, EmptyError, MissingExtraError
from causal_ranker.logs.contract import (
    check_candidates,
    check_impressions,
    check_items,
    check_plays,
)
from causal_ranker.logs.datasets import complete_journey
from causal_ranker.logs.datasets.complete_journey import (
    JourneyConfig,
    JourneyLogs,
    load_complete_journey,
    week_start,
)
from causal_ranker.logs.sources import connect
from tests.logs.journey import (
    CHOSEN_BY,
    ITEMS,
    KEY,
    NEW_YORK,
    PERMILLE,
    Raw,
    data,
    monday,
    read_raw,
    usual_store,
    week_of,
)


@pytest.fixture(scope="module")
def raw() -> Raw:
    return read_raw()


@pytest.fixture(scope="module")
def engine() -> Backend:
    return connect(threads=1)


@pytest.fixture(scope="module")
def logs(engine: Backend) -> JourneyLogs:
    settings = JourneyConfig(household_permille=PERMILLE, max_items=ITEMS, choose_until=CHOSEN_BY)
    return load_complete_journey(engine, config=settings)


@pytest.fixture(scope="module")
def rows(logs: JourneyLogs) -> pd.DataFrame:
    table = logs.candidates.to_pyarrow().to_pandas()
    return table.assign(week=week_of(table["t0"]))


@pytest.fixture(scope="module")
def usual(raw: Raw) -> dict[tuple[int, int], tuple[int | None, int]]:
    return {
        (int(household), week): usual_store(raw, household, week)
        for household in raw.visits["household_id"].unique()
        for week in range(2, 54)
    }


def test_t0_is_monday_midnight_in_new_york(rows: pd.DataFrame, engine: Backend) -> None:
    clocks = rows.drop_duplicates("week").set_index("week").sort_index()
    assert clocks.index.tolist() == list(range(2, 54))
    for week, row in clocks.iterrows():
        assert row["t0"] == monday(week)
        assert row["horizon_end"] == monday(week + 1)
        assert week_start(engine, week) == monday(week).to_pydatetime()
    local = clocks["t0"].dt.tz_convert(NEW_YORK)
    assert set(local.dt.day_of_week) == set(local.dt.hour) == {0}


def test_weeks_with_a_clock_change_have_another_length(rows: pd.DataFrame) -> None:
    """The clocks went forward on 12 March and back on 5 November 2017, both Sundays."""
    hours = (rows["horizon_end"] - rows["t0"]) / pd.Timedelta(hours=1)
    by_week = hours.groupby(rows["week"]).unique().map(list).to_dict()
    spring, autumn = 11, 45
    assert monday(spring) < pd.Timestamp("2017-03-12", tz=NEW_YORK) < monday(spring + 1)
    assert monday(autumn) < pd.Timestamp("2017-11-05", tz=NEW_YORK) < monday(autumn + 1)
    assert by_week.pop(spring) == [167]
    assert by_week.pop(autumn) == [169]
    assert all(lengths == [168] for lengths in by_week.values())


def test_a_request_begins_where_the_last_horizon_ends(rows: pd.DataFrame) -> None:
    clocks = rows.drop_duplicates("week").sort_values("t0")
    assert clocks["horizon_end"].tolist()[:-1] == clocks["t0"].tolist()[1:]


def test_products_are_chosen_from_early_weeks_alone(logs: JourneyLogs, raw: Raw) -> None:
    found = logs.items.to_pyarrow().to_pandas()
    assert len(raw.items) == ITEMS
    assert set(found["item_id"]) == set(raw.items)
    products = data("products").set_index("product_id").loc[found["item_id"]]
    for column, source in (("category", "product_category"), ("brand", "brand")):
        assert found[column].fillna("").tolist() == products[source].fillna("").tolist()


def test_later_weeks_would_choose_others(raw: Raw) -> None:
    config = JourneyConfig(household_permille=PERMILLE, max_items=ITEMS, choose_until=52)
    late = load_complete_journey(connect(threads=1), config=config).items
    assert set(late.item_id.to_pyarrow().to_pylist()) != set(raw.items)


def test_a_row_is_every_tracked_product_of_a_recent_visitor(
    rows: pd.DataFrame, raw: Raw, usual: Any
) -> None:
    expected = {key for key, (store, _) in usual.items() if store is not None}
    found = rows.groupby(["user_id", "week"])["item_id"].agg(set)
    assert set(found.index) == expected
    assert all(items == set(raw.items) for items in found)
    assert not rows.duplicated(KEY).any()


def test_rows_exist_whether_or_not_the_household_comes(rows: pd.DataFrame, raw: Raw) -> None:
    came = set(raw.visits[["household_id", "week"]].itertuples(index=False, name=None))
    asked = set(rows[["user_id", "week"]].itertuples(index=False, name=None))
    assert len(asked - came) > 100
    # and a household that stayed away for eight weeks has none, though it comes this week
    away = {
        (household, week)
        for household, week in came
        if week >= 2 and not any((household, week - back) in came for back in range(1, 9))
    }
    assert away
    assert not away & asked


def test_shown_means_promoted_in_the_usual_store(rows: pd.DataFrame, raw: Raw, usual: Any) -> None:
    """Intention to treat: whoever comes, and wherever to, does not matter."""
    expected = [
        (row.item_id, usual[row.user_id, row.week][0], row.week) in raw.promoted
        for row in rows.itertuples()
    ]
    assert rows["shown"].tolist() == expected
    assert 0.1 < rows["shown"].mean() < 0.7


def test_requests_without_a_logged_store_are_counted(logs: JourneyLogs, usual: Any) -> None:
    lost = [key for key, (store, visits) in usual.items() if store is None and visits]
    assert logs.dropped_requests == len(lost)


def test_plays_are_purchases_in_any_store(
    logs: JourneyLogs, raw: Raw, usual: dict[tuple[int, int], Any]
) -> None:
    found = logs.plays.to_pyarrow().to_pandas()
    bought = raw.purchases[raw.purchases["product_id"].isin(raw.items)]
    first = bought.groupby(["household_id", "basket_id", "product_id"], as_index=False).agg(
        played_at=("transaction_timestamp", "min"), store=("store_id", "first")
    )
    expected = sorted(
        zip(
            first["household_id"],
            first["product_id"],
            first["played_at"].dt.tz_localize("UTC"),  # the package's times are naive UTC
            "store_" + first["store"].astype(str),
            strict=True,
        )
    )
    columns = ["user_id", "item_id", "played_at", "surface"]
    assert sorted(found[columns].itertuples(index=False, name=None)) == expected
    elsewhere = [
        week >= 2 and surface != f"store_{usual[user, week][0]}"
        for user, week, surface in zip(
            found["user_id"], week_of(found["played_at"]), found["surface"], strict=True
        )
    ]
    assert 0.02 < sum(elsewhere) / len(elsewhere) < 0.5
    assert found["play_id"].is_unique


def test_every_purchase_lies_in_the_week_its_row_names(raw: Raw) -> None:
    """What the clock rests on, for the slice, by pandas."""
    local = raw.purchases["transaction_timestamp"].dt.tz_localize("UTC")
    named = raw.purchases["week"]
    assert (week_of(local)[named > 1] == named[named > 1]).all()


def test_context_looks_back_only(rows: pd.DataFrame, raw: Raw, usual: Any) -> None:
    for row in rows.sample(150, random_state=0).itertuples():
        store, visits = usual[row.user_id, row.week]
        before = [(row.item_id, store, week) in raw.promoted for week in range(1, row.week)]
        assert row.week_of_year == row.week
        assert row.visits_8_weeks == visits
        assert row.promoted_1_week_ago == before[-1]
        assert row.promoted_share_4_weeks == pytest.approx(mean(before[-4:]))
        assert row.promoted_share_12_weeks == pytest.approx(mean(before[-12:]))
        assert row.promoted_rate == pytest.approx((sum(before) + 0.4) / (len(before) + 2))
        if any(before):
            assert row.weeks_since_promoted == before[::-1].index(True) + 1
        else:
            assert pd.isna(row.weeks_since_promoted)
        if len(before) > 1:
            assert row.promoted_2_weeks_ago == before[-2]
        else:
            assert pd.isna(row.promoted_2_weeks_ago)


def mean(values: list[bool]) -> float:
    return sum(values) / len(values)


def test_the_context_is_named(logs: JourneyLogs) -> None:
    own = {*KEY, "horizon_end", "shown", "assignment_unit"}
    assert set(logs.candidates.columns) - own == set(logs.context)


def test_treatment_is_assigned_by_product_and_week(rows: pd.DataFrame) -> None:
    units = rows.groupby("assignment_unit")
    assert (units["item_id"].nunique() == 1).all()
    assert (units["week"].nunique() == 1).all()
    assert rows["assignment_unit"].nunique() == ITEMS * 52


def test_the_logs_keep_the_contract(logs: JourneyLogs) -> None:
    check_candidates(logs.candidates)
    check_plays(logs.plays)
    check_items(logs.items)
    impressions = check_impressions(logs.impressions).to_pyarrow().to_pandas()
    shown = logs.candidates.filter(logs.candidates.shown).to_pyarrow().to_pandas()
    assert set(impressions[KEY].itertuples(index=False, name=None)) == set(
        shown[KEY].itertuples(index=False, name=None)
    )


def test_the_sensitivity_version_follows_visits(logs: JourneyLogs, raw: Raw) -> None:
    found = logs.visited.to_pyarrow().to_pandas()
    found = found.assign(week=week_of(found["t0"]))
    visits = raw.visits[raw.visits["week"] >= 2]
    stores = visits.groupby(["household_id", "week"])["store_id"].agg(set)
    expected = {
        (household, item, week)
        for (household, week), visited in stores.items()
        for item in raw.items
        if any((item, store, week) in raw.promoted for store in visited)
    }
    columns = ["user_id", "item_id", "week"]
    assert set(found[columns].itertuples(index=False, name=None)) == expected


def test_the_smallest_slice_and_nothing_at_all() -> None:
    """On one connection: loading again is a fresh start."""
    engine = connect(threads=1)
    tiny = JourneyConfig(household_permille=1, max_items=1, choose_until=2)
    logs = load_complete_journey(engine, config=tiny)
    assert set(logs.candidates.user_id.to_pyarrow().to_pylist()) <= {1000, 2000}
    assert logs.items.count().to_pyarrow().as_py() == 1
    with pytest.raises(EmptyError, match="tracked product"):
        load_complete_journey(engine, config=tiny.model_copy(update={"tracked_purchases": 10**9}))


@pytest.mark.parametrize(
    "settings",
    [
        {"choose_until": 1},
        {"choose_until": 53},
        {"household_permille": 0},
        {"household_permille": 1001},
        {"max_items": 0},
        {"tracked_purchases": 0},
        {"weeks": 3},
    ],
)
def test_impossible_settings(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        JourneyConfig(**settings)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"causal-ranker\[examples\]"):
        load_complete_journey(connect(threads=1))


@pytest.fixture
def shifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a copy of some rows whose clock is two days late: weeks would begin on Wednesday."""
    bought = data("transactions", filters=[("household_id", "<", 10)])
    late = bought["transaction_timestamp"] + pd.Timedelta(days=2)
    bought.assign(transaction_timestamp=late).to_parquet(tmp_path / "transactions.parquet")
    data("promotions", filters=[("store_id", "==", 309)]).to_parquet(
        tmp_path / "promotions.parquet"
    )
    data("products").to_parquet(tmp_path / "products.parquet")
    monkeypatch.setattr(complete_journey, "journey_folder", lambda: tmp_path)
    return tmp_path


def test_another_clock_is_noticed(shifted: Path) -> None:
    with pytest.raises(DataError, match="rows outside"):
        load_complete_journey(
            connect(threads=1), config=JourneyConfig(tracked_purchases=1, max_items=5)
        )


def test_week_start_is_a_moment_of_utc(engine: Backend, logs: JourneyLogs) -> None:
    start = week_start(engine, 2)
    assert isinstance(start, datetime)
    assert start.utcoffset() is not None
    assert start.isoformat() == "2017-01-02T05:00:00+00:00"


def test_the_products_are_those_of_the_rule() -> None:
    """At least 170 purchase rows in weeks 1-30, and promoted in them; counted by pandas."""
    bought = data("transactions", columns=["product_id", "week"])
    often = bought[bought["week"] <= 30]["product_id"].value_counts()
    promoted = data(
        "promotions",
        columns=["product_id", "week", "display_location", "mailer_location"],
        filters=[("week", "<=", 30)],
    )
    shown = (promoted["display_location"] != "0") | (promoted["mailer_location"] != "0")
    expected = set(often[often >= 170].index) & set(promoted[shown]["product_id"])
    found = load_complete_journey(connect(), config=JourneyConfig(household_permille=5)).items
    assert set(found.item_id.to_pyarrow().to_pylist()) == expected
    assert 450 < len(expected) < 550  # "about 500"
