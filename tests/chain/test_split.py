"""Logs cut at a moment: each event goes to one side, by its own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import ibis
import pandas as pd
import pytest

from causal_ranker.chain.logs import Logs
from causal_ranker.chain.split import split_logs
from causal_ranker.columns import Columns as C
from causal_ranker.logs.sources import connect, read_table

CUT = datetime(2025, 1, 2, tzinfo=UTC)


def times(*hours: float) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([CUT + timedelta(hours=hour) for hour in hours])


@pytest.fixture
def logs() -> Logs:
    connection = connect()

    def table(name: str, **columns: object) -> ibis.Table:
        return read_table(pd.DataFrame(columns), connection, name=name)

    return Logs(
        impressions=table("impressions", impression_id=[1, 2], t0=times(-5, 5)),
        # a play after the cut of an item shown before it
        plays=table("plays", play_id=[1, 2, 3], played_at=times(-4, 0, 6)),
        candidates=table("candidates", item_id=[1, 2, 3, 4], t0=times(-5, -0.001, 0, 5)),
        users=table("users", user_id=[1]),
        items=None,
    )


def found(table: ibis.Table, column: str) -> list[int]:
    return sorted(table.to_pandas()[column])


# the same moment on two clocks
@pytest.mark.parametrize("at", [CUT, CUT.astimezone(timezone(timedelta(hours=-5)))])
def test_the_cut_itself_belongs_to_the_later_stretch(logs: Logs, at: datetime) -> None:
    past, later = split_logs(logs, at=at)
    assert found(past.impressions, C.IMPRESSION) == [1]
    assert found(later.impressions, C.IMPRESSION) == [2]
    assert found(past.plays, C.PLAY) == [1]
    assert found(later.plays, C.PLAY) == [2, 3]
    assert found(past.candidates, C.ITEM) == [1, 2]
    assert found(later.candidates, C.ITEM) == [3, 4]
    assert past.users is later.users is logs.users
    assert past.items is later.items is None
