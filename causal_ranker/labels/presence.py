"""Whether the user was still there after a request: evidence for readers of negatives."""

from __future__ import annotations

from typing import Final

import ibis

from causal_ranker.columns import Columns as C

__all__ = ["PRESENT_AFTER", "mark_presence"]

#: The column that `mark_presence` adds.
PRESENT_AFTER: Final = "present_after"
_MOMENT: Final = "presence_moment"
_NEXT: Final = "presence_next"
_EVENT: Final = "presence_event"
_KIND: Final = "presence_kind"


def mark_presence(rows: ibis.Table, impressions: ibis.Table, plays: ibis.Table) -> ibis.Table:
    """Mark rows whose user appears in the logs again before the horizon ends.

    A negative of a user who left right after t0 says little about the item. The mark is for
    whoever trains a plain click model on negatives. It is written after t0 and depends on what was
    shown: no uplift model may be fitted on the rows it selects, nor read it as a feature.

    Parameters
    ----------
    rows : ibis.Table
        Rows with ``user_id``, ``t0`` and ``horizon_end``.
    impressions, plays : ibis.Table
        Logs: being shown anything, and playing anything, on any surface.

    Returns
    -------
    ibis.Table
        The rows with the boolean column ``present_after``: an event in ``(t0, horizon_end)``.
    """
    asked = rows.select(C.USER, C.T0).distinct()
    events = (
        impressions.select(C.USER, **{_MOMENT: impressions[C.T0]})
        .union(plays.select(C.USER, **{_MOMENT: plays[C.PLAYED_AT]}))
        .distinct()
    )
    moments = events.mutate(**{_EVENT: events[_MOMENT], _KIND: 0}).union(
        asked.select(
            C.USER,
            **{
                _MOMENT: asked[C.T0].cast(events[_MOMENT].type()),
                _EVENT: ibis.null(events[_MOMENT].type()),
                _KIND: 1,
            },
        )
    )
    # An event at the very moment of a request stands before it, and does not count as later.
    in_order = ibis.window(
        group_by=moments[C.USER], order_by=[moments[_MOMENT], moments[_KIND]], following=(1, None)
    )
    followed = moments.mutate(**{_NEXT: moments[_EVENT].min().over(in_order)})
    by_request = followed.filter(followed[_KIND] == 1).select(
        C.USER, _NEXT, **{C.T0: followed[_MOMENT]}
    )
    key = [C.USER, C.T0]
    joined = rows.left_join(by_request, [rows[name] == by_request[name] for name in key])
    present = (joined[_NEXT] < joined[C.HORIZON_END]).fill_null(False)
    return joined.select(rows, **{PRESENT_AFTER: present})
