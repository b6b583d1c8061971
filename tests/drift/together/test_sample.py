"""Rows by lot from tables, and the places of their values."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import chisquare

from causal_ranker.drift.days import Calendar
from causal_ranker.drift.profiles import Categories, Numbers
from causal_ranker.drift.scan import plan, scan
from causal_ranker.drift.together.places import Places
from causal_ranker.drift.together.sample import ROWS_A_DAY, Drawn, draw_rows, draw_sides

MONDAY = np.datetime64("2025-01-06")


def drawer(frame: pd.DataFrame, *, threads: int = 1) -> Callable[..., Drawn]:
    connection = ibis.duckdb.connect()
    connection.raw_sql(f"SET threads = {threads}")
    table = connection.create_table("t", frame)
    cells = plan(table, ["x", "c"], day="day", segment=None)
    found = scan(table, cells, name="reference")
    places = Places(found.columns[None])

    def draw(wanted: list[int], *, seed: int) -> Drawn:
        rows = np.array(wanted)
        return draw_rows(table, cells, found, places=places, wanted=rows, seed=seed)

    return draw


def table(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "x": np.arange(rows, dtype=np.float64),
            "c": np.where(np.arange(rows) % 2, "odd", "even"),
            "day": MONDAY + (np.arange(rows) % 3),
        }
    )


def test_every_row_of_a_day_has_the_same_chance_and_threads_change_nothing() -> None:
    draw, times = drawer(table(150)), np.zeros(150)
    for seed in range(120):
        found = draw([10, 50, 99], seed=seed)
        assert np.unique(found.day, return_counts=True)[1].tolist() == [10, 50, 50]
        # 150 values have a cell each, so that a place names its row
        times[np.round(found.places[:, 0] * 150 - 0.5).astype(int)] += 1
    assert (times[2::3] == 120).all()
    assert (times[1::3] == 120).all()
    assert times[::3].sum() == 1200
    assert chisquare(times[::3]).pvalue > 0.001
    big = table(40_000)
    one, two = (drawer(big, threads=k)([40, 40, 40], seed=0) for k in (1, 4))
    np.testing.assert_array_equal(one.places, two.places)
    assert one.first(5).places.shape == (15, 2)
    np.testing.assert_array_equal(one.first(40).places, one.places)


def test_days_that_are_compared_give_more_rows() -> None:
    frame = pd.DataFrame({"x": np.arange(60_000.0), "y": 1.0})
    frame["day"] = MONDAY + np.repeat(np.arange(15), 4_000)
    connection = ibis.duckdb.connect()
    parts = {"t0": frame[:56_000], "t1": frame[56_000:]}
    tables = [connection.create_table(name, part) for name, part in parts.items()]
    cells = plan(tables[0], ["x", "y"], day="day", segment=None)
    scans = [scan(t, cells, name="reference") for t in tables]
    calendar = Calendar.of_days(scans[0].days, scans[1].days)
    before, now = draw_sides(tables, cells, scans, calendar=calendar, seed=0)
    days, rows = np.unique(before.day, return_counts=True)
    assert rows[days == MONDAY][0] == rows[days == MONDAY + 7][0] == 4_000
    assert set(rows[(days != MONDAY) & (days != MONDAY + 7)].tolist()) == {ROWS_A_DAY}
    assert now.places.shape == (4_000, 2)


def test_places_by_hand() -> None:
    zero = np.zeros(4, np.int64)
    number = Numbers.of_values(np.array([1.0, 2.0, 2.0, 1e300]), zero, size=1)
    word = Categories.of_values(["b", "b", "b", "a"], zero, size=1)
    found = Places({"x": number, "c": word}).of(
        {
            "x": pa.chunked_array([[2.0, 1e300, -np.inf, np.inf, None]]),
            "c": pa.chunked_array([["a", "b", None, "new", "a"]]),
        }
    )
    np.testing.assert_allclose(found[:, 0], [0.5, 0.875, 0.125, 1.0, np.nan])
    np.testing.assert_allclose(found[:, 1], [0.875, 0.375, np.nan, 1.0, 0.875])


def test_an_increasing_transform_changes_no_place() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=500)
    zero = np.zeros(500, np.int64)
    plain, cubed = (
        Places({"x": Numbers.of_values(v, zero, size=1)}).of({"x": pa.chunked_array([v])})
        for v in (values, values**3)
    )
    np.testing.assert_array_equal(plain, cubed)
    assert plain.mean() == pytest.approx(0.5, abs=1e-9)
