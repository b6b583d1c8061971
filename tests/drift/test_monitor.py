from __future__ import annotations

from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.drift.monitor import MonitorConfig, MonitorReport, monitor
from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.logs.sources import connect, read_table

MONDAY = np.datetime64("2025-01-06")


def frame(seed: int, rows: int = 10_000, features: int = 50, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        rng.normal(size=(rows, features)), columns=[f"x{i}" for i in range(features)]
    )
    table["x7"] += shift
    table["device"] = rng.choice(["tv", "phone"], rows)
    return table


def days(seed: int, n: int, *, first: int = 0, rows: int = 200, shift: float = 0.0) -> pd.DataFrame:
    """Days that move together, and weekends that are another world."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(first, first + n), rows)
    weekend = day % 7 >= 5
    together = 0.1 * rng.normal(size=(n, 9))[day - first]
    table = pd.DataFrame(
        rng.normal(size=(day.size, 9)) + together + weekend[:, None],
        columns=[f"x{i}" for i in range(9)],
    )
    table["x7"] += shift
    table["device"] = np.where(rng.random(day.size) < np.where(weekend, 0.8, 0.3), "tv", "phone")
    table["day"] = MONDAY + day
    return table


def run(before: pd.DataFrame, now: pd.DataFrame, **settings: object) -> MonitorReport:
    return monitor(ibis.memtable(before), ibis.memtable(now), config=MonitorConfig(**settings))


def test_one_shifted_feature_of_fifty_is_found_and_only_it() -> None:
    quiet = run(frame(0), frame(1))
    assert quiet.advice == "nothing"
    assert (
        quiet.verdict.sentence
        == "None of 51 columns drifted, one by one or together: nothing to do."
    )
    found = run(frame(0), frame(2, shift=0.2))
    assert found.drifted == ("x7",)
    assert found.advice == "watch"
    moved = next(each for each in found.columns if each.column == "x7")
    assert moved.signal("mean").decision.effect_size == pytest.approx(0.2, abs=0.04)
    assert moved.distances["psi"] == pytest.approx(0.04, abs=0.015)
    assert moved.distances["wasserstein"] == pytest.approx(0.2, abs=0.04)
    assert moved.resolution < 0.01


def test_weekends_are_no_drift() -> None:
    before = days(0, 56)
    saturday, moved = days(1, 1, first=61), days(2, 1, first=61, shift=1.0)
    assert run(before, saturday, day="day").advice == "nothing"
    # without the column of days it looks as if everything had moved
    flat = run(before.drop(columns="day"), saturday.drop(columns="day"))
    assert flat.advice == "stop"
    found = run(before, moved, day="day")
    assert found.drifted == ("x7",)
    assert found.advice == "retrain"
    assert (len(found.days_before), len(found.days_now)) == (56, 1)
    track = next(each for each in found.columns if each.column == "x7").track
    assert len(track.reference) == 56
    assert track.window[0] == pytest.approx(moved["x7"].mean())
    assert track.reference[5] == pytest.approx(before["x7"][5 * 200 : 6 * 200].mean())


def test_what_happens_in_one_segment_only_is_seen_there() -> None:
    rng = np.random.default_rng(0)
    before, now = (
        pd.DataFrame({"x": rng.normal(size=4000), "device": ["tv", "phone"] * 2000})
        for _ in range(2)
    )
    now.loc[now["device"] == "tv", "x"] += 0.5
    now.loc[now["device"] == "phone", "x"] -= 0.5
    found = run(before, now, segment="device")
    means = {each.segment: each.signal("mean") for each in found.columns if each.column == "x"}
    assert {segment: mean.level for segment, mean in means.items()} == {
        None: "quiet",
        "tv": "alarm",
        "phone": "alarm",
    }
    gone = run(before, now[now["device"] == "tv"], segment="device")
    assert "Segments without a row in the window: phone." in gone.notes
    new = run(before[before["device"] == "tv"], now, segment="device", together=False)
    assert new.notes[-1].endswith("compared within all rows alone: phone.")


def test_what_moved_besides_the_distribution() -> None:
    before = pd.DataFrame({"a": np.arange(400.0), "c": ["x", "y"] * 200, "k": np.ones(400)})
    now = before.assign(a=before["a"].where(before.index % 4 > 0), c=["x", "z"] * 200)
    report = run(before, now)
    by_name = {each.column: each for each in report.columns}
    assert by_name["a"].missing_now == 0.25
    assert by_name["a"].signal("missing").level == "alarm"
    assert by_name["c"].new_categories == ("z",)
    assert by_name["c"].signal("new_categories").decision.effect_size == pytest.approx(0.5)
    assert by_name["k"].level == "quiet"
    assert report.advice == "stop"
    assert "stop exploring" in report.verdict.sentence


def test_the_schema_is_told_first() -> None:
    before = pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2], "c": ["x", "y"]})
    now = pd.DataFrame({"a": [1.0, 2.0], "b": ["1", "2"], "d": [1, 2]})
    report = run(before, now)
    assert [(c.column, c.before, c.now, c.kind) for c in report.schema] == [
        ("b", "int64", "string", "retyped"),
        ("c", "string", None, "gone"),
        ("d", None, "int64", "came"),
    ]
    assert report.verdict.sentence.startswith("The schema changed: 3 columns")
    assert report.advice == "stop"
    assert [each.column for each in report.columns] == ["a"]
    # named, and gone; what else is in the window was not asked for
    named = monitor(ibis.memtable(before), ibis.memtable(now), columns=["c"])
    assert [(c.column, c.kind) for c in named.schema] == [("c", "gone")]
    assert (named.advice, named.rows_now) == ("stop", 2)
    # whole numbers with a first missing value: told, and compared nevertheless
    gap = run(before[["b"]], pd.DataFrame({"b": [1.0, np.nan]}))
    assert gap.schema[0].kind == "other_number"
    assert gap.advice == "watch"
    assert [each.column for each in gap.columns] == ["b"]


def test_all_missing_stops_serving() -> None:
    before = pd.DataFrame({"a": np.arange(50.0), "b": np.arange(50.0)})
    report = run(before, before.assign(a=np.nan))
    assert report.verdict.sentence.startswith("Most values of a are missing: stop serving")
    assert report.advice == "stop"
    nothing = run(before.assign(a=np.nan), before.assign(a=np.nan))
    assert nothing.advice == "nothing"
    back = run(before.assign(a=np.nan), before)
    assert back.drifted == ("a",)


@pytest.mark.parametrize(
    "values",
    [
        pd.array(2**62 + np.arange(300), dtype="int64"),
        np.arange(300.0) * 1e300,
        np.where(np.arange(300) % 3, np.arange(300.0), np.inf),
        np.where(np.arange(300) % 3, np.arange(300.0), -np.inf),
        np.ones(300),
        np.arange(300) % 2 == 0,
        [None, "it's", 'a "b"'] * 100,
    ],
)
def test_odd_columns_stay_quiet(values: object) -> None:
    table = pd.DataFrame({"odd 'name\"": values, "x": np.arange(300.0)})
    shuffled = table.sample(frac=1, random_state=0)
    assert run(table, shuffled).advice == "nothing"


def test_huge_integers_that_move() -> None:
    before = pd.DataFrame({"a": 2**62 + np.arange(300) * 2**40})
    found = run(before, before + 200 * 2**40)
    assert found.drifted == ("a",)
    assert found.notes == ("Numbers beyond 2^53, compared as doubles, to about 16 digits: a.",)


def test_columns_may_have_any_name() -> None:
    names = ["of", "most", "t", "d", "c0", "n", "day", "__day", "__segment", "__tag", "__row"]
    before, now = (
        pd.DataFrame(np.random.default_rng(k).normal(size=(60, len(names))), columns=names)
        for k in range(2)
    )
    found = run(before, now)
    assert [each.column for each in found.columns] == names
    assert all(check.decision is not None for check in found.together)
    dated = [side.assign(t0=MONDAY + k) for k, side in ((0, before), (7, now))]
    assert all(check.decision for check in run(*dated, day="t0", weekly=False).together)


def test_ids_are_left_out_and_told() -> None:
    rng = np.random.default_rng(0)
    before = pd.DataFrame(
        {
            "user_id": np.arange(5000),
            "x": rng.normal(size=5000),
            "note": [f"{k:x}" for k in rng.integers(0, 2**60, 5000)],
            "t0": pd.date_range("2025-01-01", periods=5000, freq="min", tz="UTC"),
        }
    )
    now = before.assign(user_id=before["user_id"] + 5000, x=rng.normal(size=5000))
    found = run(before, now)
    assert [each.column for each in found.columns] == ["x"]
    assert found.notes == (
        "Ids, not compared: user_id.",
        "Too many values to be categories, not compared: note.",
        "Neither numbers, text nor booleans, not compared: t0.",
    )
    named = monitor(ibis.memtable(before), ibis.memtable(now), columns=["user_id", "x"])
    assert named.drifted == ("user_id",)


def test_bad_input_is_told() -> None:
    good = pd.DataFrame({"a": [1.0, 2.0], "day": MONDAY + np.array([0, 1])})
    later = good.assign(day=MONDAY + np.array([7, 8]))
    with pytest.raises(EmptyError, match="two rows in the window; got 1"):
        run(good, good[:1])
    with pytest.raises(EmptyError, match="two rows in the window; got 0"):
        run(good, good[:0])
    with pytest.raises(SchemaError, match="'b'"):
        monitor(ibis.memtable(good), ibis.memtable(good), columns=["b"])
    with pytest.raises(ConfigError, match="at least one column to compare"):
        monitor(ibis.memtable(good), ibis.memtable(good), columns=[])
    with pytest.raises(ConfigError, match="seed"):
        MonitorConfig(seed=-1)
    with pytest.raises(SchemaError, match="numbers, text or booleans"):
        run(good[["day"]], good[["day"]])
    with pytest.raises(RowError, match="after the reference's last day, 2025-01-14"):
        run(later, good, day="day")
    with pytest.raises(RowError, match="after the reference's last day"):
        run(good, good, day="day")
    with pytest.raises(RowError, match="1 rows without one"):
        run(good, later.assign(day=later["day"].where(later["a"] > 1)), day="day")
    with pytest.raises(SchemaError, match="'week'"):
        run(good, later, day="week")
    with pytest.raises(SchemaError, match="dates or timestamps in 'a' of the reference; got float"):
        run(good, later, day="a")
    words = later.assign(day=["2025-01-13", "soon"])
    with pytest.raises(RowError, match="'day' of the window; got 1 rows of other words"):
        run(good, words, day="day")
    with pytest.raises(SchemaError, match="window with one type in each column"):
        run(good, good.assign(a=[1, "two"]))
    with pytest.raises(ConfigError, match="level"):
        MonitorConfig(level=2)
    many = pd.DataFrame({"a": np.arange(80.0), "s": np.arange(80).astype(str)})
    with pytest.raises(ConfigError, match="at most 50 segments"):
        run(many, many, segment="s")
    # without a column of days it cannot be known, but for what other columns say
    assert run(later, good, together=False).notes[-1].startswith("By day the window is older")
    few = run(good, later, day="day")
    assert "teach no level" in few.notes[0]


def test_any_number_of_threads_gives_the_same(tmp_path: Path) -> None:
    before, now = tmp_path / "before.parquet", tmp_path / "now.parquet"
    days(0, 28, rows=5000).to_parquet(before, row_group_size=10_000)
    days(1, 3, first=28, rows=5000, shift=0.6).to_parquet(now, row_group_size=2_000)
    found = []
    for threads in (1, 2):
        connection = connect(threads=threads, memory_limit="500MB")
        tables = [read_table(str(path), connection, name="rows") for path in (before, now)]
        found.append(monitor(*tables, config=MonitorConfig(day="day")))
    assert [each.drifted for each in found] == [("x7",), ("x7",)]
    one, two = ([s.decision for each in f.columns for s in each.signals] for f in found)
    np.testing.assert_allclose(
        [[d.statistic, d.p_value, d.effect_size] for d in one],
        [[d.statistic, d.p_value, d.effect_size] for d in two],
        rtol=1e-9,
        atol=1e-12,
    )


def test_the_callers_frames_stay_as_they_are() -> None:
    before, now = days(0, 14), days(1, 1, first=14)
    copies = before.copy(), now.copy()
    run(before, now, day="day", segment="device")
    pd.testing.assert_frame_equal(before, copies[0])
    pd.testing.assert_frame_equal(now, copies[1])
