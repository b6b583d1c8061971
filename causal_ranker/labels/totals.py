"""The user's total plays: what a row's horizon holds of any item.

Like Y, an item counts once, on whatever surface it was played: so the total is the sum of Y over
all items, candidates or not, and effects on it can be set beside effects on Y. It is an outcome,
and never a column of the rows that features are joined to.
"""

from __future__ import annotations

import ibis

from causal_ranker.columns import Columns as C

__all__ = ["total_plays"]


def total_plays(horizons: ibis.Table, plays: ibis.Table) -> ibis.Table:
    """Count the items that each user played within each horizon.

    Parameters
    ----------
    horizons : ibis.Table
        Distinct ``(user_id, t0, horizon_end)``; further columns are kept.
    plays : ibis.Table
        Qualified plays.

    Returns
    -------
    ibis.Table
        The horizons, each once, with ``total_plays``: distinct items played in
        ``[t0, horizon_end)``; 0 where there is none.
    """
    times = plays.select(C.USER, C.ITEM, C.PLAYED_AT)
    key = [C.USER, C.T0, C.HORIZON_END]
    inside = horizons.select(*key).inner_join(
        times,
        [
            horizons[C.USER] == times[C.USER],
            times[C.PLAYED_AT] >= horizons[C.T0],
            times[C.PLAYED_AT] < horizons[C.HORIZON_END],
        ],
    )
    found = inside.select(*key, C.ITEM)
    counts = found.group_by(key).aggregate(**{C.TOTAL_PLAYS: found[C.ITEM].nunique()})
    joined = horizons.left_join(counts, key)
    return joined.select(
        horizons, **{C.TOTAL_PLAYS: joined[C.TOTAL_PLAYS].fill_null(0).cast("int64")}
    )
