"""Evidence that a user was there after t0, by brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.labels.presence import PRESENT_AFTER, mark_presence
from causal_ranker.logs.sources import read_table
from tests.labels.builders import ENGINE, at, candidate, impression, play, random_world

KEY = ["user_id", "item_id", "t0"]


def marked(
    candidates: list[Any], impressions: list[Any], plays: list[Any]
) -> dict[tuple[Any, ...], bool]:
    tables = [
        read_table(pd.DataFrame(rows), ENGINE, name="logs")
        for rows in (candidates, impressions, plays)
    ]
    rows = mark_presence(*tables).to_pyarrow().to_pylist()
    assert len(rows) == len(candidates)
    return {tuple(row[name] for name in KEY): row[PRESENT_AFTER] for row in rows}


@pytest.mark.parametrize("name", [int, "u{}".format])
def test_it_is_the_slow_look(name: Any) -> None:
    candidates, impressions, plays = random_world(np.random.default_rng(4), 60, name)
    for log in (impressions, plays):
        for row in log:
            row.pop("viewable", None), row.pop("seconds", None)
    found = marked(candidates, impressions, plays)
    events = [(row["user_id"], row["t0"]) for row in impressions]
    events += [(row["user_id"], row["played_at"]) for row in plays]
    for row in candidates:
        expected = any(
            user == row["user_id"] and row["t0"] < moment < row["horizon_end"]
            for user, moment in events
        )
        assert found[tuple(row[name] for name in KEY)] is expected
    assert 0 < sum(found.values()) < len(found)


@pytest.mark.parametrize(
    ("hours", "there"), [(0.0, False), (1e-4, True), (9.999, True), (10, False)]
)
def test_the_request_itself_and_the_end_do_not_count(hours: float, there: bool) -> None:
    rows = [candidate(0, horizon=10), candidate(0, horizon=10, user_id=2)]
    logs = [impression(1, hours, item_id=7)], [play(1, 100)]
    for log in logs:
        for row in log:
            row.pop("viewable", None), row.pop("seconds", None)
    found = marked(rows, *logs)
    assert found == {(1, 1, at(0)): there, (2, 1, at(0)): False}
