from __future__ import annotations

import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.streaming import StreamingWorld

SMALL = {"users": 120, "items": 200, "candidates": 15, "slate_size": 4, "days": 6}


def test_effects_change_on_the_day_and_what_the_recommender_does_not() -> None:
    plain = StreamingWorld(WorldConfig(**SMALL)).simulate()  # type: ignore[arg-type]
    config = WorldConfig(**SMALL, change_day=3, change_factor=0.0)  # type: ignore[arg-type]
    changed = StreamingWorld(config).simulate()
    after = changed.truth[C.T0] >= pd.Timestamp(config.start) + pd.Timedelta(days=3)
    assert (changed.truth["tau"][after] <= 0).all()
    assert (changed.truth["tau"][~after] > 0).mean() > 0.5
    # Of each user's first request, which nothing played before can differ for, all that was shown
    # is the same, whether effects had changed by then or not.
    first = plain.candidates.groupby(C.USER)[C.T0].transform("min") == plain.candidates[C.T0]
    again = changed.candidates.groupby(C.USER)[C.T0].transform("min") == changed.candidates[C.T0]
    columns = [C.USER, C.ITEM, C.BASE_SCORE, C.SHOWN, C.PROPENSITY]
    pd.testing.assert_frame_equal(
        plain.candidates.loc[first, columns].reset_index(drop=True),
        changed.candidates.loc[again, columns].reset_index(drop=True),
    )
    assert (again & after).any()


def test_a_factor_of_one_is_no_change() -> None:
    logs = [
        StreamingWorld(WorldConfig(**SMALL, change_day=day)).simulate()  # type: ignore[arg-type]
        for day in (None, 2)
    ]
    pd.testing.assert_frame_equal(logs[0].plays, logs[1].plays)
    with pytest.raises(Exception, match="change_factor"):
        WorldConfig(change_factor=1.5)
