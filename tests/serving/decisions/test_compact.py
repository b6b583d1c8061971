"""Compacted tables: what a slow version says, once, in the contract, however it is interrupted."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from causal_ranker.errors import ConfigError, DataError
from causal_ranker.logs.contract import check_candidates, check_impressions, check_plays
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.reranking.draws import Thompson, UniformSwaps
from causal_ranker.serving.decisions import index as index_module
from causal_ranker.serving.decisions.compact import compact
from causal_ranker.serving.decisions.frames import MAGIC, Damage
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import Decision, EventRecord, Record
from causal_ranker.serving.decisions.segments import segments
from tests.serving.decisions.making import decision, play, view, write
from tests.serving.decisions.slow import Row, compacted

TABLES = ("impressions", "plays", "candidates", "candidates_without_propensity", "aside")
CHECKS = {
    "impressions": check_impressions,
    "plays": check_plays,
    "candidates": check_candidates,
    "candidates_without_propensity": check_candidates,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 1_760_000_000_000


def rows_of(out: Path, table: str) -> list[Row]:
    files = sorted((out / table).glob("*"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def plain(value: Any) -> Any:
    """Numbers to nine digits, moments to milliseconds, so that rows can be sorted and compared."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(milliseconds=1)
    return round(value, 9) if isinstance(value, float) else value


def in_order(rows: Sequence[Row], names: Sequence[str]) -> list[tuple[Any, ...]]:
    found = [tuple(plain(row.get(name)) for name in names) for row in rows]
    return sorted(found, key=repr)


def assert_same(out: Path, records: Sequence[Record]) -> None:
    for table, expected in compacted(records).items():
        names = sorted(expected[0]) if expected else []
        assert in_order(rows_of(out, table), names) == in_order(expected, names), table


def assert_in_contract(out: Path) -> None:
    connection = connect()
    for table, check in CHECKS.items():
        if not (out / table).exists():
            continue
        check(read_table(str(out / table), connection, name=table))


def some_day() -> list[list[Record]]:
    """Segments with every kind of decision, late, repeated and lost events."""
    rng = np.random.default_rng(3)
    made: list[Decision] = []
    day: list[list[Record]] = []
    for number in range(4):
        batch: list[Record] = []
        for place in range(12):
            kind = rng.integers(7)
            settings: dict[str, Any] = {
                0: {"draw": UniformSwaps(epsilon=0.3), "slots": 3},
                1: {"draw": Thompson()},
                2: {"constrained": True},
                3: {"holdout": True, "explored": False},
                4: {"fallback": "model_error", "explored": False},
                5: {"moment": {"hour": float(place)}, "slots": 3, "n": 4},
            }.get(int(kind), {})
            batch.append(
                decision(
                    f"{number}-{place}",
                    user=int(rng.integers(5)),
                    at_ms=DAY + int(rng.integers(3)),
                    **{"n": 5, **settings},
                )
            )
            made.append(batch[-1])  # type: ignore[arg-type]
        for _ in range(25):
            of = made[rng.integers(len(made))]
            clicked = of.at_ms + int(rng.integers(-1, 50)) if rng.random() < 0.5 else None
            length = int(rng.integers(900)) if rng.random() < 0.8 else None
            batch.append(view(of, int(rng.integers(2)), viewable_ms=length, clicked_at_ms=clicked))
            whose = [{"user_id": of.user_id}, {"decision_id": of.decision_id}][rng.integers(2)]
            batch.append(play(int(rng.integers(9)), DAY + int(rng.integers(4)), **whose))
        of = made[-1]
        batch += [
            play(3, DAY, user_id=1, play_id=f"p{number // 2}", seconds=3.5, fraction=0.5),
            play(3, DAY, decision_id="lost"),
            play(3, DAY, decision_id=of.decision_id, user_id=99),
            view(of, 0, decision_id="lost"),
            view(of, 0, item_id=-1),
            made[0],
            made[rng.integers(len(made))],
        ]
        day.append(batch)
    return day


def test_it_is_the_slow_version_in_one_run_or_in_many(tmp_path: Path) -> None:
    day = some_day()
    records = [record for batch in day for record in batch]
    for batch in day:
        write(tmp_path / "log", batch)
        compact(tmp_path / "log", out=tmp_path / "many")
    done = compact(tmp_path / "log", out=tmp_path / "one")
    for out in (tmp_path / "one", tmp_path / "many"):
        assert_same(out, records)
        assert_in_contract(out)
    slow = compacted(records)
    assert done.decisions == 48
    assert done.explained == len({row["assignment_unit"] for row in slow["candidates"]}) > 10
    assert set(done.without) == {"rules", "holdout", "fallback"}
    assert done.explained + sum(done.without.values()) == done.decisions
    assert done.fallbacks == {"model_error": done.without["fallback"]}
    assert done.impressions == len(slow["impressions"])
    assert done.candidates == len(slow["candidates"]) + len(slow["candidates_without_propensity"])
    assert done.plays == len(slow["plays"])
    assert sum(done.aside.values()) == len(slow["aside"])
    events = sum(isinstance(record, EventRecord) for record in records)
    decisions = len(records) - events
    assert done.events == events
    assert (
        done.decisions + done.plays + done.views + sum(done.aside.values()) + done.duplicates
        == events + decisions
    )
    again = compact(tmp_path / "log", out=tmp_path / "one")
    assert (again.segments, again.decisions, again.events) == (0, 0, 0)
    assert_same(tmp_path / "one", records)


def test_rows_that_could_never_be_shown_stand_apart(tmp_path: Path) -> None:
    certain = decision("a", draw=UniformSwaps(epsilon=0.0))
    write(tmp_path / "log", [certain, decision("b")])
    done = compact(tmp_path / "log", out=tmp_path / "out")
    assert (done.explained, done.impossible, done.candidates) == (2, 4, 12)
    apart = rows_of(tmp_path / "out", "candidates_without_propensity")
    assert {row["reason"] for row in apart} == {"chance of 0"}
    assert {row["item_id"] for row in apart} == {
        item for place, item in enumerate(certain.items) if place not in certain.shown
    }
    assert_in_contract(tmp_path / "out")


def test_a_user_has_one_request_at_a_moment(tmp_path: Path) -> None:
    write(tmp_path / "log", [decision(name, user=7) for name in "abc"], [decision("d", user=7)])
    compact(tmp_path / "log", out=tmp_path / "out")
    t0 = {row["assignment_unit"]: row["t0"] for row in rows_of(tmp_path / "out", "candidates")}
    assert [t0[name].microsecond % 1000 for name in "abcd"] == [0, 1, 2, 3]
    moments = {row["t0"] for row in rows_of(tmp_path / "out", "impressions")}
    assert moments == set(t0.values())


def test_every_crash_is_finished_or_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = some_day()
    records = [record for batch in day for record in batch]
    write(tmp_path / "log", *day)

    class CrashError(Exception):
        pass

    calls = 0
    stop_at = [0]

    def step(function: Any) -> Any:
        def run(*words: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == stop_at[0]:
                raise CrashError
            return function(*words, **named)

        return run

    # every rename and every sync of files and folders, on both sides of the commit
    monkeypatch.setattr(index_module, "sync_folder", step(index_module.sync_folder))
    monkeypatch.setattr(index_module, "_sync", step(index_module._sync))
    monkeypatch.setattr(index_module.os, "replace", step(os.replace))
    out = tmp_path / "out"
    crashes = 0
    for stop in [*range(1, 40, 3), *range(40, 160, 17)]:
        calls, stop_at[0] = 0, stop
        try:
            compact(tmp_path / "log", out=out)
        except CrashError:
            crashes += 1
    assert crashes > 5
    stop_at[0] = 0
    compact(tmp_path / "log", out=out)
    assert_same(out, records)
    counted = {f"{file.parent.name}/{file.name}" for file in out.glob("*/*.parquet")}
    with index_module.CompactionIndex(out) as index:
        assert counted == {name for table in TABLES for name in index.files(table)}
    assert not (out / ".aside").exists()


def test_a_log_that_is_being_written_is_read_up_to_its_newest_segment(tmp_path: Path) -> None:
    write(tmp_path / "log", [decision("a")])
    with DecisionLog(tmp_path / "log") as log:
        assert log.append([decision("b")]).result(10)
        assert compact(tmp_path / "log", out=tmp_path / "out").decisions == 1
    done = compact(tmp_path / "log", out=tmp_path / "out")
    assert (done.segments, done.decisions, done.duplicates) == (1, 1, 0)


def test_damage_is_told_with_its_place_and_the_rest_goes_in(tmp_path: Path) -> None:
    write(tmp_path / "log", [decision(name) for name in "abc"])
    (file,) = segments(tmp_path / "log")
    data = bytearray(file.read_bytes())
    data[len(MAGIC) + 400] ^= 1
    file.write_bytes(bytes(data))
    done = compact(tmp_path / "log", out=tmp_path / "out")
    ((name, damage),) = done.damage.items()
    assert name == file.name
    assert [(each.offset, each.tail) for each in damage] == [(len(MAGIC), False)]
    units = {row["assignment_unit"] for row in rows_of(tmp_path / "out", "candidates")}
    assert units == {"b", "c"}
    assert isinstance(damage[0], Damage)


@pytest.mark.parametrize(
    "change",
    [
        {"shown": [0, 0]},
        {"shown": [0, 9]},
        {"base_score": [1.0]},
        {"items": [1, 1, 2, 3, 4, 5]},
        {"propensity": [0.5]},
        {"propensity": [0.5, 0.0]},
        {"propensity": [0.5, math.nan]},
        {"items": [], "base_score": [], "shown": []},
    ],
)
def test_decisions_that_contradict_themselves_are_counted_and_left_out(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    bad = msgspec.structs.replace(decision("bad"), **change)
    write(tmp_path / "log", [bad, decision("good"), play(1, DAY, decision_id="bad")])
    done = compact(tmp_path / "log", out=tmp_path / "out")
    assert (done.unsound, done.decisions) == (1, 1)
    assert done.aside == {"no such decision": 1}
    shown = rows_of(tmp_path / "out", "impressions")
    assert {row["assignment_unit"] for row in shown} == {"good"}


def test_ids_of_two_types_are_set_aside_or_all_are_text(tmp_path: Path) -> None:
    mixed = [decision("a", user=5), decision("b", user="5"), play(1, DAY, user_id="x")]
    mixed.append(msgspec.structs.replace(decision("i"), items=[1, "2", 3, 4, 5, 6]))
    write(tmp_path / "log", [decision("first")], mixed[1:], [mixed[0], mixed[1]])
    done = compact(tmp_path / "log", out=tmp_path / "out")
    assert done.refused == {"user id of another type": 1, "item id of another type": 1}
    assert done.aside == {"user id of another type": 1}
    assert (done.decisions, done.duplicates) == (2, 1)
    units = {row["assignment_unit"] for row in rows_of(tmp_path / "out", "candidates")}
    assert units == {"first", "a"}, "the others of its segment and later segments go in"
    apart = [row for row in rows_of(tmp_path / "out", "aside") if row["kind"] == "decision"]
    assert {(row["decision_id"], row["user_id"]) for row in apart} == {("b", '"5"'), ("i", "1")}
    with pytest.raises(ConfigError, match="ids as_logged"):
        compact(tmp_path / "log", out=tmp_path / "out", ids="text")
    done = compact(tmp_path / "log", out=tmp_path / "text", ids="text")
    assert (done.decisions, done.plays) == (4, 1)
    found = rows_of(tmp_path / "text", "candidates")
    assert {row["user_id"] for row in found} == {"1", "5"}
    assert all(isinstance(row["item_id"], str) for row in found)
    assert len({(row["user_id"], row["t0"]) for row in found}) == 4


def test_most_decisions_say_of_which_type_ids_are(tmp_path: Path) -> None:
    odd = decision("o", user="nobody", session_id=3)
    plays = [play("x", DAY + number, user_id="y") for number in range(5)]
    day = [*plays, odd, *(decision(name) for name in "abc")]
    done = compact(write(tmp_path / "log", day), out=tmp_path / "out")
    assert (done.decisions, done.refused) == (3, {"user id of another type": 1})
    assert sum(done.aside.values()) == 5


def test_events_whose_ids_are_of_another_type_are_set_aside(tmp_path: Path) -> None:
    log = write(
        tmp_path / "log",
        [decision("a", user=5), play("1", DAY, user_id=5), play(1, DAY, user_id="5")],
    )
    done = compact(log, out=tmp_path / "out")
    assert done.aside == {"item id of another type": 1, "user id of another type": 1}
    assert {row["user_id"] for row in rows_of(tmp_path / "out", "aside")} == {"5", '"5"'}


def test_ids_above_64_bits_are_set_aside_or_text(tmp_path: Path) -> None:
    log = write(tmp_path / "log", [decision("a", user=2**63)])
    assert compact(log, out=tmp_path / "out").refused == {"user id of another type": 1}
    assert compact(log, out=tmp_path / "text", ids="text").decisions == 1


def test_events_wait_for_decisions_of_another_log(tmp_path: Path) -> None:
    a, b = decision("a", user=7), decision("b", user=8)
    early = [view(a, 0, viewable_ms=5), play(3, DAY, decision_id="a"), play(3, DAY, user_id=7)]
    astray = write(tmp_path / "other", [*early, early[0], view(b, 1)], [b, early[1]])
    out = tmp_path / "out"
    done = compact(astray, out=out)
    assert done.aside == {"no such decision": 3}
    assert (done.events, done.joined, done.plays, done.views, done.duplicates) == (6, 1, 1, 1, 2)
    assert len(rows_of(out, "aside")) == 2
    again = compact(astray, out=out)
    assert (again.events, len(rows_of(out, "aside"))) == (0, 2)
    home = write(tmp_path / "log", [a, early[0]], [early[1]])
    done = compact(home, out=out)
    assert (done.events, done.joined, done.plays, done.views, done.duplicates) == (2, 2, 0, 1, 3)
    assert not rows_of(out, "aside")
    assert_same(out, [a, b, *early, view(b, 1)])


def test_a_play_id_is_its_users_own(tmp_path: Path) -> None:
    a, b = decision("a", user=107), decision("b", user=108)
    sent = [
        play(3, DAY, decision_id="a", user_id=109, play_id=1),
        play(3, DAY, decision_id="a", play_id=1),
        play(3, DAY, decision_id="b", play_id=1),
        play(3, DAY, user_id=107, play_id=1),
        play(3, DAY, user_id=107, play_id="1"),
        play(3, DAY, decision_id="lost", play_id=1),
        play(3, DAY, decision_id="lost too", play_id=1),
    ]
    done = compact(write(tmp_path / "log", [a, b, *sent]), out=tmp_path / "out")
    assert (done.plays, done.duplicates) == (3, 1)
    assert done.aside == {"another user's decision": 1, "no such decision": 2}
    assert_same(tmp_path / "out", [a, b, *sent])
    assert_in_contract(tmp_path / "out")
    done = compact(tmp_path / "log", out=tmp_path / "text", ids="text")
    assert (done.plays, done.duplicates) == (3, 1)


@pytest.mark.parametrize("late", [False, True])
def test_a_slow_clock_costs_a_click_at_most(tmp_path: Path, late: bool) -> None:
    a = decision("a", slots=4)
    told = [
        view(a, slot, viewable_ms=700, clicked_at_ms=a.at_ms - behind)
        for slot, behind in enumerate((0, 1, 300_000, 300_001))
    ]
    log = write(tmp_path / "log", *([[a], told] if late else [[a, *told]]))
    done = compact(log, out=tmp_path / "out")
    assert (done.views, done.clicks_moved, done.clicks_dropped) == (4, 2, 1)
    assert not done.aside
    rows = sorted(rows_of(tmp_path / "out", "impressions"), key=lambda row: row["position"])
    assert [row["clicked_at"] for row in rows] == [row["t0"] for row in rows[:3]] + [None]
    assert [(row["viewable"], row["viewable_ms"]) for row in rows] == [(True, 700)] * 4
    assert_in_contract(tmp_path / "out")


def test_columns_that_nobody_told_are_not_there(tmp_path: Path) -> None:
    late = decision("a", surface=None, at_ms=DAY + 20 * 3_600_000)
    log = write(tmp_path / "log", [late])
    compact(log, out=tmp_path / "one")
    names = set(rows_of(tmp_path / "one", "candidates")[0])
    assert not names & {"device", "session_so_far", "surface", "session_id", "is_cold"}
    row = rows_of(tmp_path / "one", "candidates")[0]
    assert row["hour"] == row["t0"].hour == (EPOCH + timedelta(milliseconds=late.at_ms)).hour
    moment = {"hour": 3.0, "device": "tv", "session_so_far": 2.0, "other": "x"}
    log = write(tmp_path / "log2", [decision("a", moment=moment, session_id="s")])
    compact(log, out=tmp_path / "two")
    row = rows_of(tmp_path / "two", "candidates")[0]
    assert (row["hour"], row["device"], row["session_so_far"]) == (3.0, "tv", 2.0)
    assert rows_of(tmp_path / "two", "impressions")[0]["session_id"] == "s"


def test_cold_items_are_flagged_and_unknown_where_nobody_said(tmp_path: Path) -> None:
    made = [decision("a", cold=[1, 4]), decision("b", cold=None), decision("c", cold=[])]
    compact(write(tmp_path / "log", made), out=tmp_path / "out")
    cold = {name: each.cold for name, each in zip("abc", made, strict=True)}
    items = {name: each.items for name, each in zip("abc", made, strict=True)}
    for table in ("candidates", "impressions"):
        rows = rows_of(tmp_path / "out", table)
        assert len(rows) == sum(
            len(each.items if table == "candidates" else each.shown) for each in made
        )
        for row in rows:
            name = row["assignment_unit"]
            places = cold[name]
            told = None if places is None else row["item_id"] in [items[name][p] for p in places]
            assert row["is_cold"] is told
    assert_in_contract(tmp_path / "out")


def test_one_at_a_time_and_no_log_and_a_broken_index(tmp_path: Path) -> None:
    log = write(tmp_path / "log", [decision("a")])
    with (
        index_module.CompactionIndex(tmp_path / "out"),
        pytest.raises(ConfigError, match="process"),
    ):
        compact(log, out=tmp_path / "out")
    with pytest.raises(DataError, match="decision log"):
        compact(tmp_path / "nowhere", out=tmp_path / "out")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "compaction.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match="index"):
        compact(log, out=tmp_path / "bad")
