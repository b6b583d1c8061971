"""From whatever the caller has to labelled rows and histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.attribution.windows import AttributionConfig
from causal_ranker.chain.blocks import BlockReader
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.infer import infer_features
from causal_ranker.chain.logs import (
    LabelledLogs,
    Logs,
    check_later,
    connection_of,
    label_logs,
    last_event,
    read_logs,
    to_datetime,
)
from causal_ranker.chain.sample import sample_evenly, sample_rows
from causal_ranker.errors import ConfigError, DataError, RowError, SchemaError
from causal_ranker.features.config import FeatureConfig
from causal_ranker.logs.sources import connect, read_table

ENGINE = connect(threads=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
FEATURES = FeatureConfig(windows_days=(7,))


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def tables() -> dict[str, pd.DataFrame]:
    """Two users, three items and four requests, a day apart; the last one is censored."""
    keys = [(1, 0), (2, 1), (1, 30), (2, 100)]
    candidates = pd.DataFrame(
        [
            {
                "user_id": user,
                "item_id": item,
                "t0": at(hour),
                "shown": item == user,
                "base_score": [0.1, 0.5, 0.3][item],
                "base_rank": 17 + item,
            }
            for user, hour in keys
            for item in range(3)
        ]
    )
    shown = candidates[candidates["shown"]]
    impressions = shown[["user_id", "item_id", "t0"]].assign(impression_id=range(len(shown)))
    plays = pd.DataFrame(
        [
            (1, 1, 1, at(2), 600.0),  # credited to the impression at hour 0
            (2, 1, 2, at(3), 600.0),  # organic: never shown to user 1
            (3, 2, 2, at(24.5), 20.0),  # credited, and very short
            (4, 1, 1, at(90), None),  # after every horizon of user 1
        ],
        columns=["play_id", "user_id", "item_id", "played_at", "seconds"],
    )
    return {"impressions": impressions, "plays": plays, "candidates": candidates}


def logs(**changed: pd.DataFrame) -> Logs:
    return read_logs(ENGINE, **{**tables(), **changed})


def label(some: Logs | None = None, *, hours: float | None = 24, **settings: Any) -> LabelledLogs:
    config = ChainConfig(**{"features": FEATURES} | settings)
    return label_logs(ENGINE, some or logs(), log_end=at(110), horizon_hours=hours, config=config)


def frame(table: ibis.Table) -> pd.DataFrame:
    return table.to_pyarrow().to_pandas()


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


@pytest.mark.parametrize("moment", [START, datetime(1969, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC)])
def test_microseconds_become_moments(moment: datetime) -> None:
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert to_datetime(microseconds) == moment


# ---------------------------------------------------------------- spans and samples


def many(n: int = 300, seed: int = 0) -> LabelledLogs:
    rng = np.random.default_rng(seed)
    requests = pd.DataFrame(
        {
            "user_id": rng.integers(0, 20, n),
            "t0": [at(float(h)) for h in rng.uniform(0, 80, n)],
        }
    )
    candidates = requests.merge(pd.DataFrame({"item_id": range(4)}), how="cross")
    candidates["shown"] = rng.random(len(candidates)) < 0.5
    candidates["base_score"] = rng.random(len(candidates))
    plays = pd.DataFrame(
        {
            "play_id": range(200),
            "user_id": rng.integers(0, 20, 200),
            "item_id": rng.integers(0, 4, 200),
            "played_at": [at(float(h)) for h in rng.uniform(0, 80, 200)],
        }
    )
    return label(logs(candidates=candidates, plays=plays), hours=2)


@pytest.fixture(scope="module")
def labelled() -> LabelledLogs:
    return many()


@pytest.fixture(scope="module")
def reader(labelled: LabelledLogs) -> BlockReader:
    return BlockReader(
        ENGINE,
        rows=labelled.dataset.table,
        requests=labelled.requests,
        history=labelled.history,
        config=FEATURES,
    )


@pytest.mark.parametrize("since", [None, at(40.3)])
@pytest.mark.parametrize("rows", [1, 100, 10**6])
def test_spans_cover_every_row_once(
    labelled: LabelledLogs, reader: BlockReader, rows: int, since: datetime | None
) -> None:
    spans = reader.spans(block_rows=rows, since=since)
    t0 = frame(labelled.dataset.table)["t0"]
    expected = t0[t0 >= (since or START)]
    assert sum(span.rows for span in spans) == len(expected)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    for span in spans:
        assert span.rows == ((expected >= span.start) & (expected < span.end)).sum()
        assert span.rows <= rows or span.end - span.start <= timedelta(hours=1)
    if rows == 10**6:
        assert len(spans) == 1
    if since is not None:
        assert spans[0].start >= since


def test_blocks_are_the_rows_of_their_spans(labelled: LabelledLogs, reader: BlockReader) -> None:
    spans = reader.spans(block_rows=200)
    blocks = list(reader.read_blocks(spans))
    assert [len(block) for block in blocks] == [span.rows for span in spans]
    whole = reader.join(labelled.dataset.table)
    for block in blocks:
        found = whole.locate(block)
        np.testing.assert_array_equal(whole.features[found], block.features)
        np.testing.assert_array_equal(whole.item[found], block.item)


def test_candidates_of_a_request_are_its_rows(reader: BlockReader, labelled: LabelledLogs) -> None:
    asked = frame(labelled.requests).iloc[0]
    user, item, features = reader.candidate_rows(
        [asked["user_id"], 999], asked["t0"].to_pydatetime()
    )
    assert set(user) == {asked["user_id"]}
    assert sorted(item) == [0, 1, 2, 3]
    assert features.shape == (4, len(FEATURES.names) - 2)


def test_plays_are_all_kept_and_zeros_at_their_rates(
    labelled: LabelledLogs, reader: BlockReader
) -> None:
    config = ChainConfig(features=FEATURES, zero_rate=0.2, zero_rate_with_history=0.6)
    sample = frame(
        sample_rows(
            ENGINE, dataset=labelled.dataset, pairs=reader.features.pairs, config=config, seed=1
        )
    )
    rows = frame(labelled.dataset.table)
    key = ["user_id", "item_id", "t0"]
    assert not sample.duplicated(key).any()
    pairs = set(map(tuple, frame(reader.features.pairs)[key].to_numpy()))
    known = [tuple(k) in pairs for k in rows[key].to_numpy()]
    weights = sample[[*key, "sampling_weight"]].rename(columns={"sampling_weight": "weight"})
    rows = rows.assign(known=known).merge(weights, on=key, how="left")
    kept = rows["weight"].notna()
    played = rows["outcome"] == 1
    assert kept[played].all()
    assert (rows["weight"][played] == 1).all()
    for has_history, rate in ((True, 0.6), (False, 0.2)):
        zeros = ~played & (rows["known"] == has_history)
        spread = 4 * np.sqrt(rate * (1 - rate) / zeros.sum())
        assert kept[zeros].mean() == pytest.approx(rate, abs=spread)
        assert np.allclose(rows["weight"][zeros & kept], 1 / rate)
    assert sample["sampling_weight"].sum() == pytest.approx(len(rows), rel=0.15)


def test_an_even_sample_is_blind_to_the_outcome(labelled: LabelledLogs) -> None:
    rows = labelled.dataset.table
    key = ["user_id", "item_id", "t0"]

    def draw(table: ibis.Table, seed: int = 3) -> set[Any]:
        even = sample_evenly(
            ENGINE, dataset=replace(labelled.dataset, table=table), share=0.3, seed=seed
        )
        return set(map(tuple, frame(even)[key].to_numpy()))

    chosen = draw(rows)
    total = rows.count().to_pyarrow().as_py()
    assert len(chosen) / total == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / total))
    assert draw(rows) == chosen
    assert draw(rows, seed=4) != chosen
    turned = rows.mutate(outcome=(1 - rows.outcome).cast("int8"))
    assert draw(turned) == chosen


def test_features_are_inferred_from_the_tables() -> None:
    def read(**columns: Any) -> ibis.Table:
        return read_table(pd.DataFrame(columns), ENGINE, name="facts")

    candidates = read(
        user_id=[1], item_id=[1], hour=[3], device=["tv"], watched_later=[1.0], propensity=[0.5]
    )
    users = read(user_id=["a"], age=[30], country=["AT"], paying=[True], since=[START])
    items = read(item_id=[1], minutes=[90.5], category=["film"])
    found = infer_features(candidates, users=users, items=items)
    assert found.row_numbers == ("hour",)
    assert found.row_categories == ("device",)
    assert found.user_numbers == ("age",)
    assert found.user_categories == ("country", "paying")
    assert found.item_numbers == ("minutes",)
    assert found.item_categories == ("category",)
    assert found.item_group == "category"
    bare = infer_features(candidates, users=None, items=None)
    assert bare.item_group is None
    assert not bare.user_numbers
