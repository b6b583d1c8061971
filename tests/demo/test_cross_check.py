"""The cross-check finds planted effects, and tells demand that rises everywhere from them."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.demo.cross_check import cross_check_section
from causal_ranker.reporting.blocks import Table
from causal_ranker.stats.intervals import Interval

USERS, ITEMS, WEEKS = 90, 12, 18
WEEK = pd.Timedelta(days=7)
INTENDED = Interval(0.051, 0.04, 0.06, 0.005)


def estimates(*, effect: float, demand: float) -> list[str]:
    """A third of the households has each store; demand rises where any store promotes."""
    rng = np.random.default_rng(0)
    user, item, week = (grid.ravel() for grid in np.indices((USERS, ITEMS, WEEKS)))
    planned = rng.random((ITEMS, WEEKS)) < 0.3
    promotes = planned & (rng.random((3, ITEMS, WEEKS)) < 0.7)
    shown = promotes[user % 3, item, week]
    habit = rng.uniform(0, 0.3, (USERS, ITEMS))[user, item]
    chance = habit + effect * shown + demand * planned[item, week]
    t0 = pd.Timestamp("2025-01-06", tz="UTC") + week * WEEK
    rows = pd.DataFrame(
        {
            "user_id": user,
            "item_id": item,
            "t0": t0,
            "horizon_end": t0 + WEEK,
            "shown": shown,
            "assignment_unit": item * 100 + week,
        }
    )
    plays = rows[rng.random(user.size) < chance]
    plays = plays.assign(played_at=plays["t0"] + pd.Timedelta(days=3))
    section = cross_check_section(
        ibis.memtable(rows),
        ibis.memtable(plays[["user_id", "item_id", "played_at"]]),
        intended=INTENDED,
        households="all households",
    )
    table = section.blocks[1]
    assert isinstance(table, Table)
    assert f"{len(rows):,} rows of all households" in table.note
    return [str(row[1]) for row in table.rows]


def ends(text: str) -> tuple[float, float]:
    low, high = text[text.index("(") + 1 : -1].split(" to ")
    return float(low), float(high)


@pytest.mark.parametrize(("effect", "demand"), [(0.2, 0.0), (0.0, 0.2)])
def test_only_comparing_stores_takes_out_demand(effect: float, demand: float) -> None:
    own, pairs, stores = estimates(effect=effect, demand=demand)
    assert ends(own) == (4.0, 6.0)
    assert ends(pairs)[0] > 10
    assert ends(stores)[0] < 100 * effect < ends(stores)[1]
    assert ends(stores)[1] - ends(stores)[0] < 10
