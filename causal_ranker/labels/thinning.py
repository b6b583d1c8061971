"""Rows of one user and item whose horizons do not overlap, by a rule that is blind to T.

Two rows of one pair whose horizons overlap share plays. The rule looks at t0 and horizons only,
and at what came before a row, never after it: neither T nor Y can decide who stays.
"""

from __future__ import annotations

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.logs.flags import zero_or_one

__all__ = ["LATER_EXPOSURE", "mark_later_exposures", "thin_rows"]

# Helper columns, under names that no context has.
_LATEST, _RUN, _AT_SECOND, _LENGTH, _CELL, _PLACE = (
    f"thin_{name}" for name in ("latest", "run", "at_second", "length", "cell", "place")
)
_IS_ROW, _SHOWN_AT, _NEXT = (f"later_{name}" for name in ("is_row", "shown_at", "next"))
#: The column that `mark_later_exposures` adds.
LATER_EXPOSURE = "later_exposure"


def thin_rows(rows: ibis.Table) -> ibis.Table:
    """Keep rows of each pair of user and item whose horizons do not overlap.

    A *run* starts at a row whose t0 is at or after the end of every earlier horizon of the pair.
    Time from the run's start is cut into cells as long as the run's longest horizon, and the
    first row of each even cell stays. So the first row of every run stays, and a row without
    neighbours always does; two rows that stay are at least one horizon apart.

    Parameters
    ----------
    rows : ibis.Table
        Rows with ``user_id``, ``item_id``, ``t0`` (together unique) and ``horizon_end``.

    Returns
    -------
    ibis.Table
        The rows that stay, all columns.
    """
    pair = [rows[C.USER], rows[C.ITEM]]
    earlier = ibis.window(group_by=pair, order_by=rows[C.T0].asc(), preceding=(None, 1))
    ends = rows.mutate(**{_LATEST: rows[C.HORIZON_END].max().over(earlier)})
    starts = zero_or_one(ends[_LATEST].isnull() | (ends[C.T0] >= ends[_LATEST]))
    in_order = ibis.cumulative_window(
        group_by=[ends[C.USER], ends[C.ITEM]], order_by=ends[C.T0].asc()
    )
    begun = ends.mutate(**{_RUN: starts.sum().over(in_order)})
    # Whole seconds, one more than the length: rounding can only move rows further apart.
    seconds = begun[C.T0].truncate("s").epoch_seconds()
    length = begun[C.HORIZON_END].truncate("s").epoch_seconds() - seconds + 1
    timed = begun.mutate(**{_AT_SECOND: seconds, _LENGTH: length})
    run = ibis.window(group_by=[timed[C.USER], timed[C.ITEM], timed[_RUN]])
    since = timed[_AT_SECOND] - timed[_AT_SECOND].min().over(run)
    celled = timed.mutate(**{_CELL: (since / timed[_LENGTH].max().over(run)).floor().cast("int64")})
    even = celled.filter(celled[_CELL] % 2 == 0)
    key = [even[C.USER], even[C.ITEM], even[_RUN], even[_CELL]]
    place = ibis.row_number().over(ibis.window(group_by=key, order_by=even[C.T0].asc()))
    placed = even.mutate(**{_PLACE: place})
    return placed.filter(placed[_PLACE] == 0).select(*rows.columns)


def mark_later_exposures(rows: ibis.Table, impressions: ibis.Table) -> ibis.Table:
    """Mark rows whose item was shown to the user again inside the horizon.

    Such exposures stay inside both arms: the effect of a row is that of being shown at t0, all
    else at its natural course, later exposures included. Their share says how much that is.

    Parameters
    ----------
    rows : ibis.Table
        Rows with ``user_id``, ``item_id``, ``t0`` (together unique) and ``horizon_end``.
    impressions : ibis.Table
        Impression log.

    Returns
    -------
    ibis.Table
        The rows with the boolean column ``later_exposure``.
    """
    key = [C.USER, C.ITEM, C.T0]
    kind = rows[C.T0].type()
    asked = rows.select(
        *key, **{_IS_ROW: ibis.literal(1, "int8"), _SHOWN_AT: ibis.null(kind).cast(kind)}
    )
    at = impressions[C.T0].cast(kind)
    shown = impressions.select(
        C.USER, C.ITEM, **{C.T0: at, _IS_ROW: ibis.literal(0, "int8"), _SHOWN_AT: at}
    )
    # From the end of the log backwards, the earliest showing so far is a row's next one: sorted
    # once, however often an item was shown to a user. At one time the row comes before showings.
    events = asked.union(shown)
    backwards = ibis.window(
        group_by=[events[C.USER], events[C.ITEM]],
        order_by=[events[C.T0].desc(), events[_IS_ROW].desc()],
        preceding=None,
        following=0,
    )
    seen = events.mutate(**{_NEXT: events[_SHOWN_AT].min().over(backwards)})
    found = seen.filter(seen[_IS_ROW] == 1).select(*key, _NEXT)
    joined = rows.left_join(found, key)
    later = (joined[_NEXT] < joined[C.HORIZON_END]).fill_null(False)
    return joined.select(rows, **{LATER_EXPOSURE: later})
