"""Whole seconds and hours, against Python's own arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.logs.hours import from_hours, hours_begun, hours_ended, whole_seconds
from causal_ranker.logs.sources import connect

ENGINE = connect()
HOUR = 3_600_000_000
MOMENTS = st.lists(
    st.one_of(
        st.integers(0, 4_000_000_000_000_000),
        # On, just before and just after the full hour, where rounding would show.
        st.builds(lambda h, d: h * HOUR + d, st.integers(1, 1_000_000), st.integers(-1, 1)),
    ),
    min_size=1,
    max_size=30,
)


def table(microseconds: list[int]) -> ibis.Table:
    column = pa.array(microseconds, pa.int64()).cast(pa.timestamp("us", "UTC"))
    return ibis.memtable(pa.table({"row": range(len(column)), "at": column}))


def values(expression: ibis.Column, of: ibis.Table) -> list[object]:
    found = ENGINE.to_pyarrow(of.mutate(found=expression).order_by("row"))
    return list(found["found"].to_pylist())


@given(MOMENTS)
def test_it_is_pythons_arithmetic(microseconds: list[int]) -> None:
    rows = ENGINE.create_table("hours_of", table(microseconds).to_pyarrow(), overwrite=True)
    assert values(whole_seconds(rows["at"]), rows) == [m // 1_000_000 for m in microseconds]
    assert values(hours_begun(rows["at"]), rows) == [m // HOUR for m in microseconds]
    assert values(hours_ended(rows["at"]), rows) == [-(-m // HOUR) for m in microseconds]


@pytest.mark.parametrize("session", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_hours_are_those_of_utc_whatever_the_session(session: str) -> None:
    moments = [datetime(2025, 3, 9, h, m, tzinfo=UTC) for h in (0, 6, 7) for m in (0, 29, 31)]
    engine = connect()
    engine.raw_sql(f"SET TimeZone = '{session}'")
    rows = engine.create_table("moments", pd.DataFrame({"at": moments}))
    found = engine.to_pyarrow(rows.select("at", begun=from_hours(hours_begun(rows["at"]))))
    for at, begun in zip(found["at"].to_pylist(), found["begun"].to_pylist(), strict=True):
        assert begun == at.replace(minute=0), session


def test_engines_without_a_function_of_their_own_agree() -> None:
    # What other engines are given, run here: an unbound table belongs to none.
    moments = [0, 1, HOUR - 1, HOUR, HOUR + 1, 5 * HOUR + 1_000_000, 7 * HOUR - 999_999]
    rows = table(moments)
    unbound = ibis.table(rows.schema(), name="moments")
    ENGINE.create_table("moments", rows.to_pyarrow(), overwrite=True)
    expression = unbound.mutate(
        seconds=whole_seconds(unbound["at"]),
        begun=hours_begun(unbound["at"]),
        ended=hours_ended(unbound["at"]),
    ).order_by("row")
    found = ENGINE.to_pyarrow(expression).to_pydict()
    assert found["seconds"] == [m // 1_000_000 for m in moments]
    assert found["begun"] == [m // HOUR for m in moments]
    assert found["ended"] == [-(-m // HOUR) for m in moments]
