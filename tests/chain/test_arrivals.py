"""Which items are cold at a request, beside a slow version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.chain.arrivals import Arrivals
from causal_ranker.chain.logs import Logs

START = pd.Timestamp(2025, 1, 1, tz="UTC")
DAYS = 3.0


def day(number: float) -> pd.Timestamp:
    return START + pd.Timedelta(seconds=round(86_400 * number))


def logs(
    impressions: list[tuple[str, float]],
    plays: list[tuple[str, float]],
    *,
    available: dict[str, float | None] | None = None,
) -> Logs:
    connection = CONNECTION

    def table(rows: list[tuple[str, float]], clock: str) -> ibis.Table:
        frame = pd.DataFrame({"item_id": [i for i, _ in rows], clock: [day(d) for _, d in rows]})
        frame[clock] = pd.to_datetime(frame[clock], utc=True)
        return connection.create_table(ibis.util.gen_name("t"), frame)

    items = None
    if available is not None:
        moments = [None if since is None else day(since) for since in available.values()]
        frame = pd.DataFrame({"item_id": list(available), "available_from": moments})
        frame["available_from"] = pd.to_datetime(frame["available_from"], utc=True)
        items = connection.create_table(ibis.util.gen_name("t"), frame)
    empty: Any = None
    return Logs(table(impressions, "t0"), table(plays, "played_at"), empty, None, items)


CONNECTION = ibis.duckdb.connect()
SEEN = logs(
    [("old", 0.0), ("early", 2.9), ("new", 5.0), ("new", 4.0), ("listed", 0.5)],
    [("old", 1.0), ("played", 4.5), ("new", 6.0)],
)


def flags(arrivals: Arrivals, rows: list[tuple[str, float]], **told: Any) -> list[bool]:
    frame = pd.DataFrame(
        {"row": range(len(rows)), "item_id": [i for i, _ in rows], "t0": [day(d) for _, d in rows]}
        | told
    )
    table = CONNECTION.create_table(ibis.util.gen_name("t"), frame)
    found = arrivals.flag(table).to_pandas().sort_values("row")
    assert list(found.columns) == [*(n for n in frame.columns if n != "is_cold"), "is_cold"]
    return found["is_cold"].tolist()


@pytest.mark.parametrize(
    ("item", "at", "cold"),
    [
        ("old", 0.0, False),
        ("old", 9.0, False),
        ("early", 3.0, False),  # it may have been there long before the logs
        ("new", 3.9, True),
        ("new", 4.0, True),
        ("new", 6.99, True),
        ("new", 7.0, False),
        ("played", 7.4, True),
        ("played", 7.6, False),
        ("never", 0.0, True),
        ("never", 99.0, True),
    ],
)
def test_cold_is_who_came_less_than_so_many_days_ago(item: str, at: float, cold: bool) -> None:
    assert flags(Arrivals.of(CONNECTION, SEEN, days=DAYS), [(item, at)]) == [cold]


def test_the_item_table_knows_better_and_the_log_best_of_all() -> None:
    told = logs(
        [("old", 0.0), ("new", 4.0)], [("old", 1.0)], available={"old": 5.0, "new": None, "x": 1.0}
    )
    found = Arrivals.of(CONNECTION, told, days=DAYS)
    rows = [("old", 7.9), ("old", 8.1), ("new", 6.0), ("x", 3.9), ("x", 4.1)]
    assert flags(found, rows) == [True, False, True, True, False]
    own = pd.array([False, True, None, None, True], dtype="boolean")
    assert flags(found, rows, is_cold=own) == [False, True, True, True, True]


def test_later_logs_make_nothing_new_that_was_seen_before() -> None:
    before = Arrivals.of(CONNECTION, SEEN, days=DAYS)
    later = logs([("old", 10.0), ("new", 11.0), ("fresh", 12.0)], [("early", 12.0)])
    found = Arrivals.of(CONNECTION, later, days=99.0, before=before)
    rows = [("old", 10.1), ("new", 11.0), ("early", 12.0), ("fresh", 14.9), ("fresh", 15.1)]
    assert flags(found, rows) == [False, False, False, True, False]
    assert found.days == DAYS


def test_all_of_it_may_be_asked_of_one_moment() -> None:
    found = Arrivals.of(CONNECTION, SEEN, days=DAYS)
    table = CONNECTION.create_table(
        ibis.util.gen_name("t"), pd.DataFrame({"item_id": ["new", "new"], "t0": [day(5), day(9)]})
    )
    at = datetime(2025, 1, 9, tzinfo=UTC)
    for moment, cold in ((at, False), (at - timedelta(days=2), True)):
        assert found.flag(table, at=moment).to_pandas()["is_cold"].tolist() == [cold, cold]


def test_ages_are_days_since_an_item_came() -> None:
    found = Arrivals.of(CONNECTION, SEEN, days=DAYS)
    items = np.array(["new", "new", "old", "never"])
    t0 = np.array([day(d).value // 1000 for d in (6.5, 3.0, 9.0, 9.0)])
    np.testing.assert_allclose(found.ages(items, t0), [2.5, 0.0, np.inf, 0.0])
