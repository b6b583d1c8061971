"""Two stretches of a world's logs: nothing lost, nothing twice, nothing from after the cut."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.worlds.logs import WorldLogs

CLOCKS = {"impressions": C.T0, "plays": C.PLAYED_AT, "candidates": C.T0, "truth": C.T0}


@pytest.mark.parametrize("days", [1, 3.5])
def test_every_event_is_in_one_stretch(small_logs: WorldLogs, days: float) -> None:
    cut = small_logs.log_end - timedelta(days=days)
    earlier, later = small_logs.split(last_days=days)
    assert (earlier.log_end, later.log_end) == (cut, small_logs.log_end)
    for name, clock in CLOCKS.items():
        before, after = getattr(earlier, name), getattr(later, name)
        assert (before[clock] < cut).all()
        assert (after[clock] >= cut).all()
        assert 0 < len(before) < len(getattr(small_logs, name))
        both = pd.concat([before, after]).sort_index()
        pd.testing.assert_frame_equal(both, getattr(small_logs, name))


def test_the_truth_stays_beside_its_rows(small_logs: WorldLogs) -> None:
    for part in small_logs.split(last_days=2):
        key = [C.USER, C.ITEM, C.T0]
        pd.testing.assert_frame_equal(part.truth[key], part.candidates[key])
