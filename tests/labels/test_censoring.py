"""Determined rows and their weights: by a slow count, and against a truth that is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.labels.collect import LabelConfig
from causal_ranker.labels.dataset import UpliftDataset
from tests.labels.builders import Row, at, candidate, collect, play, random_world
from tests.structure.public import documented_defaults

WEIGHT: dict[str, Any] = {"censoring": "weight"}


def slowly(
    candidates: list[Row], plays: list[Row], *, end: float, hours: float, least: float
) -> dict[Any, float]:
    """{(user, item, t0): weight} of the determined rows, each against each of its cohort."""
    found = {}
    length = timedelta(hours=hours)

    def cohort(row: Row) -> int:
        return int((row["t0"] - at(0)) // length)  # START is a full day, and so of any length here

    for row in candidates:
        peers = [other for other in candidates if cohort(other) == cohort(row)]
        whole = sum(other["horizon_end"] <= at(end) for other in peers)
        times = [
            p["played_at"]
            for p in plays
            if (p["user_id"], p["item_id"]) == (row["user_id"], row["item_id"])
            and row["t0"] <= p["played_at"] < row["horizon_end"]
        ]
        decided = min([*times, row["horizon_end"]])
        determined = row["horizon_end"] <= at(end) or (times and decided < at(end))
        if not determined or whole < least * len(peers):
            continue
        followed = sum(at(end) - other["t0"] >= decided - row["t0"] for other in peers)
        found[row["user_id"], row["item_id"], row["t0"]] = len(peers) / followed
    return found


def weights(rows: UpliftDataset) -> dict[Any, float]:
    table = rows.table.to_pyarrow().to_pylist()
    return {(r["user_id"], r["item_id"], r["t0"]): r[C.CENSORING_WEIGHT] for r in table}


@pytest.mark.parametrize("least", [0.1, 0.5])
@pytest.mark.parametrize("hours", [4.0, 12.0])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_slow_count(seed: int, hours: float, least: float) -> None:
    candidates, impressions, plays = random_world(np.random.default_rng(seed), 12, int)
    rows, _ = collect(
        candidates,
        plays,
        impressions=impressions,
        log_end=15,
        censoring="weight",
        censoring_cohort_hours=hours,
        censoring_least_complete=least,
    )
    expected = slowly(candidates, plays, end=15, hours=hours, least=least)
    got = weights(rows)
    assert got == pytest.approx(expected)
    assert len(got) + rows.censored_rows == len(candidates)
    if hours == 12:  # short cohorts may all be complete, or go whole
        assert max(got.values()) > 1
    frame = rows.to_pandas()
    np.testing.assert_array_equal(frame[C.ANALYSIS_WEIGHT], frame[C.CENSORING_WEIGHT])


def test_complete_rows_weigh_one_and_are_those_of_dropping() -> None:
    candidates, impressions, plays = random_world(np.random.default_rng(9), 8, int)
    given: dict[str, Any] = {"impressions": impressions, "log_end": 60}
    dropped, weighed = (
        collect(candidates, plays, **given),
        collect(candidates, plays, **given, **WEIGHT),
    )
    pd.testing.assert_frame_equal(dropped[0].to_pandas(), weighed[0].to_pandas())
    assert weighed[0].censored_rows == 0


def test_a_play_after_the_end_of_the_log_determines_nothing() -> None:
    rows, _ = collect(
        [candidate(0, horizon=5), candidate(8, horizon=5, item_id=2)],
        [play(1, 11, item_id=2)],
        log_end=10,
        **WEIGHT,
    )
    assert list(weights(rows)) == [(1, 1, at(0))]
    assert rows.censored_rows == 1


def test_a_cohort_nobody_of_which_is_complete_goes_whole() -> None:
    rows, _ = collect(
        [candidate(0), candidate(30), candidate(31, item_id=2)],
        [play(1, 31)],
        log_end=34,
        **WEIGHT,
    )
    assert list(weights(rows)) == [(1, 1, at(0))]
    assert rows.censored_rows == 2


def simulate(seed: int) -> tuple[float, float, float]:
    """Rates of play by dropping, by weighing, and by keeping the determined rows as they are."""
    rng = np.random.default_rng(seed)
    n = 400
    entered = rng.uniform(0, 24, n)
    # A play comes at a time of its own, or never: within ten hours for 45 %.
    wait = np.where(rng.random(n) < 0.45, rng.uniform(0, 10, n), 99.0)
    candidates = [candidate(float(t), item_id=i) for i, t in enumerate(entered, start=1)]
    plays = [
        play(i, float(t + w), item_id=i)
        for i, (t, w) in enumerate(zip(entered, wait, strict=True), start=1)
        if w < 10
    ]
    given: dict[str, Any] = {"log_end": 16.0}
    dropped = collect(candidates, plays, **given)[0].to_pandas()
    weighed = collect(candidates, plays, **given, **WEIGHT)[0].to_pandas()
    weight = weighed[C.CENSORING_WEIGHT]
    return (
        float(dropped[C.OUTCOME].mean()),
        float(np.average(weighed[C.OUTCOME], weights=weight)),
        float(weighed[C.OUTCOME].mean()),
    )


@pytest.mark.slow
def test_the_rate_of_play_is_recovered_and_more_sharply_than_by_dropping() -> None:
    drawn = np.array([simulate(seed) for seed in range(30)])
    mean, spread = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
    error = spread / np.sqrt(len(drawn))
    assert abs(mean[0] - 0.45) < 3.5 * error[0]
    assert abs(mean[1] - 0.45) < 3.5 * error[1]
    # What trap 3 warns of: rows kept because a play was seen.
    assert mean[2] - 0.45 > 10 * error[2]
    assert spread[1] < 0.95 * spread[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"censoring": "negative"},
        {"censoring_cohort_hours": 0},
        {"censoring_least_complete": 0},
        {"censoring_least_complete": 1.1},
        {"censoring_cohort_hours": 0.9 / 3600},
        {"horizon_hours": 0},
        {"minimum_seconds": -0.5},
        {"minimum_fraction": 1.1},
        {"minimum_viewable_ms": -0.5},
        {"context": ("outcome",)},
    ],
)
def test_settings_are_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LabelConfig(log_end=at(1), **wrong)


def test_settings_at_their_bounds_and_as_documented() -> None:
    bounds: dict[str, Any] = {
        "censoring_least_complete": 1,
        "censoring_cohort_hours": 1 / 3600,
        "minimum_fraction": 1,
        "horizon_hours": 0.01,
    }
    config = LabelConfig(log_end=at(1), **bounds)
    assert {name: getattr(config, name) for name in bounds} == bounds
    said = documented_defaults(LabelConfig)
    assert len(said) == 8
    # A context makes the settings look at it.
    plain = LabelConfig(log_end=at(1), context=("week",))
    assert {name: getattr(plain, name) for name in said} == said
    assert plain.horizon_hours is None


def test_rows_kept_for_their_plays_are_not_thinned() -> None:
    rows, _ = collect([candidate(0), candidate(5)], [play(1, 2)], **WEIGHT)
    with pytest.raises(ConfigError, match="whatever their outcome"):
        rows.thin()
