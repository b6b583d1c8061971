"""The world's tables keep the contract, tell one story, and come out the same every time."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, EmptyError, RowError
from causal_ranker.logs.contract import (
    check_candidates,
    check_impressions,
    check_items,
    check_plays,
    check_users,
)
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import LOGGED_AT, WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

KEY = [C.USER, C.ITEM, C.T0]
CHECKS = {
    "impressions": check_impressions,
    "plays": check_plays,
    "candidates": check_candidates,
    "users": check_users,
    "items": check_items,
}


def tables(logs: WorldLogs) -> dict[str, pd.DataFrame]:
    values = {field.name: getattr(logs, field.name) for field in fields(logs)}
    return {name: value for name, value in values.items() if isinstance(value, pd.DataFrame)}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_every_table_passes_the_contract(small_logs: WorldLogs, name: str) -> None:
    connection = connect()
    table = read_table(tables(small_logs)[name], connection, name=name)
    assert CHECKS[name](table).count().execute() > 0


def test_timestamps_are_utc_and_columns_complete(small_logs: WorldLogs) -> None:
    for name, table in tables(small_logs).items():
        clocks = table.select_dtypes("datetimetz")
        assert {str(column.dtype.tz) for _, column in clocks.items()} <= {"UTC"}, name
        assert not table.select_dtypes("datetime").shape[1], name
        assert not table.isna().any(axis=None), name
    assert list(small_logs.truth[KEY].dtypes) == list(small_logs.candidates[KEY].dtypes)
    pd.testing.assert_frame_equal(small_logs.truth[KEY], small_logs.candidates[KEY])


def test_each_request_has_its_candidates_and_its_slate(
    small_logs: WorldLogs, small_config: WorldConfig
) -> None:
    requests = small_logs.candidates.groupby(C.ASSIGNMENT_UNIT)
    assert (requests.size() == small_config.candidates).all()
    assert (requests[C.SHOWN].sum() == small_config.slate_size).all()
    assert (requests[[C.USER, C.T0]].nunique() == 1).all(axis=None)
    assert (requests[C.BASE_RANK].apply(sorted).str[-1] == small_config.candidates).all()
    shown = small_logs.candidates.query("shown")[KEY].sort_values(KEY, ignore_index=True)
    placed = small_logs.impressions[KEY].sort_values(KEY, ignore_index=True)
    pd.testing.assert_frame_equal(placed, shown)
    positions = small_logs.impressions.groupby([C.USER, C.T0])[C.POSITION].apply(list)
    assert (positions.map(tuple) == tuple(range(1, small_config.slate_size + 1))).all()


def test_slot_propensities_are_those_of_the_scores(small_logs: WorldLogs) -> None:
    """Recomputed slot by slot, for one request."""
    first = small_logs.candidates.query("assignment_unit == 17")
    slate = small_logs.impressions.merge(first[[C.USER, C.T0]].drop_duplicates()).sort_values(
        C.POSITION
    )
    weights = dict(zip(first[C.ITEM], np.exp(first[C.BASE_SCORE]), strict=True))
    for row in slate.itertuples():
        weight = weights.pop(row.item_id)
        assert row.propensity == pytest.approx(weight / (weight + sum(weights.values())))


def test_titles_come_into_view_from_the_top(small_logs: WorldLogs) -> None:
    ordered = small_logs.impressions.sort_values([C.USER, C.T0, C.POSITION])
    seen = ordered.groupby([C.USER, C.T0])[C.VIEWABLE]
    assert (seen.cummin() == ordered[C.VIEWABLE]).all()
    assert seen.first().all()
    assert 0.2 < ordered[C.VIEWABLE].mean() < 0.95


def test_no_horizons_of_a_user_overlap(small_logs: WorldLogs) -> None:
    requests = small_logs.candidates.drop_duplicates([C.USER, C.T0]).sort_values([C.USER, C.T0])
    previous_end = requests.groupby(C.USER)[C.HORIZON_END].shift()
    again = previous_end.notna()
    assert again.mean() > 0.5
    assert (requests[C.T0] >= previous_end)[again].all()
    length = requests[C.HORIZON_END] - requests[C.T0]
    assert (length == pd.Timedelta(hours=24)).all()


def test_outcomes_in_the_logs_are_the_potential_ones(small_logs: WorldLogs) -> None:
    """Y, counted from the play log on any surface in [t0, t0 + h), equals Y(T)."""
    rows = small_logs.candidates
    pairs = rows[[*KEY, C.HORIZON_END]].reset_index().merge(small_logs.plays, on=[C.USER, C.ITEM])
    inside = pairs.query("t0 <= played_at < horizon_end")
    outcome = rows.index.isin(inside["index"])
    expected = np.where(rows[C.SHOWN], small_logs.truth["y1"], small_logs.truth["y0"]) == 1
    complete = (rows[C.HORIZON_END] <= small_logs.log_end).to_numpy()
    assert 0.5 < complete.mean() < 1
    np.testing.assert_array_equal(outcome[complete], expected[complete])


def test_organic_plays_and_repeats_exist_in_both_arms(small_logs: WorldLogs) -> None:
    rows = small_logs.candidates
    pairs = rows.merge(small_logs.plays, on=[C.USER, C.ITEM])
    inside = pairs.query("t0 <= played_at < horizon_end")
    surfaces = inside.groupby([C.SHOWN, C.SURFACE]).size()
    assert set(surfaces[True].index) == {"home", "search", "continue_watching"}
    assert set(surfaces[False].index) == {"search", "continue_watching"}
    assert (inside.groupby(KEY).size() > 1).any()
    never_candidate = small_logs.plays.merge(rows[[C.USER, C.ITEM]].drop_duplicates(), how="left")
    assert len(never_candidate) == len(small_logs.plays)
    known = set(zip(rows[C.USER], rows[C.ITEM], strict=True))
    played = set(zip(small_logs.plays[C.USER], small_logs.plays[C.ITEM], strict=True))
    assert played - known


def test_plays_lie_within_the_log_and_arrive_in_order(small_logs: WorldLogs) -> None:
    plays = small_logs.plays
    assert plays[C.PLAYED_AT].max() < small_logs.log_end
    assert plays[LOGGED_AT].is_monotonic_increasing
    lag = plays[LOGGED_AT] - plays[C.PLAYED_AT]
    late = lag > pd.Timedelta(hours=1)
    assert lag.min() > pd.Timedelta(0)
    assert 0.01 < late.mean() < 0.03  # the setting is 0.02
    assert not plays[C.PLAYED_AT].is_monotonic_increasing
    assert plays[C.SECONDS].min() >= 60


def test_duplicates_come_only_when_asked_for_and_change_nothing_else(
    small_logs: WorldLogs, small_config: WorldConfig
) -> None:
    assert small_logs.plays[C.PLAY].is_unique
    config = small_config.model_copy(update={"duplicate_share": 0.1})
    doubled = StreamingWorld(config).simulate().plays
    share = len(doubled) / doubled[C.PLAY].nunique() - 1
    assert 0.08 < share < 0.12
    event = [column for column in doubled.columns if column != LOGGED_AT]
    once = doubled.drop_duplicates(C.PLAY)[event].sort_values(C.PLAY, ignore_index=True)
    expected = small_logs.plays[event].sort_values(C.PLAY, ignore_index=True)
    pd.testing.assert_frame_equal(once, expected)
    assert len(doubled[event].drop_duplicates()) == len(once)
    table = read_table(doubled, connect(), name="plays")
    with pytest.raises(RowError, match="play_id"):
        check_plays(table)


def test_equal_settings_give_equal_bytes_and_another_seed_does_not(
    small_logs: WorldLogs, small_config: WorldConfig
) -> None:
    again = tables(StreamingWorld(small_config).simulate())
    for name, table in tables(small_logs).items():
        pd.testing.assert_frame_equal(again[name], table, check_exact=True)
    other = StreamingWorld(small_config.model_copy(update={"seed": 8})).simulate()
    assert (
        not other.candidates[C.BASE_SCORE]
        .head(50)
        .equals(small_logs.candidates[C.BASE_SCORE].head(50))
    )


def test_the_start_may_be_in_any_zone() -> None:
    paris = timezone(timedelta(hours=2))
    settings = {"users": 30, "items": 20, "candidates": 8, "slate_size": 3, "days": 4}
    start = datetime(2025, 6, 1, 7, 30, tzinfo=UTC)
    here = StreamingWorld(WorldConfig(start=start, **settings)).simulate()
    there = StreamingWorld(WorldConfig(start=start.astimezone(paris), **settings)).simulate()
    pd.testing.assert_frame_equal(here.candidates, there.candidates)
    assert there.log_end == start + timedelta(days=4)
    assert there.log_end.tzinfo is UTC
    assert (here.candidates[C.HOUR] == here.candidates[C.T0].dt.hour).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"items": 30, "candidates": 40}, "no more candidates per request than items"),
        ({"candidates": 10, "slate_size": 10}, "a slate shorter than the candidate set"),
        ({"days": 2, "horizon_hours": 72}, "a log at least as long as the horizon"),
        ({"start": datetime(2025, 1, 1)}, "start"),  # naive
        ({"temperature": 0.0}, "temperature"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WorldConfig(**settings)


def test_a_world_nobody_visits_is_refused() -> None:
    world = StreamingWorld(WorldConfig(users=1, days=1, visit_rate=0.01))
    with pytest.raises(EmptyError, match="none from 1 users"):
        world.simulate()
