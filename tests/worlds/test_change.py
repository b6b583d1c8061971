from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.streaming import StreamingWorld

SMALL = {"users": 120, "items": 200, "candidates": 15, "slate_size": 4, "days": 6}


def test_effects_change_on_the_day_and_what_is_shown_before_and_at_first_does_not() -> None:
    plain = StreamingWorld(WorldConfig(**SMALL)).simulate()  # type: ignore[arg-type]
    config = WorldConfig(**SMALL, change_day=3, change_factor=0.0)  # type: ignore[arg-type]
    changed = StreamingWorld(config).simulate()
    since = pd.Timestamp(config.start) + pd.Timedelta(days=3)
    before = (plain.candidates[C.T0] < since).to_numpy()
    pd.testing.assert_frame_equal(plain.candidates[before], changed.candidates[before])
    pd.testing.assert_frame_equal(plain.truth[before], changed.truth[before])
    after = (changed.truth[C.T0] >= since).to_numpy()
    assert (changed.truth["tau"][after] <= 0).all()
    assert (changed.truth["tau"][~after] > 0).any()
    # The first request after the change, of users whose past is the same: nothing shown differs.
    # (Later ones differ by what was played since.)
    first = plain.candidates[~before].groupby(C.USER)[C.T0].transform("min")
    rows = plain.candidates[~before][C.T0] == first
    scores = [each.candidates[~before][rows.to_numpy()][C.BASE_SCORE] for each in (plain, changed)]
    np.testing.assert_array_equal(*scores)


def test_a_factor_of_one_is_no_change() -> None:
    logs = [
        StreamingWorld(WorldConfig(**SMALL, change_day=day)).simulate()  # type: ignore[arg-type]
        for day in (None, 2)
    ]
    pd.testing.assert_frame_equal(logs[0].plays, logs[1].plays)
    with pytest.raises(Exception, match="change_factor"):
        WorldConfig(change_factor=1.5)
