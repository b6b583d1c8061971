"""Each bad input is told by column, count, a few rows and what to do; good input passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest
from ibis.backends.duckdb import Backend

from causal_ranker.errors import DataError, EmptyError, RowError, SchemaError
from causal_ranker.logs.contract import (
    check_candidates,
    check_impressions,
    check_items,
    check_plays,
    check_same_ids,
    check_users,
)
from causal_ranker.logs.sources import read_table

N = 9
T0 = pd.date_range("2024-03-09", periods=N, freq="D", tz="UTC")

FRAMES = {
    "impressions": pd.DataFrame(
        {
            "impression_id": range(100, 100 + N),
            "user_id": [1, 2, 3] * 3,
            "item_id": ["a", "b", "c"] * 3,
            "t0": T0,
            "position": [1, 2, 3] * 3,
            "propensity": [0.5, 1.0, 1e-9] * 3,
            "viewable": [True, False, None] * 3,
            "base_score": 0.1,
            "hour": 7,
        }
    ),
    "plays": pd.DataFrame(
        {
            "play_id": [f"p{i}" for i in range(N)],
            "user_id": [1, 2, 3] * 3,
            "item_id": ["a", "b", "c"] * 3,
            "played_at": T0,
            "seconds": [0.0, 60.0, None] * 3,
        }
    ),
    "candidates": pd.DataFrame(
        {
            "user_id": [1, 2, 3] * 3,
            "item_id": ["a", "b", "c"] * 3,
            "t0": T0,
            "shown": [True, False, False] * 3,
            "base_rank": [1, 2, 3] * 3,
            "propensity": 0.5,
            "horizon_end": T0 + pd.Timedelta(hours=1),
        }
    ),
    "users": pd.DataFrame({"user_id": range(N), "age": "35-44"}),
    "items": pd.DataFrame({"item_id": [f"i{i}" for i in range(N)], "kind": "film"}),
}
CHECKS: dict[str, Callable[[ibis.Table], ibis.Table]] = {
    "impressions": check_impressions,
    "plays": check_plays,
    "candidates": check_candidates,
    "users": check_users,
    "items": check_items,
}


def put(column: str, value: Any, rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Write a value into the first rows of a column."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].tolist()
        values[:rows] = [value] * rows
        dtype = "float64" if isinstance(value, float) else frame[column].dtype
        return frame.assign(**{column: pd.Series(values, dtype=dtype)})

    return change


def void(column: str, rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Empty the first rows of a column."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        kept = frame[column].convert_dtypes()
        return frame.assign(**{column: kept.where(pd.RangeIndex(len(frame)) >= rows)})

    return change


def repeat(rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: pd.concat([frame, frame[:rows]], ignore_index=True)


def without(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.drop(columns=column)


def naive(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(**{column: frame[column].dt.tz_localize(None)})


def as_text(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(**{column: frame[column].astype("str")})


def as_float(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(**{column: frame[column].astype("float64")})


def none_left(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[:0]


# table, change, error, what the message must hold
BAD = [
    ("impressions", without("t0"), SchemaError, ["'t0'", "the columns 'impression_id'"]),
    ("impressions", naive("t0"), SchemaError, ["'t0'", "9 rows", "tz_localize", "2024-03-09"]),
    ("impressions", as_text("t0"), SchemaError, ["'t0'", "string", "to_datetime"]),
    ("impressions", as_float("user_id"), SchemaError, ["'user_id'", "float64", "9 rows", "1.0"]),
    ("impressions", as_text("position"), SchemaError, ["'position'", "string", "numbers"]),
    ("impressions", put("position", 0, 4), RowError, ["'position'", "4 of 9", "position: 0"]),
    ("impressions", put("propensity", 0.0, 1), RowError, ["'propensity'", "1 of 9", "(0, 1]"]),
    ("impressions", put("propensity", 1.01, 2), RowError, ["'propensity'", "2 of 9", "1.01"]),
    ("impressions", put("propensity", -0.5, 1), RowError, ["'propensity'", "-0.5"]),
    ("impressions", put("propensity", float("nan"), 1), RowError, ["'propensity'", "1 of 9"]),
    ("impressions", repeat(2), RowError, ["'impression_id'", "2 duplicate", "impression_id: 10"]),
    ("impressions", void("user_id", 3), RowError, ["'user_id'", "3 of 9", "user_id: None"]),
    ("impressions", void("t0", 1), RowError, ["'t0'", "1 of 9", "t0: None"]),
    ("impressions", void("impression_id", 2), RowError, ["'impression_id'", "2 of 9"]),
    ("impressions", none_left, EmptyError, ["impressions", "empty"]),
    ("plays", without("played_at"), SchemaError, ["'played_at'", "'play_id'"]),
    ("plays", naive("played_at"), SchemaError, ["'played_at'", "UTC"]),
    ("plays", repeat(1), RowError, ["'play_id'", "1 duplicate", "p0", "rows: 2"]),
    ("plays", void("item_id", 2), RowError, ["'item_id'", "2 of 9", "p0"]),
    ("plays", put("seconds", -1.0, 1), RowError, ["'seconds'", "-1.0"]),
    ("plays", none_left, EmptyError, ["plays"]),
    ("candidates", without("shown"), SchemaError, ["'shown'"]),
    ("candidates", lambda f: f.assign(shown=1), SchemaError, ["'shown'", "int64", "bool"]),
    ("candidates", naive("horizon_end"), SchemaError, ["'horizon_end'", "tz_localize"]),
    ("candidates", repeat(3), RowError, ["'user_id', 'item_id', 't0'", "3 duplicate"]),
    ("candidates", put("base_rank", 0, 2), RowError, ["'base_rank'", "2 of 9"]),
    ("candidates", put("propensity", 0.0, 1), RowError, ["'propensity'", "user_id: 1"]),
    (
        "candidates",
        lambda f: f.assign(horizon_end=f["t0"]),
        RowError,
        ["'horizon_end'", "9 of 9", "after t0"],
    ),
    ("candidates", void("horizon_end", 1), RowError, ["'horizon_end'", "1 of 9"]),
    ("candidates", lambda f: f.assign(sampling_weight=0.5), RowError, ["'sampling_weight'", "0.5"]),
    ("candidates", lambda f: f.assign(assignment_unit=1.5), SchemaError, ["'assignment_unit'"]),
    (
        "candidates",
        lambda f: void("assignment_unit", 1)(f.assign(assignment_unit="u")),
        RowError,
        ["'assignment_unit'", "1 of 9"],
    ),
    ("candidates", none_left, EmptyError, ["candidates"]),
    ("users", repeat(1), RowError, ["'user_id'", "1 duplicate"]),
    ("users", without("user_id"), SchemaError, ["'user_id'", "'age'"]),
    ("items", repeat(1), RowError, ["'item_id'", "1 duplicate"]),
]


@pytest.mark.parametrize("name", FRAMES)
def test_good_tables_pass_unchanged(name: str, connection: Backend) -> None:
    table = read_table(FRAMES[name], connection, name=name)
    assert CHECKS[name](table) is table


@pytest.mark.parametrize("name", FRAMES)
def test_required_columns_are_enough(name: str, connection: Backend) -> None:
    required = {
        "impressions": ["impression_id", "user_id", "item_id", "t0"],
        "plays": ["play_id", "user_id", "item_id", "played_at"],
        "candidates": ["user_id", "item_id", "t0", "shown"],
        "users": ["user_id"],
        "items": ["item_id"],
    }
    CHECKS[name](read_table(FRAMES[name][required[name]], connection, name=name))


@pytest.mark.parametrize(("name", "change", "error", "parts"), BAD)
def test_bad_tables_are_told(
    name: str,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    error: type[DataError],
    parts: list[str],
    connection: Backend,
) -> None:
    table = read_table(change(FRAMES[name]), connection, name=name)
    with pytest.raises(error) as caught:
        CHECKS[name](table)
    message = str(caught.value)
    assert type(caught.value) is error
    assert name in message
    assert "\n" not in message
    assert message.startswith("expected ")
    for part in parts:
        assert part in message


def test_at_most_three_rows_are_shown(connection: Backend) -> None:
    bad = put("position", -7, 6)(FRAMES["impressions"])
    with pytest.raises(RowError) as caught:
        check_impressions(read_table(bad, connection, name="impressions"))
    assert str(caught.value).count("position: -7") == 3


def test_all_broken_rules_are_counted(connection: Backend) -> None:
    bad = put("position", 0, 4)(put("propensity", 2.0, 5)(FRAMES["impressions"]))
    with pytest.raises(RowError, match="also propensity: 5 rows"):
        check_impressions(read_table(bad, connection, name="impressions"))


def test_a_near_name_is_suggested(connection: Backend) -> None:
    renamed = FRAMES["plays"].rename(columns={"user_id": "userid"})
    with pytest.raises(SchemaError, match="Rename 'userid' to 'user_id'"):
        check_plays(read_table(renamed, connection, name="plays"))


def test_known_unique_leaves_out_the_search_for_duplicates_only(connection: Backend) -> None:
    doubled = read_table(repeat(1)(FRAMES["candidates"]), connection, name="candidates")
    assert check_candidates(doubled, known_unique=True) is doubled
    bad = read_table(put("base_rank", 0, 1)(FRAMES["candidates"]), connection, name="candidates")
    with pytest.raises(RowError, match="base_rank"):
        check_candidates(bad, known_unique=True)


def test_a_session_in_another_zone_is_still_aware(connection: Backend) -> None:
    frame = FRAMES["plays"]
    local = frame.assign(played_at=frame["played_at"].dt.tz_convert("America/New_York"))
    check_plays(read_table(local, connection, name="plays"))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            "60000,1,two,2024-01-01 00:00:00+00",
            "1 of 60001 .*two, first in the row '60000, 1, two,",
        ),
        ("60000,1,2", "Line: 60002"),
        ("60000,1,2,yesterday", "1 of 60001 .*yesterday, first in the row '60000,"),
    ],
)
def test_a_csv_row_that_breaks_late_is_told(
    row: str, told: str, tmp_path: Path, connection: Backend
) -> None:
    head = "play_id,user_id,item_id,played_at\n"
    good = "".join(f"{i},1,2,2024-01-01 00:00:00+00\n" for i in range(60_000))
    (tmp_path / "plays.csv").write_text(head + good + row + "\n")
    with pytest.raises(DataError, match=f"plays.*{told}"):
        check_plays(read_table(tmp_path / "plays.csv", connection, name="plays"))


def test_ids_of_two_types_are_told(connection: Backend) -> None:
    tables = {
        name: read_table(FRAMES[name], connection, name=name) for name in ("impressions", "plays")
    }
    check_same_ids(tables)
    tables["plays"] = read_table(as_text("user_id")(FRAMES["plays"]), connection, name="plays")
    with pytest.raises(SchemaError, match="integers in impressions, strings in plays"):
        check_same_ids(tables)


@pytest.mark.parametrize("column", ["t0", "user_id"])
def test_dates_are_no_instants_and_no_ids(column: str, connection: Backend) -> None:
    dates = FRAMES["impressions"].assign(**{column: T0.date})
    with pytest.raises(SchemaError, match=rf"'{column}'.*the type date in 9 rows.*2024-03-09"):
        check_impressions(read_table(dates, connection, name="impressions"))
