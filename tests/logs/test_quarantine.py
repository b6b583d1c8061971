"""Rows set aside with their reasons: nothing is lost, and nothing good is set aside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from causal_ranker.errors import ConfigError, DataError, EmptyError, SchemaError
from causal_ranker.logs.contract import CONTRACTS, check_impressions
from causal_ranker.logs.quarantine import REASON, Quarantine, quarantine_rows
from causal_ranker.logs.sources import connect, read_table

IMPRESSIONS = CONTRACTS["impressions"]
T0 = pd.Timestamp("2025-01-01", tz="UTC")
SAME = "a row like another one in every column, of which one is kept"
OTHER = "other rows have the same impression_id and differ elsewhere"
ENGINE = connect()

#: One row as (id, user or None, position, propensity): faulty in several ways, often repeated.
ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([1, 2, None]),
        st.sampled_from([0, 1, 2]),
        st.sampled_from([0.0, 0.5, float("nan"), 1.5]),
    ),
    min_size=1,
    max_size=25,
)


def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    made = pd.DataFrame(rows, columns=["impression_id", "user_id", "position", "propensity"])
    return made.assign(user_id=made["user_id"].astype("Int64"), item_id=7, t0=T0)


def faults(row: tuple[Any, ...]) -> str:
    """The reasons of one row by itself, from the contract's words."""
    found = []
    _, user, position, propensity = row
    if user is None:
        found.append("user_id: expected a value in every row")
    if position < 1:
        found.append("position: expected 1 or more")
    if not 0 < propensity <= 1:
        found.append("propensity: expected probabilities in (0, 1]")
    return "; ".join(found)


def expected(rows: list[tuple[Any, ...]]) -> tuple[Counter[Any], Counter[str]]:
    """Rows kept, and reasons of the others, counted row by row."""
    kept: Counter[Any] = Counter()
    reasons = Counter(faults(row) for row in rows if faults(row))
    good = Counter(row for row in rows if not faults(row))
    for row, copies in good.items():
        if sum(other[0] == row[0] for other in good) > 1:
            reasons[OTHER] += copies
        else:
            kept[row] += 1
            reasons[SAME] += copies - 1
    return kept, +reasons


def judge(rows: pd.DataFrame, folder: Path) -> Quarantine:
    return quarantine_rows(read_table(rows, ENGINE, name="impressions"), IMPRESSIONS, folder=folder)


def as_tuples(rows: pd.DataFrame) -> Counter[Any]:
    columns = ["impression_id", "user_id", "position", "propensity"]
    return Counter(
        tuple(None if pd.isna(value) else float(value) for value in row)
        for row in rows[columns].itertuples(index=False)
    )


@given(ROWS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_in_are_rows_kept_and_rows_set_aside(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("quarantine")
    kept, reasons = expected(rows)
    came = frame(rows)
    before = came.copy()
    if not kept:
        with pytest.raises(EmptyError, match="all set aside"):
            judge(came, folder)
        assert len(pd.read_parquet(folder / "impressions.parquet")) == len(rows)
        return
    found = judge(came, folder)
    pd.testing.assert_frame_equal(came, before)
    assert found.rows == len(rows)
    assert Counter(found.reasons) == reasons
    stay = found.kept.execute()
    assert len(stay) == len(rows) - found.quarantined
    assert list(stay.columns) == list(came.columns)
    check_impressions(read_table(stay, ENGINE, name="impressions"))
    assert as_tuples(stay) == Counter(
        {tuple(None if v is None else float(v) for v in row): n for row, n in kept.items()}
    )
    if not reasons:
        assert found.path is None
        assert list(folder.iterdir()) == []
        return
    assert found.path is not None
    aside = pd.read_parquet(found.path)
    assert Counter(aside[REASON]) == reasons
    assert as_tuples(pd.concat([stay, aside])) == as_tuples(came)


def test_what_an_earlier_run_set_aside_stays(tmp_path: Path) -> None:
    rows = [(1, 1, 1, 0.5), (2, 1, 0, 0.5)]
    first, second = judge(frame(rows), tmp_path), judge(frame(rows), tmp_path)
    assert first.path == tmp_path / "impressions.parquet"
    assert second.path == tmp_path / "impressions-2.parquet"
    assert {path.name for path in tmp_path.iterdir()} == {first.path.name, second.path.name}


def test_what_another_run_sets_aside_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, whole = tmp_path / "impressions.parquet", ibis.Table.to_parquet

    def slow(table: ibis.Table, path: Path) -> None:
        whole(table, path)
        other.write_text("another run's")

    monkeypatch.setattr(ibis.Table, "to_parquet", slow)
    found = judge(frame([(1, 1, 1, 0.5), (2, 1, 0, 0.5)]), tmp_path)
    assert found.path == tmp_path / "impressions-2.parquet"
    assert len(pd.read_parquet(found.path)) == 1
    assert other.read_text() == "another run's"
    assert len(list(tmp_path.iterdir())) == 2


def test_it_says_what_it_did(tmp_path: Path) -> None:
    found = judge(frame([(1, 1, 1, 0.5), (2, 1, 0, 0.5), (3, None, 0, 0.5)]), tmp_path)
    assert str(found) == (
        f"impressions: 2 of 3 rows set aside in {tmp_path / 'impressions.parquet'} "
        "(position: expected 1 or more: 1; user_id: expected a value in every row; "
        "position: expected 1 or more: 1)"
    )
    assert str(judge(frame([(1, 1, 1, 0.5)]), tmp_path)) == "impressions: 0 of 1 rows set aside"


def test_a_wrong_type_is_no_bad_row(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="t0"):
        judge(frame([(1, 1, 1, 0.5)]).assign(t0="noon"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    with pytest.raises(ConfigError, match="can be written"):
        judge(frame([(1, 1, 1, 0.5), (2, 1, 0, 0.5)]), taken)


def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("causal_ranker.logs.quarantine.os.replace", full)
    with pytest.raises(Exception, match="No space left"):
        judge(frame([(1, 1, 1, 0.5), (2, 1, 0, 0.5)]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_loses_rows_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows in = rows kept + rows set aside, or an error."""
    whole = ibis.Table.to_parquet
    monkeypatch.setattr(ibis.Table, "to_parquet", lambda table, path: whole(table.limit(1), path))
    with pytest.raises(DataError, match="expected 2 rows of impressions to set aside; got 1"):
        judge(frame([(1, 1, 1, 0.5), (2, 1, 0, 0.5), (3, 1, 0, 0.5)]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_candidates_are_judged_by_their_three_keys(tmp_path: Path) -> None:
    engine: Backend = connect()
    rows = pd.DataFrame(
        {"user_id": [1, 1, 1, 2], "item_id": [1, 1, 2, 1], "t0": T0, "shown": [True, False] * 2}
    )
    found = quarantine_rows(
        read_table(rows, engine, name="candidates"), CONTRACTS["candidates"], folder=tmp_path
    )
    assert found.reasons == {
        "other rows have the same user_id, item_id, t0 and differ elsewhere": 2
    }
    assert found.kept.count().execute() == 2
