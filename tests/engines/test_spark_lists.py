"""`python -m pipelines.spark_lists`: on Spark every user's list is the one that is served.

Each list is compared with `rerank`, whose features come out of the bundle that the embedded engine
made, whose candidates come one user at a time, and whose models predict one list at a time.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import lightgbm
import numpy as np
import pandas as pd
import pytest

from benchmarks._spark_child import local_spark
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.latest import latest_block
from causal_ranker.chain.logs import label_logs, read_logs
from causal_ranker.chain.publish import bundle_contents
from causal_ranker.chain.train import Trained
from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.features.asof import Levels
from causal_ranker.logs.sources import connect
from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import Bundle, load_bundle, rewrite_bundle, write_bundle
from causal_ranker.serving.files import BundleParts
from causal_ranker.serving.model import ModelPart
from causal_ranker.serving.schema import FeatureSchema
from causal_ranker.worlds.logs import WorldLogs
from pipelines.spark_lists import main, write_lists
from tests.cli.calling import MESSAGE, small_world
from tests.ranker.season import FEATURES

pytestmark = [
    pytest.mark.slow,
    # PySpark 4.0 hands frames over with a keyword that pandas 3 deprecates, and Py4J leaves its
    # sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TABLES = ("impressions", "plays", "candidates", "users", "items")
CONFIG = ChainConfig(features=FEATURES.model_copy(update={"exposures": True, "clock": True}))
LISTED = [C.BASE_SCORE, C.BASE_RANK, C.UPLIFT, C.SCORE, C.RANK]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A local Spark of two workers, which listens on this machine only.

    Its batches are so short that nearly every one cuts a list.
    """
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark runs on Java, and there is none here; `causal-ranker doctor` says more")
    session = local_spark(tmp_path_factory.mktemp("spark"))
    for name, value in {
        "execution.arrow.maxRecordsPerBatch": "7",
        "shuffle.partitions": "2",
        "codegen.wholeStage": "false",  # it pays off for rows, of which there are few
    }.items():
        session.conf.set(f"spark.sql.{name}", value)
    yield session
    session.stop()


@cache
def world() -> WorldLogs:
    logs = small_world(users=60, days=5)
    # Base scores of one decimal tie, so that the order of ties is seen.
    candidates = logs.candidates.assign(base_score=logs.candidates["base_score"].round(1))
    assert candidates.duplicated(["user_id", "t0", "base_score"]).mean() > 0.1
    return replace(logs, candidates=candidates)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("logs")
    found = {name: str(folder / f"{name}.parquet") for name in TABLES}
    for name, path in found.items():
        getattr(world(), name).to_parquet(path, coerce_timestamps="us", index=False)
    return found


@pytest.fixture(scope="module")
def published(paths: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose snapshot the embedded engine made, and whose model reads every feature.

    Base scores come with requests.
    """
    engine, config, end = connect(), CONFIG.features, world().log_end
    logs = read_logs(engine, **paths, config=CONFIG)
    labelled = label_logs(engine, logs, log_end=end, horizon_hours=None, config=CONFIG)
    levels = Levels.learn(logs.candidates, users=logs.users, items=logs.items, config=config)
    latest = latest_block(
        engine, logs.candidates, at=end, history=labelled.history, config=config, levels=levels
    )
    trained = SimpleNamespace(
        scorer=SimpleNamespace(learner=SimpleNamespace(model_=_trees(latest.features))),
        levels=levels,
        recommender=None,
        width=None,
        policy=BlendPolicy(0.3),
        window=(end - timedelta(days=4), end),
    )
    contents = bundle_contents(cast(Trained, trained), latest, config=config, evaluation={})
    return write_bundle(tmp_path_factory.mktemp("models") / "published", contents=contents)


def _trees(features: Any) -> lightgbm.Booster:
    """Trees that split on every feature that varies."""
    rng = np.random.default_rng(0)
    known = np.nan_to_num(features.astype(float))
    known += rng.normal(size=known.shape) * 0.01
    scale = known.std(axis=0)
    target = (known / np.where(scale > 0, scale, 1)) @ rng.normal(size=known.shape[1])
    # Base score and base rank are not in a block of the latest requests.
    drawn = features.astype(float).copy()
    drawn[:, -2:] = rng.normal(size=(len(drawn), 2))
    data = lightgbm.Dataset(drawn, target + drawn[:, -2:].sum(axis=1))
    settings = {"verbose": -1, "num_leaves": 8, "min_data_in_leaf": 5, "num_threads": 1}
    return lightgbm.train(settings, data, num_boost_round=60)


@pytest.fixture(scope="module")
def with_base(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a base model of its own."""
    target = tmp_path_factory.mktemp("models") / "with_base"
    rewrite_bundle(published, target, change=_add_base)
    return target


def _add_base(parts: BundleParts) -> BundleParts:
    schema = FeatureSchema(parts.uplift.schema.features[:-2])
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 5, (400, len(schema.features))).astype(float)
    data = lightgbm.Dataset(drawn, drawn @ rng.normal(size=drawn.shape[1]))
    booster = lightgbm.train({"verbose": -1, "num_leaves": 4}, data, num_boost_round=5)
    golden = parts.uplift.golden_features[:, :-2]
    expected = np.asarray(booster.predict(golden), dtype=np.float64)
    part = ModelPart(booster.model_to_string(), schema, golden, expected)
    return replace(parts, base=part)


def served(bundle: Bundle) -> pd.DataFrame:
    """What `rerank` answers to each user at the end of the log."""
    table = world().candidates
    last = table[table["t0"] == table.groupby("user_id")["t0"].transform("max")]
    lists = []
    for user, rows in last.sort_values("item_id").groupby("user_id"):
        pairs = list(zip(rows["item_id"], rows["base_score"], strict=True))
        sent = None if bundle.base is not None else pairs
        found = rerank(bundle, int(str(user)), candidates=sent, at=world().log_end)
        assert found.fallback is None
        lists.append(pd.DataFrame(found.records()).assign(user_id=user))
    return pd.concat(lists).sort_values(["user_id", "item_id"], ignore_index=True)


def written(folder: str) -> pd.DataFrame:
    frame = pd.read_parquet(folder)
    return frame.sort_values(["user_id", "item_id"], ignore_index=True)


@pytest.mark.parametrize("model", ["published", "with_base"])
def test_every_list_is_the_one_that_is_served(
    model: str, request: pytest.FixtureRequest, spark: Any, paths: dict[str, str], tmp_path: Path
) -> None:
    bundle = load_bundle(request.getfixturevalue(model))
    out = write_lists(
        spark,
        bundle,
        **paths,
        out=str(tmp_path / "lists"),
        log_end=world().log_end,
        config=CONFIG,
    )
    found, expected = written(out), served(bundle)
    assert len(found) > 500
    key = ["user_id", "item_id"]
    pd.testing.assert_frame_equal(found[key], expected[key], check_dtype=False)
    for name in LISTED:
        # Bit by bit, ties and blended scores included.
        assert np.array_equal(found[name].to_numpy(), expected[name].to_numpy()), name
    assert found["fallback"].isna().all()
    assert (found["t0"] == world().log_end).all()
    assert found["score"].nunique() > 100
    assert (found["rank"] != found["base_rank"]).mean() > 0.2


def test_a_list_is_cut_where_it_is_asked(
    published: Path, spark: Any, paths: dict[str, str], tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"log_end": world().log_end, "config": CONFIG, "k": 3}
    bundle = load_bundle(published)
    found = written(write_lists(spark, bundle, **paths, **settings, out=str(tmp_path / "lists")))
    expected = served(bundle)
    expected = expected[expected["rank"] <= 3].reset_index(drop=True)
    assert np.array_equal(found[LISTED].to_numpy(), expected[LISTED].to_numpy())


def test_what_a_worker_refuses_is_told_in_one_line(
    published: Path, spark: Any, paths: dict[str, str], tmp_path: Path
) -> None:
    table = world().candidates.copy()
    table.loc[table["t0"].idxmax(), "base_score"] = float("nan")
    given = {**paths, "candidates": str(tmp_path / "candidates.parquet")}
    table.to_parquet(given["candidates"], coerce_timestamps="us", index=False)
    spark.sparkContext.setLogLevel("OFF")
    with pytest.raises(ConfigError, match=r"RowError: expected a finite base score") as refused:
        write_lists(
            spark,
            load_bundle(published),
            **given,
            out=str(tmp_path / "lists"),
            log_end=world().log_end,
            config=CONFIG,
        )
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "kind", "expected"),
    [
        ({"config": ChainConfig()}, SchemaError, "features of the model, in its order; got 21"),
        ({"users": None}, SchemaError, "a table of users with tenure_days"),
        ({"model": None}, ConfigError, "candidates with 'base_score', as the model has no base"),
        ({"k": 0}, ConfigError, "k of 1 or more; got 0"),
    ],
    ids=["config", "users", "scores", "k"],
)
def test_what_cannot_be_ranked_is_told(
    changed: dict[str, Any],
    kind: type[Exception],
    expected: str,
    published: Path,
    spark: Any,
    paths: dict[str, str],
    tmp_path: Path,
) -> None:
    given: dict[str, Any] = {**paths, "log_end": world().log_end, "config": CONFIG}
    if "model" in changed:  # and candidates without scores
        given["candidates"] = str(tmp_path / "candidates.parquet")
        bare = world().candidates.drop(columns="base_score")
        bare.to_parquet(given["candidates"], coerce_timestamps="us", index=False)
        changed = {}
    with pytest.raises(kind, match=re.escape(expected)):
        write_lists(
            spark, load_bundle(published), **{**given, **changed}, out=str(tmp_path / "lists")
        )
    assert not (tmp_path / "lists").exists()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"model": "nowhere"}, "a model folder at .*nowhere; got nothing"),
        ({"connection": "nonsense"}, r"the master of a Spark: .* got 'nonsense'\."),
        ({"log-end": "2025-01-08T00:00"}, "with a time zone; got '2025-01-08T00:00' without one"),
        ({"config": "absent.toml"}, "a readable TOML file at absent.toml"),
    ],
    ids=["model", "connection", "log-end", "config"],
)
def test_the_command_tells_what_cannot_be_before_java_starts(
    changed: dict[str, str],
    expected: str,
    published: Path,
    paths: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("pyspark.sql.SparkSession.Builder.getOrCreate", None)
    given = {"model": published, **paths, "log-end": world().log_end.isoformat(), "out": "lists"}
    words = [w for name, value in {**given, **changed}.items() for w in (f"--{name}", str(value))]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out) == (2, "")
    assert MESSAGE.fullmatch(printed.err.removesuffix("\n")), printed.err
    assert re.search(expected, printed.err), printed.err
