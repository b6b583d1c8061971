"""Rows that a log's end cuts off: which outcomes are determined, and what each stands for.

A row is determined once its horizon has ended, or once a play was seen inside it. Keeping the
determined rows as they are would keep too many plays: a row without one waits for its whole
horizon. So each is weighted by the inverse of the chance that the log lasted as long as it took.
"""

from __future__ import annotations

from datetime import datetime

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.logs.flags import zero_or_one
from causal_ranker.logs.hours import whole_seconds

__all__ = ["weigh_determined"]

_COHORT, _SECOND, _KIND, _RISK = (
    "censoring_cohort",
    "censoring_second",
    "censoring_kind",
    "censoring_risk",
)
_ALL, _WHOLE = "censoring_all", "censoring_whole"


def weigh_determined(
    rows: ibis.Table, *, log_end: datetime, cohort_hours: float, least_complete: float
) -> tuple[ibis.Table, ibis.Table]:
    """Keep the determined rows, with inverse-probability-of-censoring weights.

    The log ends for everybody at one moment, so a row's time until then, ``C = log_end - t0``, is
    known, and ``P(C >= u | cohort)`` is a share of the rows that entered in the same stretch of
    time. A row determined after ``u = min(play, horizon end) - t0`` gets one over the share of its
    cohort with ``C >= u`` (Robins & Rotnitzky 1992). It rests on this: within a cohort, when a row
    entered says nothing about its play.

    Parameters
    ----------
    rows : ibis.Table
        ``user_id``, ``item_id``, ``t0`` (together unique), ``horizon_end`` and ``next_play`` (null
        where none follows).
    log_end : datetime
        The end of the play log (excluded), UTC-aware.
    cohort_hours : float
        Length of a cohort of t0, counted from 1970; in whole seconds.
    least_complete : float
        A cohort is left out whole when a smaller share of its rows has its whole horizon inside the
        log: nobody then says what becomes of rows without an early play.

    Returns
    -------
    kept : ibis.Table
        The determined rows with ``censoring_weight``: 1 where the whole cohort is complete.
    censored : ibis.Table
        All other rows, so that rows in = kept + censored.
    """
    end = ibis.literal(log_end).cast(rows[C.T0].type())
    complete = rows[C.HORIZON_END] <= end
    played = ((rows.next_play < rows[C.HORIZON_END]) & (rows.next_play < end)).fill_null(False)
    length = round(cohort_hours * 3600)
    marked = rows.mutate(
        **{
            _COHORT: (whole_seconds(rows[C.T0]) // length).cast("int64"),
            _WHOLE: zero_or_one(complete),
            "determined": complete | played,
        }
    )
    cohort = ibis.window(group_by=marked[_COHORT])
    marked = marked.mutate(
        **{_ALL: marked.count().over(cohort), _WHOLE: marked[_WHOLE].sum().over(cohort)}
    )
    names = rows.columns
    # Only the cohorts that the end of the log cuts need the count: of the others each weighs 1.
    cut = marked[_WHOLE] < marked[_ALL]
    counted = _with_risk(marked.filter(cut), end=end, least_complete=least_complete)
    weight = counted[_ALL].cast("float64") / counted[_RISK].cast("float64")
    one = ibis.literal(1).cast("float64")
    kept = ibis.union(
        marked.filter(~cut).select(*names, **{C.CENSORING_WEIGHT: one}),
        counted.select(*names, **{C.CENSORING_WEIGHT: weight}),
    )
    return kept, marked.filter(~_stays(marked, least_complete)).select(*names)


def _stays(marked: ibis.Table, least_complete: float) -> ibis.Value:
    return marked.determined & (marked[_WHOLE] >= least_complete * marked[_ALL])


def _with_risk(marked: ibis.Table, *, end: ibis.Value, least_complete: float) -> ibis.Table:
    """Count, for each row that stays, the rows of its cohort that the log followed as long."""
    decided = ibis.ifelse(
        (marked.next_play < marked[C.HORIZON_END]).fill_null(False),
        marked.next_play,
        marked[C.HORIZON_END],
    )
    entered = whole_seconds(marked[C.T0])
    waited = whole_seconds(decided) - entered
    events = marked.select(*marked.columns, **{_SECOND: entered, _KIND: ibis.literal(0, "int64")})
    questions = marked.filter(_stays(marked, least_complete)).select(
        *marked.columns, **{_SECOND: whole_seconds(end) - waited, _KIND: ibis.literal(1, "int64")}
    )
    both = events.union(questions)
    # A row that entered until `second` was followed for as long as the question asks.
    until = ibis.cumulative_window(group_by=both[_COHORT], order_by=[both[_SECOND], both[_KIND]])
    counted = both.mutate(**{_RISK: (1 - both[_KIND]).sum().over(until)})
    return counted.filter(counted[_KIND] == 1)
