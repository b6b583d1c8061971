"""Attribution against a plain Python oracle, and by hand at the edges of the window."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.shares import SurfaceSet, SurfaceShares
from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.logs.clock import LONGEST_HOURS
from causal_ranker.logs.sources import connect, read_table
from tests.structure.public import documented_defaults

from .oracle import attribute_slowly

START = datetime(2024, 3, 9, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def impression(number: Any, hours: float, **other: Any) -> dict[str, Any]:
    row = {"impression_id": number, "user_id": 1, "item_id": 1, "t0": at(hours), "viewable": True}
    rest = {"viewable_ms": None, "surface": "home", "session_id": 1, "is_bot": False}
    return row | rest | {"clicked_at": None} | other


def play(number: Any, hours: float, **other: Any) -> dict[str, Any]:
    row = {"play_id": number, "user_id": 1, "item_id": 1, "played_at": at(hours), "seconds": None}
    return row | {"fraction": None, "session_id": 1, "is_bot": False} | other


def tables(
    impressions: list[dict[str, Any]], plays: list[dict[str, Any]], connection: Backend
) -> tuple[ibis.Table, ibis.Table]:
    shown = pd.DataFrame(impressions).astype(
        {
            "viewable": "boolean",
            "viewable_ms": "float64",
            "is_bot": "boolean",
            "session_id": "Int64",
            "clicked_at": "datetime64[us, UTC]",
        }
    )
    played = pd.DataFrame(plays).astype(
        {"seconds": "float64", "fraction": "float64", "is_bot": "boolean", "session_id": "Int64"}
    )
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
            hours = int(rng.integers(0, 30))
            impressions.append(
                impression(
                    name(len(impressions)),
                    hours,
                    user_id=user,
                    item_id=int(rng.integers(0, 2)),
                    viewable=[True, False, None][rng.integers(0, 3)],
                    viewable_ms=[None, 200.0, 2000.0][rng.integers(0, 3)],
                    surface=[None, "home", "mail", "push"][rng.integers(0, 4)],
                    session_id=[None, 1, 2][rng.integers(0, 3)],
                    is_bot=[None, False, False, True][rng.integers(0, 4)],
                    clicked_at=[None, at(hours + int(rng.integers(0, 9)))][rng.integers(0, 2)],
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
                    fraction=[None, 0.1, 0.9][rng.integers(0, 3)],
                    session_id=[None, 1, 2][rng.integers(0, 3)],
                    is_bot=[None, False, False, True][rng.integers(0, 4)],
                )
            )
    return impressions, plays


def word(number: int) -> str:
    """Names that languages sort in other ways than bytes do."""
    return f"{('a', 'B', 'é', 'Z', 'ß')[number % 5]}-{number}"


CONFIGS = [
    {"window_hours": 6},
    {"window_hours": 6, "minimum_delay_seconds": 3600},
    {"window_hours": 40, "viewable_only": True, "minimum_seconds": 60},
    {"window_hours": 0.5},
    {"window_hours": 4, "click_window_hours": 5, "minimum_delay_seconds": 1800},
    {"window_hours": 9, "surface_window_hours": {"mail": 20, "push": 2}},
    {"window_hours": 20, "surface_window_hours": {"home": 3, "push": 3}, "click_window_hours": 2},
    {"window_hours": 20, "minimum_viewable_ms": 1000, "unknown_viewability": "hidden"},
    {"window_hours": 20, "viewable_only": True, "unknown_viewability": "hidden"},
    {"window_hours": 20, "leave_out_bots": True, "minimum_fraction": 0.5},
    {"window_hours": 20, "duplicates": "first"},
    {"window_hours": 20, "most_impressions_a_day": 3, "leave_out_bots": True},
    {"window_hours": 20, "exposures": "first", "leave_out_bots": True},
    {"window_hours": 20, "same_session": True, "click_window_hours": 30},
    {"half_life_hours": 3, "first_share": 0.7, "last_share": 0.3},
    {"first_share": 0.0, "last_share": 0.5},
]
SHARES = SurfaceShares(
    sets=(
        SurfaceSet(surfaces=("home",), shares=(1.0,)),
        SurfaceSet(surfaces=("home", "mail"), shares=(0.25, 0.75)),
        SurfaceSet(surfaces=("home", ""), shares=(0.0, 1.0)),
        SurfaceSet(surfaces=("mail", "", "home"), shares=(0.2, 0.3, 0.5)),
    )
)
TOUCHES: dict[str, dict[str, Any]] = {
    "last": {},
    "first": {},
    "linear": {},
    "time_decay": {},
    "position": {},
    "shapley": {"surface_shares": SHARES},  # it has never heard of the surface "push"
}


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("seed", range(20))
def test_equals_the_oracle_on_random_logs(touch: str, seed: int, connection: Backend) -> None:
    """Two thousand small logs, a hundred to a run; the runs go through all settings."""
    name = (int, word)[(seed + list(TOUCHES).index(touch)) % 2]
    logs = random_logs(np.random.default_rng(seed), 100, name)
    settings = {"touch": touch, **TOUCHES[touch], **CONFIGS[seed % len(CONFIGS)]}
    expected = attribute_slowly(*logs, AttributionConfig(**settings))
    assert any(impression is not None for _, impression, _ in expected)
    found = run(*logs, connection, **settings)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    # Shares of surfaces are whole multiples of 2^-40.
    close = {"rtol": 1e-11 if touch == "shapley" else 1e-12}
    np.testing.assert_allclose([row[2] for row in found], [row[2] for row in expected], **close)


@pytest.mark.parametrize("hours", [0.3, 1.0, 7.7, 24.0])
@pytest.mark.parametrize("clock", [-30.0, 0.0, 400_000.2])
def test_windows_are_exact_wherever_the_clock_stands(
    hours: float, clock: float, connection: Backend
) -> None:
    rng = np.random.default_rng(int(hours * 10))
    shown = [impression(i, clock + h) for i, h in enumerate(rng.uniform(0, 60, 120))]
    played = [play(i, clock + h) for i, h in enumerate(rng.uniform(0, 60, 40))]
    settings = {"touch": "linear", "window_hours": hours}
    found = run(shown, played, connection, **settings)
    expected = attribute_slowly(shown, played, AttributionConfig(**settings))
    assert [row[:2] for row in found] == [row[:2] for row in expected]


HOURS = st.integers(0, 8)


@hypothesis_settings(max_examples=25)
@given(
    shown=st.lists(HOURS, min_size=1, max_size=8),
    played=st.lists(HOURS, min_size=1, max_size=6),
    touch=st.sampled_from(sorted(TOUCHES)),
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
        **TOUCHES[touch],
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


@pytest.mark.parametrize("settings", [{}, {"touch": "first"}, {"duplicates": "first"}], ids=str)
@pytest.mark.parametrize(
    "names", [("a", "B"), ("é", "z"), ("id-10", "id-9"), ("straße", "STRASSE")]
)
def test_a_tie_of_words_goes_by_their_md5(
    names: tuple[str, str], settings: dict[str, Any], connection: Backend
) -> None:
    shown = [impression(name, 0) for name in names]
    first, last = sorted(names, key=lambda name: hashlib.md5(name.encode()).hexdigest())
    winner = first if settings else last
    assert run(shown, [play(1, 1)], connection, **settings) == [(1, winner, 1.0)]
    assert run(shown[::-1], [play(1, 1)], connection, **settings) == [(1, winner, 1.0)]


def test_unknown_viewability_and_length_count(connection: Backend) -> None:
    shown = [impression(1, 0, viewable=None), impression(2, 1, viewable=False)]
    plays = [play("unknown", 2), play("short", 2, seconds=59.9), play("long", 2, seconds=60.0)]
    got = run(shown, plays, connection, viewable_only=True, minimum_seconds=60)
    assert got == [("long", 1, 1.0), ("unknown", 1, 1.0)]


def test_other_users_and_items_take_no_credit(connection: Backend) -> None:
    shown = [impression(1, 0, user_id=2), impression(2, 0, item_id=2)]
    assert run(shown, [play(1, 1)], connection) == [(1, None, 1.0)]


def test_shares_by_position_and_age_by_hand(connection: Backend) -> None:
    shown = [impression(i, hours) for i, hours in enumerate([0, 6, 12, 18])]
    by_place = run(shown, [play(1, 19)], connection, touch="position")
    assert [credit for *_, credit in by_place] == pytest.approx([0.4, 0.1, 0.1, 0.4])
    two = run(shown[:2], [play(1, 19)], connection, touch="position", last_share=0.6)
    assert [credit for *_, credit in two] == pytest.approx([0.4, 0.6])
    one = run(shown[:1], [play(1, 19)], connection, touch="position", first_share=0)
    assert one == [(1, 0, 1.0)]
    by_age = run(shown[:3], [play(1, 19)], connection, touch="time_decay", half_life_hours=6)
    assert [credit for *_, credit in by_age] == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    # ages in whole seconds: .9 of a second does not count, on no engine
    split = [impression(1, 0.9 / 3600), impression(2, 10 / 3600)]
    in_seconds = run(split, [play(1, 1)], connection, touch="time_decay", half_life_hours=10 / 3600)
    assert [credit for *_, credit in in_seconds] == pytest.approx([1 / 3, 2 / 3])
    old = [impression(1, 0), impression(2, 100_000)]
    kept = run(
        old, [play(1, 100_001)], connection, touch="time_decay", window_hours=1e6, half_life_hours=1
    )
    assert kept[0][2] == pytest.approx(2.0**-40)


def test_an_organic_play_keeps_the_path_it_was_found_on(connection: Backend) -> None:
    shown, played = tables([impression(1, 0)], [play(1, 1), play(2, 30)], connection)
    paths = played.mutate(surface=(played.play_id == 2).ifelse("search", "home"))
    rows = attribute(shown, paths).order_by("play_id").to_pyarrow().to_pylist()
    assert [(row["impression_id"], row["surface"]) for row in rows] == [
        (1, "home"),
        (None, "search"),
    ]


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_is_shown_after_a_play_changes_none_of_its_credits(
    touch: str, connection: Backend
) -> None:
    shown, plays = random_logs(np.random.default_rng(3), 40, int)
    settings = {"touch": touch, **TOUCHES[touch]}
    before = run(shown, plays, connection, **settings)
    later = [impression(10_000 + i, 40, user_id=i % 40, item_id=i % 2) for i in range(80)]
    assert run([*shown, *later], plays, connection, **settings) == before


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


@pytest.mark.parametrize(
    ("column", "settings"),
    [
        ("viewable", {"viewable_only": True}),
        ("viewable_ms", {"minimum_viewable_ms": 1}),
        ("seconds", {"minimum_seconds": 1}),
        ("fraction", {"minimum_fraction": 0.5}),
        ("is_bot", {"leave_out_bots": True}),
        ("surface", {"surface_window_hours": {"push": 2}}),
        ("clicked_at", {"click_window_hours": 2}),
        ("session_id", {"same_session": True}),
    ],
)
def test_a_setting_needs_its_column(
    column: str, settings: dict[str, Any], connection: Backend
) -> None:
    logs = tables([impression(1, 0)], [play(1, 1)], connection)
    assert attribute(*logs, config=AttributionConfig(**settings)).count().execute() >= 0
    for without, _ in enumerate(logs):
        if column in logs[without].columns:
            less = [t.drop(column) if i == without else t for i, t in enumerate(logs)]
            with pytest.raises(SchemaError, match=column):
                attribute(*less, config=AttributionConfig(**settings))


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
        {"touch": "shapley"},
        {"touch": "linear", "surface_shares": SHARES},
        {"surface_window_hours": {"push": 0}},
        {"surface_window_hours": {"push": 0.5}, "minimum_delay_seconds": 3600},
        {"click_window_hours": -1},
        {"minimum_fraction": 1.5},
        {"half_life_hours": 0},
        {"first_share": 0.7, "last_share": 0.7},
        {"first_share": 0, "last_share": 0},
        {"unknown_viewability": "maybe"},
        {"windowhours": 3},
        {"window_hours": LONGEST_HOURS + 1},
        {"minimum_seconds": -0.5},
        {"minimum_seconds": float("inf")},
        {"minimum_viewable_ms": -0.5},
        {"most_impressions_a_day": 0},
        {"first_share": 0.7, "last_share": 0.4},
        {"first_share": 1.2, "last_share": -0.2},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        AttributionConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"window_hours": LONGEST_HOURS},
        {"window_hours": 0.01},
        {"window_hours": 1, "minimum_delay_seconds": 3599},
        {"minimum_fraction": 1},
        {"most_impressions_a_day": 1},
        {"first_share": 0.5, "last_share": 0.5},
        {"first_share": 0, "last_share": 0.1},
        {"first_share": 1, "last_share": 0},
        {"click_window_hours": 0.5},
    ],
)
def test_settings_at_their_bounds(settings: dict[str, Any]) -> None:
    config = AttributionConfig(**settings)
    assert {name: getattr(config, name) for name in settings} == settings


def test_settings_are_what_is_documented_until_they_are_set() -> None:
    config = AttributionConfig()
    said = documented_defaults(AttributionConfig)
    assert len(said) > 12
    assert {name: getattr(config, name) for name in said} == said
    # What the documentation calls optional is off.
    for name in ("click_window_hours", "most_impressions_a_day", "surface_shares"):
        assert getattr(config, name) is None
    assert config.surface_window_hours == {}


def test_an_equal_share_between_two_of_three(connection: Backend) -> None:
    shown = [impression(i, hours) for i, hours in enumerate([0, 6, 12])]
    by_place = run(shown, [play(1, 13)], connection, touch="position")
    assert [credit for *_, credit in by_place] == pytest.approx([0.4, 0.2, 0.4])


@pytest.mark.parametrize("touch", TOUCHES)
def test_credit_is_a_float_where_it_is_written(
    touch: str, connection: Backend, tmp_path: Path
) -> None:
    """Engines take a bare 1.0 for a decimal of two digits, and keep it as one in files."""
    logs = tables(*random_logs(np.random.default_rng(1), 20, int), connection)
    credits = attribute(*logs, config=AttributionConfig(touch=touch, **TOUCHES[touch]))
    credits.to_parquet(tmp_path / "credits.parquet")
    assert pq.read_schema(tmp_path / "credits.parquet").field("credit").type == pa.float64()
