"""The outcome Y: whether the item was played, on any surface, inside the row's horizon."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import ibis

from causal_ranker.columns import Columns as C

__all__ = ["next_play"]

_BEFORE_ALL: Final = datetime(1, 1, 1, tzinfo=UTC)


def next_play(rows: ibis.Table, plays: ibis.Table) -> ibis.Table:
    """Add to each row the time of the item's next play by the user, at or after t0.

    Every play answers for the rows with t0 in ``(previous play, this play]``. These intervals
    do not overlap (that of a second play at the same time is empty), so a row meets at most one
    play and one plain join is enough: rows never multiply, the candidates (by far the larger
    side) stream through once, and nothing of their size is sorted or grouped. Surface and
    credit play no part.

    Parameters
    ----------
    rows : ibis.Table
        Rows with ``user_id``, ``item_id`` and ``t0``.
    plays : ibis.Table
        Qualified plays.

    Returns
    -------
    ibis.Table
        The rows, each once, with ``next_play``: a timestamp, null where no play follows.
    """
    times = plays.select(C.USER, C.ITEM, C.PLAYED_AT)
    by_time = ibis.window(
        group_by=[times[C.USER], times[C.ITEM]], order_by=times[C.PLAYED_AT].asc()
    )
    previous = times[C.PLAYED_AT].lag().over(by_time)
    # The sentinel instead of "or null" keeps the join a hash join.
    played = times.mutate(previous=previous.fill_null(ibis.literal(_BEFORE_ALL)))
    joined = rows.left_join(
        played,
        [
            rows[C.USER] == played[C.USER],
            rows[C.ITEM] == played[C.ITEM],
            rows[C.T0] > played.previous,
            rows[C.T0] <= played[C.PLAYED_AT],
        ],
    )
    return joined.select(rows, next_play=played[C.PLAYED_AT])
