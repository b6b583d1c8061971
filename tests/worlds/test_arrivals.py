"""Items that come while the log runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

SMALL: dict[str, Any] = {"users": 300, "items": 80, "candidates": 15, "slate_size": 4, "days": 8}


def simulate(**settings: Any) -> WorldLogs:
    return StreamingWorld(WorldConfig(**(SMALL | settings))).simulate()


def test_nobody_is_shown_or_plays_what_has_not_come() -> None:
    logs = simulate(new_share=0.5, background_plays=2.0)
    since = logs.items.set_index(C.ITEM)[C.AVAILABLE_FROM]
    assert since.notna().mean() == 0.5
    start = pd.Timestamp(WorldConfig().start)
    days = (since.dropna() - start) / pd.Timedelta(days=1)
    assert 0 < days.min() < 1.5
    assert 6.5 < days.max() < 8
    for table, clock in ((logs.candidates, C.T0), (logs.plays, C.PLAYED_AT)):
        came = table[C.ITEM].map(since)
        assert (came.isna() | (came <= table[clock])).all()
        assert came.notna().mean() > 0.1


def test_the_base_recommender_holds_them_back_for_a_while_and_effects_stay() -> None:
    plain, held = (simulate(new_share=0.4, new_days=2.0, new_penalty=by) for by in (0.0, 3.0))
    rows = [logs.candidates.merge(logs.truth, on=[C.USER, C.ITEM, C.T0]) for logs in (plain, held)]
    first = rows[0].groupby(C.USER)[C.T0].transform("min") == rows[0][C.T0]
    key = [C.USER, C.ITEM, C.T0]
    # Nothing differs before a first slate.
    both = rows[0][first].merge(rows[1], on=key, suffixes=("", "_held"))
    age = both[C.T0] - both[C.ITEM].map(plain.items.set_index(C.ITEM)[C.AVAILABLE_FROM])
    young = (age < pd.Timedelta(days=2)).to_numpy()
    assert 50 < young.sum() < len(both) - 50
    gap = both[C.BASE_SCORE] - both[f"{C.BASE_SCORE}_held"]
    np.testing.assert_allclose(gap, np.where(young, 3.0, 0.0), atol=1e-9)
    np.testing.assert_allclose(both["effect_if_examined"], both["effect_if_examined_held"])
    assert both[C.PROPENSITY][young].mean() > 2 * both[f"{C.PROPENSITY}_held"][young].mean()


def test_without_new_items_the_item_table_says_nothing_of_them() -> None:
    assert C.AVAILABLE_FROM not in simulate(days=2).items


@pytest.mark.parametrize("settings", [{"candidates": 40}, {"cannibalisation": 0.5}])
def test_worlds_that_cannot_be_are_refused(settings: Any) -> None:
    with pytest.raises(ConfigError, match="with new items"):
        WorldConfig(**(SMALL | {"new_share": 0.5} | settings))
