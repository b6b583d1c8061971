"""Which items lists show, and how popular these were before."""

from __future__ import annotations

import numpy as np
import pandas as pd

from causal_ranker.chain.logs import History
from causal_ranker.chain.score import ScoredLists
from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.accuracy import ShownItems

__all__ = ["shown_items"]


def shown_items(lists: ScoredLists, *, before: History, report: History) -> ShownItems:
    """Look up the items of scored lists.

    Parameters
    ----------
    lists : ScoredLists
        Rows of the report.
    before : History
        Of the logs before the report: its outcomes say how popular an item was.
    report : History
        Of the report's own logs: its candidates are the catalogue.

    Returns
    -------
    ShownItems
        Every item has one play more than was seen, so that new items have a share too.
    """
    offered = report.daily.select(C.ITEM).distinct().order_by(C.ITEM).to_pyarrow()
    catalogue = pd.Index(offered[C.ITEM].to_numpy(zero_copy_only=False))
    daily = before.daily
    counted = daily.group_by(C.ITEM).aggregate(plays=daily["plays"].sum()).to_pyarrow()
    known = pd.Index(counted[C.ITEM].to_numpy(zero_copy_only=False))
    at = catalogue.get_indexer(known)
    plays = np.ones(len(catalogue))
    plays[at[at >= 0]] += counted["plays"].to_numpy()[at >= 0]
    return ShownItems(
        item=catalogue.get_indexer(pd.Index(lists.item)),
        popularity=plays / plays.sum(),
        played=lists.played,
    )
