"""From whatever the caller has to labelled rows and histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.infer import infer_features
from causal_ranker.chain.logs import (
    Logs,
    connection_of,
    read_logs,
)
from causal_ranker.chain.reach import check_later, last_event, to_datetime
from causal_ranker.errors import ConfigError, DataError, RowError, SchemaError
from causal_ranker.features.config import FeatureConfig
from causal_ranker.logs.sources import connect, read_table
from tests.chain.tables import ENGINE, START, at, frame, label, logs, tables


def test_rows_labels_requests_and_histories() -> None:
    found = label()
    rows = frame(found.dataset.table).set_index(["user_id", "item_id", "t0"])
    assert len(rows) == 9  # the horizon of the last request ends after the log
    assert frame(found.requests).sort_values("t0")["user_id"].tolist() == [1, 2, 1]
    played = rows[rows["outcome"] == 1].index.tolist()
    assert sorted(played) == [(1, 1, at(0)), (1, 2, at(0)), (2, 2, at(1))]
    plays = frame(found.history.plays).sort_values("played_at")
    assert plays["credit"].tolist() == [1.0, 0.0, 1.0, 0.0]
    counts = frame(found.history.daily)
    assert counts["rows"].sum() == 9
    assert counts["shown_plays"].sum() == 2


def test_base_ranks_are_those_of_the_candidates_and_not_the_logged_ones() -> None:
    """The logged rank counts a whole catalogue; serving ranks what it is offered."""
    rows = frame(label().dataset.table)
    for _, request in rows.groupby(["user_id", "t0"]):
        ranks = dict(zip(request["item_id"], request["base_rank"], strict=True))
        assert ranks == {0: 3, 1: 1, 2: 2}


def test_without_base_scores_there_are_no_ranks() -> None:
    bare = logs(candidates=tables()["candidates"].drop(columns=["base_score", "base_rank"]))
    assert "base_rank" not in label(bare).dataset.table.columns


def test_too_short_plays_count_neither_for_credit_nor_for_the_outcome() -> None:
    short = label(attribution=AttributionConfig(minimum_seconds=60))
    rows = frame(short.dataset.table)
    assert rows["outcome"].sum() == 2
    assert frame(short.history.plays)["credit"].sum() == 1.0


def test_a_horizon_is_needed() -> None:
    with pytest.raises(ConfigError, match="horizon"):
        label(hours=None)


def test_context_columns_come_along_and_must_be_there() -> None:
    moody = tables()["candidates"].assign(mood=1.5)
    features = FeatureConfig(windows_days=(7,), row_numbers=("mood",))
    assert "mood" in label(logs(candidates=moody), features=features).dataset.table.columns
    assert "mood" not in label(logs(candidates=moody)).dataset.table.columns
    with pytest.raises(SchemaError, match="mood"):
        label(features=features)


def test_kinds_know_when_items_were_there_and_what_counts_as_seen() -> None:
    def kinds(some: Logs, **attribution: Any) -> list[str]:
        rules = AttributionConfig(**attribution)
        rows = frame(label(some, attribution=rules).dataset.table).sort_values("t0")
        return list(rows[(rows["treatment"] == 1) & (rows["outcome"] == 0)]["label_kind"])

    assert kinds(logs()) == ["true_negative"]
    gone = pd.DataFrame({"item_id": [1, 2], "available_until": [at(20), at(99)]})
    assert kinds(logs(items=gone)) == ["unplayable"]
    assert kinds(logs(), unknown_viewability="hidden") == ["unviewable"]
    seen = logs(impressions=tables()["impressions"].assign(viewable_ms=900.0))
    assert kinds(seen, minimum_viewable_ms=1000) == ["unviewable"]
    assert kinds(seen, unknown_viewability="hidden") == ["true_negative"]


def test_histories_follow_each_other() -> None:
    one = label().history
    items = read_table(pd.DataFrame({"item_id": [1]}), ENGINE, name="items")
    two = replace(one, items=items)
    for both, expected in (
        (one.followed_by(two), items),
        (two.followed_by(one), items),
        (one.followed_by(one), None),
    ):
        assert both.items is expected
        assert both.plays.count().to_pyarrow().as_py() == 8
        assert both.daily.count().to_pyarrow().as_py() == 2 * len(frame(one.daily))


def test_the_last_event_is_a_play_or_a_request() -> None:
    some = logs()
    assert last_event(some.plays, some.candidates) == at(100)
    late = tables()["plays"].assign(played_at=[at(200 + n) for n in range(4)])
    assert last_event(logs(plays=late).plays, some.candidates) == at(203)
    assert last_event(some.plays, some.candidates).utcoffset() == timedelta(0)


def test_logs_that_reach_back_are_refused() -> None:
    check_later(logs(), than=at(0))
    with pytest.raises(RowError, match="3 earlier rows, the first at 2025-01-06 00:00:00"):
        check_later(logs(), than=at(0.5))
    only_plays = logs(candidates=tables()["candidates"].query("t0 >= @at(30)"))
    with pytest.raises(RowError, match=r"plays from .* 3 earlier rows"):
        check_later(only_plays, than=at(30))


def test_every_table_is_checked() -> None:
    for name in ("impressions", "plays", "candidates"):
        with pytest.raises(SchemaError, match="user_id"):
            logs(**{name: tables()[name].drop(columns="user_id")})
    twice = pd.DataFrame({"user_id": [1, 1], "item_id": [1, 1]})
    for name in ("users", "items"):
        with pytest.raises(DataError, match=name):
            logs(**{name: twice})


def test_ids_of_two_types_are_refused() -> None:
    named = tables()["plays"].assign(user_id=["1", "1", "2", "1"])
    with pytest.raises(SchemaError, match="user_id"):
        label(logs(plays=named))


def test_ibis_tables_bring_their_connection() -> None:
    own = connect(threads=1)
    table = read_table(tables()["plays"], own, name="plays")
    assert connection_of(tables()["candidates"], table) is own
    assert connection_of("a path", None) is not own
    limited = connection_of("a path", config=ChainConfig(engine_threads=1, engine_memory="1GiB"))
    found = limited.raw_sql(
        "SELECT current_setting('threads'), current_setting('memory_limit')"
    ).fetchone()
    assert found == (1, "1.0 GiB")


@pytest.mark.parametrize("moment", [START, datetime(1969, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC)])
def test_microseconds_become_moments(moment: datetime) -> None:
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert to_datetime(microseconds) == moment


def test_features_are_inferred_from_the_tables() -> None:
    def read(**columns: Any) -> ibis.Table:
        return read_table(pd.DataFrame(columns), ENGINE, name="facts")

    candidates = read(
        user_id=[1], item_id=[1], hour=[3], device=["tv"], watched_later=[1.0], propensity=[0.5]
    )
    users = read(user_id=["a"], age=[30], country=["AT"], paying=[True], since=[START])
    items = read(item_id=[1], minutes=[90.5], category=["film"], language=pd.Categorical([40]))
    found = infer_features(candidates, users=users, items=items)
    assert found.row_numbers == ("hour",)
    assert found.row_categories == ("device",)
    assert found.user_numbers == ("age",)
    assert found.user_categories == ("country", "paying")
    assert found.item_numbers == ("minutes",)
    assert found.item_categories == ("category", "language")
    assert found.item_group == "category"
    bare = infer_features(candidates, users=None, items=None)
    assert bare.item_group is None
    assert not bare.user_numbers


def test_bad_rows_are_set_aside_where_the_config_says_so(tmp_path: Path) -> None:
    given = tables()
    twice = pd.concat([given["plays"], given["plays"].iloc[[0]]])
    config = ChainConfig(on_bad_rows="quarantine", quarantine_folder=tmp_path)
    with pytest.raises(RowError, match="duplicate"):
        logs(plays=twice)
    found = read_logs(ENGINE, **{**given, "plays": twice}, config=config)
    assert [(q.name, q.rows, q.quarantined) for q in found.quarantines] == [
        ("impressions", len(given["impressions"]), 0),
        ("plays", 5, 1),
        ("candidates", len(given["candidates"]), 0),
    ]
    assert sorted(frame(found.plays)["play_id"]) == [1, 2, 3, 4]
    assert len(pd.read_parquet(tmp_path / "plays.parquet")) == 1


def test_candidates_that_are_unique_by_construction_are_not_searched() -> None:
    given = tables()
    twice = pd.concat([given["candidates"], given["candidates"].iloc[[0]]])
    with pytest.raises(RowError, match="duplicate"):
        logs(candidates=twice)
    found = read_logs(
        ENGINE, **{**given, "candidates": twice}, config=ChainConfig(unique_candidates=True)
    )
    assert frame(found.candidates).shape[0] == len(twice)


def test_what_comes_later_that_day_takes_no_credit_from_what_features_look_back_on() -> None:
    config = AttributionConfig(most_impressions_a_day=1)
    before = tables()["impressions"]
    evening = before.iloc[[0]].assign(impression_id=99, item_id=0, t0=at(20))
    after = pd.concat([before, evening], ignore_index=True)
    found = [label(logs(impressions=some), attribution=config) for some in (before, after)]
    first, second = (frame(each.history.plays).sort_values("played_at") for each in found)
    assert second["credit"].tolist() == first["credit"].tolist() == [1.0, 0.0, 1.0, 0.0]
    # As a description of the rows, the busy day's plays are organic.
    kinds = [frame(each.dataset.table)["label_kind"].value_counts().to_dict() for each in found]
    assert kinds[0]["attributed_play"] == kinds[1]["attributed_play"] + 1
