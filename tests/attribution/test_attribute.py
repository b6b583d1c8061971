"""Attribution against a plain Python oracle, and by hand at the edges of the window."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.windows import AttributionConfig
from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.logs.sources import connect, read_table

from .oracle import attribute_slowly

START = datetime(2024, 3, 9, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def impression(number: Any, hours: float, **other: Any) -> dict[str, Any]:
    row = {"impression_id": number, "user_id": 1, "item_id": 1, "t0": at(hours), "viewable": True}
    return row | other


def play(number: Any, hours: float, **other: Any) -> dict[str, Any]:
    row = {"play_id": number, "user_id": 1, "item_id": 1, "played_at": at(hours), "seconds": None}
    return row | other


def tables(
    impressions: list[dict[str, Any]], plays: list[dict[str, Any]], connection: Backend
) -> tuple[ibis.Table, ibis.Table]:
    shown = pd.DataFrame(impressions).astype({"viewable": "boolean"})
    played = pd.DataFrame(plays).astype({"seconds": "float64"})
    return (
        read_table(shown, connection, name="impressions"),
        read_table(played, connection, name="plays"),
    )


def run(
    impressions: list[dict[str, Any]],
    plays: list[dict[str, Any]],
    connection: Backend,
    **config: Any,
) -> list[tuple[Any, Any, float]]:
    credits = attribute(*tables(impressions, plays, connection), config=AttributionConfig(**config))
    rows = credits.to_pyarrow().to_pylist()
    return sorted(((r["play_id"], r["impression_id"], r["credit"]) for r in rows), key=str)


def random_logs(
    rng: np.random.Generator, logs: int, name: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Pack small logs as disjoint users; a coarse clock makes ties and edges common."""
    impressions, plays = [], []
    for user in range(logs):
        for _ in range(rng.integers(0, 9)):
            impressions.append(
                impression(
                    name(len(impressions)),
                    int(rng.integers(0, 30)),
                    user_id=user,
                    item_id=int(rng.integers(0, 2)),
                    viewable=[True, False, None][rng.integers(0, 3)],
                )
            )
        for _ in range(rng.integers(0, 6)):
            plays.append(
                play(
                    name(len(plays)),
                    int(rng.integers(0, 30)) + [0, 0, 1e-3][rng.integers(0, 3)],
                    user_id=user,
                    item_id=int(rng.integers(0, 2)),
                    seconds=[None, 10.0, 60.0][rng.integers(0, 3)],
                )
            )
    return impressions, plays


CONFIGS = [
    {"window_hours": 6},
    {"window_hours": 6, "minimum_delay_seconds": 3600},
    {"window_hours": 40, "viewable_only": True, "minimum_seconds": 60},
    {"window_hours": 0.5},
]


@pytest.mark.parametrize("touch", ["last", "first", "linear"])
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", [int, "id-{}".format])
def test_equals_the_oracle_on_random_logs(
    touch: str, config: dict[str, Any], name: Any, connection: Backend
) -> None:
    logs = random_logs(np.random.default_rng(7), 150, name)
    settings = {"touch": touch, **config}
    expected = attribute_slowly(*logs, AttributionConfig(**settings))
    assert any(impression is not None for _, impression, _ in expected)
    assert run(*logs, connection, **settings) == expected


HOURS = st.integers(0, 8)


@hypothesis_settings(max_examples=25)
@given(
    shown=st.lists(HOURS, min_size=1, max_size=8),
    played=st.lists(HOURS, min_size=1, max_size=6),
    touch=st.sampled_from(["last", "first", "linear"]),
    window=st.integers(1, 9),
)
def test_credits_sum_to_one_and_pairs_are_distinct(
    shown: list[int], played: list[int], touch: str, window: int
) -> None:
    rows = run(
        [impression(i, hours) for i, hours in enumerate(shown)],
        [play(i, hours) for i, hours in enumerate(played)],
        ENGINE,
        touch=touch,
        window_hours=window,
    )
    total: dict[int, float] = defaultdict(float)
    for name, _, credit in rows:
        assert 0 < credit <= 1
        total[name] += credit
    assert total == pytest.approx(dict.fromkeys(range(len(played)), 1.0))
    assert max(Counter((name, shown) for name, shown, _ in rows).values()) == 1


ENGINE = connect(threads=1)


def test_the_window_is_closed_at_its_start_and_open_at_its_end(connection: Backend) -> None:
    plays = [play("at t0", 0), play("last moment", 6 - 1e-6 / 3.6), play("end", 6), play("pre", -1)]
    assert run([impression("x", 0)], plays, connection, window_hours=6) == [
        ("at t0", "x", 1.0),
        ("end", None, 1.0),
        ("last moment", "x", 1.0),
        ("pre", None, 1.0),
    ]


def test_the_minimum_delay_is_included(connection: Backend) -> None:
    plays = [play("early", 0.5), play("on time", 1)]
    got = run([impression("x", 0)], plays, connection, window_hours=6, minimum_delay_seconds=3600)
    assert got == [("early", None, 1.0), ("on time", "x", 1.0)]


def test_a_tie_in_time_goes_by_id(connection: Backend) -> None:
    both = [impression(9, 0), impression(10, 0)]
    assert run(both, [play(1, 1)], connection, touch="last") == [(1, 10, 1.0)]
    assert run(both, [play(1, 1)], connection, touch="first") == [(1, 9, 1.0)]


def test_unknown_viewability_and_length_count(connection: Backend) -> None:
    shown = [impression(1, 0, viewable=None), impression(2, 1, viewable=False)]
    plays = [play("unknown", 2), play("short", 2, seconds=59.9), play("long", 2, seconds=60.0)]
    got = run(shown, plays, connection, viewable_only=True, minimum_seconds=60)
    assert got == [("long", 1, 1.0), ("unknown", 1, 1.0)]


def test_other_users_and_items_take_no_credit(connection: Backend) -> None:
    shown = [impression(1, 0, user_id=2), impression(2, 0, item_id=2)]
    assert run(shown, [play(1, 1)], connection) == [(1, None, 1.0)]


def test_one_impression_may_lead_to_several_plays_once_each(connection: Backend) -> None:
    got = run([impression(5, 0)], [play(1, 1), play(2, 2)], connection, touch="linear")
    assert got == [(1, 5, 1.0), (2, 5, 1.0)]


def test_the_columns_and_types(connection: Backend) -> None:
    credits = attribute(*tables([impression(1, 0)], [play(1, 1)], connection))
    assert list(credits.columns) == [
        "play_id",
        "impression_id",
        "user_id",
        "item_id",
        "played_at",
        "t0",
        "credit",
    ]
    assert credits["credit"].type().is_float64()
    stored = connection.create_table("credits", credits, temp=True, overwrite=True)
    assert stored["credit"].type().is_float64()


def test_daylight_saving_does_not_move_the_window(connection: Backend) -> None:
    # New York's clocks went forward at 07:00 UTC on 2024-03-10: a wall-clock day is 23 hours.
    shown = [impression(1, 17)]
    plays = [play("inside", 17 + 23.5), play("outside", 17 + 24)]
    assert run(shown, plays, connection, window_hours=24) == [
        ("inside", 1, 1.0),
        ("outside", None, 1.0),
    ]


@pytest.mark.parametrize("column", ["viewable", "seconds"])
def test_a_setting_needs_its_column(column: str, connection: Backend) -> None:
    shown, played = tables([impression(1, 0)], [play(1, 1)], connection)
    config = AttributionConfig(viewable_only=True, minimum_seconds=1)
    with pytest.raises(SchemaError, match=column):
        attribute(
            shown.drop("viewable") if column == "viewable" else shown,
            played.drop("seconds") if column == "seconds" else played,
            config=config,
        )


def test_ids_of_two_types_are_refused(connection: Backend) -> None:
    shown, played = tables([impression(1, 0)], [play(1, 1)], connection)
    with pytest.raises(SchemaError, match="user_id"):
        attribute(shown, played.mutate(user_id=played.user_id.cast("string")))


@pytest.mark.parametrize(
    "settings",
    [
        {"window_hours": 0},
        {"window_hours": -1},
        {"window_hours": float("nan")},
        {"minimum_delay_seconds": -1},
        {"window_hours": 1, "minimum_delay_seconds": 3600},
        {"touch": "middle"},
        {"windowhours": 3},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        AttributionConfig(**settings)
