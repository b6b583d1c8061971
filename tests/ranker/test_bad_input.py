"""Logs that cannot be learned from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.errors import (
    ConfigError,
    DataError,
    EmptyError,
    OverlapError,
    RowError,
    SchemaError,
)
from causal_ranker.ranker import CausalRanker
from tests.ranker.season import (
    K,
    config,
    fit,
    season,
    tables,
)
from tests.ranker.shared import small


def test_what_is_shown_for_certain_is_refused() -> None:
    """The top of the base list and nothing else: the two arms have no comparable rows."""
    past, _ = small()
    table = past.candidates
    decided = table.assign(shown=table["base_rank"] <= K).drop(columns="propensity")
    with pytest.raises(OverlapError, match="Explore"):
        fit(replace(past, candidates=decided))


def test_pinned_rows_are_left_out_and_counted() -> None:
    """A propensity of 1 is allowed: such a row has no overlap, and the others go on."""
    past, later = small()

    def pin(logs: Any) -> Any:
        pinned = logs.candidates["base_rank"] == 1
        table = logs.candidates
        return replace(
            logs,
            candidates=table.assign(
                propensity=table["propensity"].where(~pinned, 1.0), shown=table["shown"] | pinned
            ),
        )

    report = fit(pin(past)).evaluate(**tables(pin(later)))
    assert report.evaluation.share_left_out > 1 / 20


def test_candidates_without_base_scores_need_a_base() -> None:
    past, _ = small()
    bare = replace(past, candidates=past.candidates.drop(columns=["base_score", "base_rank"]))
    with pytest.raises(RowError, match="base recommender"):
        fit(bare)


def test_logs_that_were_seen_before_are_refused(ranker: CausalRanker) -> None:
    past, later = season()
    with pytest.raises(RowError, match="candidates from 2025-01-14 00:00:00 UTC on"):
        ranker.evaluate(**tables(past))
    both = pd.concat([past.plays.tail(3), later.plays])
    with pytest.raises(RowError, match=r"plays from .* 3 earlier rows"):
        ranker.evaluate(**{**tables(later), "plays": both})


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (lambda t: t.drop(columns="shown"), SchemaError, "shown"),
        (lambda t: t.assign(t0=t["t0"].dt.tz_localize(None)), SchemaError, "t0"),
        (lambda t: t.assign(propensity=1.5), RowError, "propensity"),
        (lambda t: pd.concat([t, t.head(2)]), RowError, "once|unique|duplicate|twice"),
        (lambda t: t.head(0), EmptyError, "candidates"),
        (lambda t: t.assign(sampling_weight=2.0), SchemaError, "every candidate of each request"),
        (lambda t: t.drop(columns="device"), SchemaError, "device"),
    ],
)
def test_broken_candidates_are_refused(broken: Any, error: Any, message: str) -> None:
    past, _ = small()
    with pytest.raises(error, match=message):
        fit(replace(past, candidates=broken(past.candidates)))


def test_a_log_shorter_than_its_choosing_days_is_refused() -> None:
    past, _ = small()
    with pytest.raises(EmptyError, match="30 days"):
        fit(past, config=config(choose_days=30))


class Nothing:
    """Not a recommender."""


class Asked:
    """A recommender, that is never asked here."""

    def candidates(self, users: Any, *, at: Any, k: Any = None) -> Any:
        raise AssertionError("nobody asks")


@pytest.mark.parametrize(
    ("name", "value", "came"),
    [
        ("learner", "forest", "'forest'"),
        ("learner", None, "NoneType"),
        ("policy", "upliftt", "'upliftt'"),
        ("policy", "random", "'random'"),
        ("base", "bosted", "'bosted'"),
        ("base", Nothing(), "Nothing"),
        ("base", Asked, "type"),  # the class, not one of it
        ("base", pd.DataFrame({"base_score": [1.0]}), "DataFrame"),
        ("k", 0, "0"),
        ("k", -3, "-3"),
        ("k", 2.5, "2.5"),
        ("k", True, "True"),
        ("k", "10", "'10'"),
        ("seed", -1, "-1"),
        ("seed", None, "NoneType"),
        ("config", {}, "dict"),
        ("checkpoint", 3, "3"),
    ],
)
def test_impossible_settings_are_refused_before_a_log_is_read(
    name: str, value: Any, came: str
) -> None:
    ranker = CausalRanker(**{name: value})
    with pytest.raises(ConfigError, match=f"as {name}; got .*{came}.*Set {name}"):
        ranker.fit("absent.parquet", "absent.parquet", candidates="absent.parquet")
    assert not hasattr(ranker, "stages_")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learner": "dr", "policy": "blend", "base": "boosted"},
        {"policy": "uplift", "base": Asked(), "k": np.int64(3), "seed": np.int32(0)},
        {"policy": "base", "config": config()},
    ],
)
def test_possible_settings_reach_the_logs(settings: Any) -> None:
    ranker = CausalRanker(**settings)
    with pytest.raises(DataError, match="absent"):
        ranker.fit("absent.parquet", "absent.parquet", candidates="absent.parquet")


def test_the_engine_opens_within_the_limits_of_the_config() -> None:
    ranker = CausalRanker(config=config(engine_threads=3, engine_memory="a lot"))
    with pytest.raises(ConfigError, match="threads=3, memory_limit='a lot'"):
        ranker.fit("absent.parquet", "absent.parquet", candidates="absent.parquet")
