"""Warnings before crediting: told when something is wrong, and only then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.warnings import attribution_warnings
from causal_ranker.logs.sources import connect, read_table

START = datetime(2024, 3, 9, tzinfo=UTC)
PLAIN = AttributionConfig()


def moments(seconds: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([START + timedelta(seconds=float(s)) for s in seconds]).as_unit("us")


def warnings(
    shown: np.ndarray,
    played: np.ndarray,
    *,
    items: int = 1,
    user: np.ndarray | int = 1,
    config: AttributionConfig = PLAIN,
) -> tuple[str, ...]:
    connection = connect()
    impressions = pd.DataFrame(
        {
            "impression_id": range(len(shown)),
            "user_id": user,
            "item_id": np.arange(len(shown)) % items,
            "t0": moments(shown),
        }
    )
    plays = pd.DataFrame(
        {
            "play_id": range(len(played)),
            "user_id": 1,
            "item_id": np.arange(len(played)) % items,
            "played_at": moments(played),
        }
    )
    return attribution_warnings(
        read_table(impressions, connection, name="impressions"),
        read_table(plays, connection, name="plays"),
        config=config,
    )


def test_a_row_that_reloads_is_no_clock_that_is_wrong() -> None:
    rng = np.random.default_rng(0)
    shown = np.cumsum(rng.uniform(20, 90, 2000))
    played = shown[::3] + rng.uniform(3, 20, len(shown[::3]))
    next_one = shown[1::3][: len(played)]
    assert (next_one - played[: len(next_one)] < 60).mean() > 0.4  # many lie before the next
    assert warnings(shown, played) == ()


@pytest.mark.parametrize("late", [25, 58])
def test_clocks_that_differ_by_seconds_are_told(late: int) -> None:
    shown = np.arange(300) * 3600.0 + 0.25
    assert warnings(shown, shown + 1) == ()
    (told,) = warnings(shown + late, shown)
    assert told.startswith("300 of 300 plays start up to 60 seconds before")
    assert "and 0 as shortly after one" in told


@pytest.mark.parametrize("distance", [-61, 60, -60, 0])
def test_the_counts_are_exact_at_the_ends_of_a_minute(distance: int) -> None:
    shown = np.arange(100) * 3600.0 + 59.5
    told = warnings(shown, shown - distance)
    assert bool(told) == (0 < distance <= 60)


def test_accidents_before_and_after_are_equally_many() -> None:
    rng = np.random.default_rng(1)
    shown, played = rng.uniform(0, 86_400, 3000), rng.uniform(0, 86_400, 3000)
    again = played[::2]
    shown = np.concatenate([shown, again - 30])  # and showing works
    assert warnings(shown, played, items=1) == ()


def test_a_user_who_is_no_person_is_told_and_not_once_left_out() -> None:
    shown = np.linspace(0, 86_000, 15_000)
    (told,) = warnings(shown, np.array([1e6]))
    assert told.startswith("User 1 has 15,000 of 15,000 impressions")
    assert "--most-impressions-a-day" in told
    some = AttributionConfig(most_impressions_a_day=100)
    assert warnings(shown, np.array([1e6]), config=some) == ()


@pytest.mark.parametrize(
    ("plays", "early", "told"),
    [(30, 30, True), (29, 29, False), (1_000, 11, True), (1_000, 10, False)],
)
def test_clocks_are_doubted_from_thirty_plays_and_above_one_percent(
    plays: int, early: int, told: bool
) -> None:
    played = np.arange(plays) * 3600.0 + 7
    # All others are far from any impression.
    shown = played[:early] + 20
    found = warnings(shown, played)
    assert bool(found) == told
    assert all(text.startswith(f"{early:,} of {plays:,} plays start") for text in found)


def test_as_many_after_as_before_are_no_clock_that_is_wrong() -> None:
    played = np.arange(100) * 3600.0 + 7
    shown = np.concatenate([played[:50] + 20, played[50:] - 20])
    assert warnings(shown, played) == ()
    (told,) = warnings(shown[:-1], played)
    assert "50 of 100 plays" in told
    assert "and 49 as shortly after one" in told


@pytest.mark.parametrize(
    ("own", "others", "told"),
    [(10_000, 89_999, True), (10_000, 90_000, False), (9_999, 0, False), (10_000, 0, True)],
)
def test_one_user_is_many_from_ten_thousand_rows_and_above_a_tenth(
    own: int, others: int, told: bool
) -> None:
    users = np.concatenate([np.full(own, 7), 100 + np.arange(others) % 50])
    found = warnings(np.linspace(0, 86_000, own + others), np.array([1e6]), user=users)
    assert bool(found) == told
    assert all(f"User 7 has {own:,} of {own + others:,} imp" in text for text in found)
