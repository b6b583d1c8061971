"""Without a candidate log: every item that was there, at every request."""

from __future__ import annotations

import ibis
import pandas as pd

from causal_ranker.columns import Columns as C
from causal_ranker.labels.controls import every_item


def test_requests_times_items_that_were_there() -> None:
    days = pd.to_datetime(["2024-03-01", "2024-03-01", "2024-03-05"], utc=True)
    shown = pd.DataFrame(
        {
            C.IMPRESSION: [1, 2, 3],
            C.USER: [7, 7, 8],
            C.ITEM: [1, 2, 4],
            C.T0: days,
            C.DEVICE: ["tv", "tv", "web"],
        }
    )
    items = pd.DataFrame(
        {
            C.ITEM: [1, 2, 3],
            C.AVAILABLE_FROM: pd.to_datetime([None, None, "2024-03-03"], utc=True),
        }
    )
    rows = every_item(ibis.memtable(shown), ibis.memtable(items)).to_pandas()
    # user 8 was shown an item that no table knows: it is a candidate all the same
    expected = {
        (7, 1, True, "tv"),
        (7, 2, True, "tv"),
        (8, 1, False, "web"),
        (8, 2, False, "web"),
        (8, 3, False, "web"),
        (8, 4, True, "web"),
    }
    found = rows[[C.USER, C.ITEM, C.SHOWN, C.DEVICE]].itertuples(index=False, name=None)
    assert len(rows) == len(expected)
    assert set(found) == expected
    assert C.SAMPLING_WEIGHT not in rows
