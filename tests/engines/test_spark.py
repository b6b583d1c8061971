"""Spark gives what the embedded engine gives: every column of credits and labels, every row."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks._spark_child import local_spark
from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.shapley import learn_surface_shares
from causal_ranker.errors import ConfigError, DataError, SchemaError
from causal_ranker.features.asof import outcome_counts
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.history import (
    exposure_history,
    group_history,
    item_history,
    pair_history,
    user_history,
)
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.labels.controls import ControlConfig, sample_controls
from causal_ranker.logs.contract import check_candidates, check_impressions, check_plays
from causal_ranker.logs.datasets.open_bandit import load_open_bandit
from causal_ranker.logs.hours import from_hours, hours_begun
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.streaming import StreamingWorld
from pipelines.spark_labels import write_labels
from tests.attribution.test_attribute import random_logs, word

pytestmark = [
    pytest.mark.slow,
    # PySpark 4.0 hands frames over with a keyword that pandas 3 deprecates, and Py4J leaves its
    # sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CHECKS = {
    "impressions": check_impressions,
    "plays": check_plays,
    "candidates": check_candidates,
}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Ibis on a local Spark of two threads, which listens on this machine only."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark runs on Java, and there is none here; `causal-ranker doctor` says more")
    folder = tmp_path_factory.mktemp("spark")
    session = local_spark(folder)
    yield ibis.pyspark.connect(session)
    session.stop()


def write(frames: dict[str, pd.DataFrame], folder: Path) -> dict[str, Path]:
    paths = {}
    for name, frame in frames.items():
        paths[name] = folder / f"{name}.parquet"
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(table, paths[name], coerce_timestamps="us")
    return paths


def both_ways(paths: dict[str, Path], spark: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same files as checked tables of the embedded engine, and of Spark."""
    duck = connect()
    embedded = {name: read_table(str(path), duck, name=name) for name, path in paths.items()}
    there = {
        name: read_table(spark.read_parquet(str(path)), duck, name=name)
        for name, path in paths.items()
    }
    for tables in (embedded, there):
        for name, table in tables.items():
            CHECKS[name](table)
    return embedded, there


def equal(first: ibis.Table, second: ibis.Table, *, key: list[str]) -> int:
    """Compare two tables column by column, bit by bit, and return the number of rows."""
    one, other = (table.order_by(key).to_pyarrow() for table in (first, second))
    assert one.column_names == other.column_names
    for name in one.column_names:
        assert one[name].combine_chunks().equals(other[name].combine_chunks()), name
    assert one.num_rows > 0
    return int(one.num_rows)


CONFIGS = [
    AttributionConfig(),
    AttributionConfig(touch="first", viewable_only=True, minimum_seconds=60),
    AttributionConfig(touch="linear", window_hours=72, duplicates="first"),
    AttributionConfig(touch="position", window_hours=72, exposures="first"),
    AttributionConfig(touch="position", window_hours=72, first_share=0.5, last_share=0.25),
    AttributionConfig(window_hours=72, most_impressions_a_day=12),
    AttributionConfig(touch="time_decay", window_hours=72, half_life_hours=12),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, spark: Any) -> tuple[Any, Any, Any]:
    logs = StreamingWorld(WorldConfig(users=150, days=6)).simulate()
    frames = {name: getattr(logs, name) for name in CHECKS}
    return (logs, *both_ways(write(frames, tmp_path_factory.mktemp("world")), spark))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.touch)
def test_credits_of_a_world(config: AttributionConfig, world: tuple[Any, Any, Any]) -> None:
    _, embedded, there = world
    credits = [attribute(t["impressions"], t["plays"], config=config) for t in (embedded, there)]
    rows = equal(*credits, key=["play_id", "impression_id"])
    assert rows >= embedded["plays"].count().execute() * (config.minimum_seconds == 0)


@pytest.mark.parametrize(
    "settings",
    [{}, {"touch": "first"}, {"touch": "position"}, {"duplicates": "first", "touch": "linear"}],
    ids=lambda settings: settings.get("touch", "last"),
)
def test_ties_of_words(settings: dict[str, Any], tmp_path: Path, spark: Any) -> None:
    shown, played = map(pd.DataFrame, random_logs(np.random.default_rng(4), 200, word))
    shown = shown[["impression_id", "user_id", "item_id", "t0"]]
    frames = {"impressions": shown, "plays": played[["play_id", "user_id", "item_id", "played_at"]]}
    assert shown.duplicated(["user_id", "item_id", "t0"]).sum() > 20
    embedded, there = both_ways(write(frames, tmp_path), spark)
    config = AttributionConfig(window_hours=30, **settings)
    credits = [attribute(t["impressions"], t["plays"], config=config) for t in (embedded, there)]
    equal(*credits, key=["play_id", "impression_id"])


def test_the_entry_point_writes_what_the_embedded_engine_says(
    world: tuple[Any, Any, Any], spark: Any, tmp_path: Path
) -> None:
    logs, embedded, _ = world
    from pyspark.sql import SparkSession

    frames = {name: getattr(logs, name) for name in CHECKS}
    paths = {name: str(path) for name, path in write(frames, tmp_path).items()}
    arguments = {"log_end": logs.log_end - timedelta(hours=34), "out": str(tmp_path / "out")}
    items = pd.DataFrame({"item_id": sorted(logs.candidates["item_id"].unique())})
    half = logs.candidates["t0"].min() + timedelta(days=1)
    gone = pd.Series(half, index=items.index, dtype="datetime64[us, UTC]")
    items["available_until"] = gone.where(items["item_id"] % 2 == 0)
    arguments["items"] = str(tmp_path / "catalogue.parquet")
    items.to_parquet(arguments["items"])
    session = SparkSession.getActiveSession()
    assert session is not None
    found = write_labels(session, **paths, **arguments)
    credits = attribute(embedded["impressions"], embedded["plays"])
    labels = collect_labels(
        embedded["candidates"],
        embedded["impressions"],
        embedded["plays"],
        credits=credits,
        config=LabelConfig(log_end=arguments["log_end"]),
        items=ibis.memtable(items),
    )
    assert "unplayable" in labels.table.label_kind.to_pyarrow().to_pylist()
    engine = connect()
    keys = (["play_id", "impression_id"], ["user_id", "item_id", "t0"])
    for folder, table, key in zip(found, (credits, labels.table), keys, strict=True):
        equal(read_table(folder, engine, name="written"), table, key=key)
    with pytest.raises(ConfigError, match=r"no folder at .*credits"):
        write_labels(session, **paths, **arguments)
    nowhere = {**paths, "plays": str(tmp_path / "nowhere.parquet"), "out": str(tmp_path / "new")}
    with pytest.raises(DataError, match="plays as Parquet where Spark reads"):
        write_labels(session, **{**arguments, **nowhere})


def test_as_of_state_of_a_world(world: tuple[Any, Any, Any]) -> None:
    config = FeatureConfig(windows_days=(1, 3), item_group="genre", exposures=True)
    made: dict[str, list[ibis.Table]] = {}
    for tables in world[1:]:
        plays = tables["plays"]
        # Quarters, so that their sums are exact in any order; some rows have no outcome.
        plays = plays.mutate(credit=(plays.play_id % 4).cast("float64") / 4)
        requests = tables["candidates"].select("user_id", "t0").distinct()
        rows = tables["candidates"]
        rows = rows.mutate(
            treatment=rows.shown.cast("int8"),
            outcome=((rows.user_id + rows.item_id) % 3 == 0).cast("int8"),
        )
        items = tables["candidates"].select("item_id").distinct()
        items = items.mutate(genre=(items.item_id % 3).cast("string"))
        clocks = requests.select(t0=from_hours(hours_begun(requests.t0))).distinct()
        pairs = pair_history(requests, plays, config=config)
        states = {
            "pairs": pairs,
            "users": user_history(pairs, config=config),
            "groups": group_history(pairs, items, config=config),
            "items": item_history(clocks, plays, daily=outcome_counts(rows), config=config),
            "exposures": exposure_history(
                requests,
                tables["impressions"].select("user_id", "item_id", "t0").distinct(),
                config=config,
            ),
        }
        for name, state in states.items():
            made.setdefault(name, []).append(state)
    varied: set[str] = set()
    for both in made.values():
        key = [
            name for name in ("user_id", "item_id", "t0", "asof_group") if name in both[0].columns
        ]
        frames = [
            state.order_by(key).to_pyarrow().to_pandas()[sorted(state.columns)] for state in both
        ]
        assert len(frames[0]) > 0
        varied |= set(frames[0].columns[frames[0].nunique() > 1])
        pd.testing.assert_frame_equal(*frames, check_dtype=False, check_exact=True)
    rates = {"item_rate_shown", "item_rate_not_shown", "item_rate_difference"}
    assert rates | {"pair_credited_plays", "user_credited_share"} <= varied


def test_surface_shares_of_a_world(world: tuple[Any, Any, Any]) -> None:
    rules, logs = AttributionConfig(window_hours=72), []
    for tables in world[1:]:
        shown = tables["impressions"]
        halves = ibis.cases((shown.position <= 2, "top"), (shown.position <= 6, "row"))
        logs.append((shown.mutate(surface=halves), tables["plays"]))
    end = world[0].log_end
    learned = [learn_surface_shares(*each, config=rules, log_end=end) for each in logs]
    assert learned[0] == learned[1]
    assert max(len(each.surfaces) for each in learned[0].sets) > 1
    config = AttributionConfig(window_hours=72, touch="shapley", surface_shares=learned[0])
    equal(*(attribute(*each, config=config) for each in logs), key=["play_id", "impression_id"])


@pytest.mark.parametrize("ids", ["integers", "strings"])
def test_sampled_controls_of_a_world(ids: str, world: tuple[Any, Any, Any]) -> None:
    made = []
    for tables in world[1:]:
        shown = tables["impressions"].filter(lambda t: t.user_id < 40)
        if ids == "strings":
            words = ibis.ifelse(shown.item_id % 2 == 0, "B", "a") + shown.item_id.cast("string")
            shown = shown.mutate(user_id=shown.user_id.cast("string"), item_id=words)
        items = shown.select("item_id").distinct()
        made.append(sample_controls(shown, items, config=ControlConfig(per_request=5)))
    key = ["user_id", "item_id", "t0"]
    assert equal(*made, key=key) > made[0].filter(made[0].shown).count().execute()


@pytest.mark.parametrize("censoring", ["drop", "weight"])
def test_labels_of_a_world(
    censoring: Literal["drop", "weight"], world: tuple[Any, Any, Any]
) -> None:
    logs, embedded, there = world
    # an end inside a day of the log, so that some rows are censored, and some of them determined
    config = LabelConfig(
        log_end=logs.log_end - timedelta(hours=34),
        context=("hour", "device", "session_so_far"),
        censoring=censoring,
        minimum_viewable_ms=300,
    )
    found = []
    for t in (embedded, there):
        shown = t["impressions"].mutate(viewable_ms=(t["impressions"].position * 100.0))
        ends = shown.group_by("item_id").aggregate(available_until=shown.t0.max())
        labels = collect_labels(
            t["candidates"],
            shown,
            t["plays"],
            credits=attribute(t["impressions"], t["plays"]),
            config=config,
            items=ends.filter(ends.item_id % 3 == 0),
        )
        found.append(labels)
    kinds = set(found[0].kinds()["label_kind"])
    assert {"unviewable", "unplayable", "true_negative"} < kinds
    key = ["user_id", "item_id", "t0"]
    equal(found[0].table, found[1].table, key=key)
    equal(found[0].censored, found[1].censored, key=key)
    weighed = found[0].table.filter(found[0].table["censoring_weight"] > 1).count().execute()
    assert (weighed > 0) == (censoring == "weight")
    samples = [each.sample_training(0.3, 5).table for each in found]
    assert equal(*samples, key=key) < embedded["candidates"].count().execute()


def test_a_naive_clock_is_refused_on_spark_too(spark: Any) -> None:
    sql = "SELECT 1 play_id, 1 user_id, 1 item_id, TIMESTAMP_NTZ'2024-01-01 00:00:00' played_at"
    naive = read_table(spark.sql(sql), connect(), name="plays")
    with pytest.raises(SchemaError, match="without a time zone"):
        check_plays(naive)
    aware = read_table(spark.sql(sql.replace("_NTZ", "")), connect(), name="plays")
    assert check_plays(aware) is aware


@pytest.mark.needs_data("open_bandit")
def test_credits_and_labels_of_open_bandit(data_folder: Path, tmp_path: Path, spark: Any) -> None:
    logs = load_open_bandit(data_folder / "open_bandit" / "impressions_all.parquet", connect())
    frames = {"impressions": logs.impressions.to_pandas(), "plays": logs.plays.to_pandas()}
    embedded, there = both_ways(write(frames, tmp_path), spark)
    end = frames["impressions"]["t0"].max().to_pydatetime()
    made = []
    for t in (embedded, there):
        credits = attribute(t["impressions"], t["plays"])
        # Nobody logged what else could have been shown.
        items = t["impressions"].select("item_id").distinct()
        candidates = sample_controls(
            t["impressions"], items, config=ControlConfig(per_request=2, seed=1)
        )
        config = LabelConfig(log_end=end, horizon_hours=24)
        labels = collect_labels(
            candidates, t["impressions"], t["plays"], credits=credits, config=config
        )
        made.append((credits, labels.table, labels.censored))
    credits, kept, censored = zip(*made, strict=True)
    assert equal(*credits, key=["play_id"]) == 207
    key = ["user_id", "item_id", "t0"]
    rows = equal(*kept, key=key) + equal(*censored, key=key)
    assert rows > 2 * len(frames["impressions"])
    assert kept[0]["outcome"].sum().execute() > 100
