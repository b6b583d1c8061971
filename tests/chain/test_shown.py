"""Items of scored lists: the report's catalogue, and popularity from before the report."""

from __future__ import annotations

from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.chain.logs import History
from causal_ranker.chain.shown import shown_items
from tests.chain.test_score import lists, score


def history(items: list[str], plays: list[int]) -> History:
    daily = ibis.memtable(pd.DataFrame({"item_id": items, "plays": plays}))
    return History(plays=daily, daily=daily, users=None, items=None)


def test_popularity_is_of_before_and_the_catalogue_is_the_reports() -> None:
    scored = score(lists())
    scored = replace(scored, item=np.array(["b", "c", "a"])[np.arange(len(scored.item)) % 3])
    # two hours of 'a'; 'gone' is offered no more, 'new' and 'c' were never seen before
    before = history(["a", "b", "a", "gone"], [3, 1, 2, 50])
    report = history(["c", "a", "b", "new", "a"], [9, 9, 9, 9, 9])
    found = shown_items(scored, before=before, report=report)
    catalogue = np.array(["a", "b", "c", "new"])
    np.testing.assert_array_equal(catalogue[found.item], scored.item)
    assert found.popularity == pytest.approx(np.array([6, 2, 1, 1]) / 10)
    np.testing.assert_array_equal(found.played, scored.played)
