"""Whole seconds and hours of instants, the same on every engine.

DuckDB's own ``epoch`` is ten times as fast as what Ibis writes, which goes through a time zone's
calendar; over tens of millions of rows that is the larger part of an aggregation by time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ibis
import ibis.expr.datatypes as dt

from causal_ranker.logs.engine import runs_on
from causal_ranker.logs.flags import zero_or_one

__all__ = ["from_hours", "hours_begun", "hours_ended", "whole_seconds"]

_HOUR = 3600


def whole_seconds(moment: ibis.Column) -> Any:
    """Return the whole seconds from 1970 to a moment, rounded down.

    Parameters
    ----------
    moment : ibis.Column
        Instants.

    Returns
    -------
    ibis.Column
        int64.
    """
    if runs_on(moment, "duckdb"):
        return _epoch(moment).floor().cast("int64")
    # Ibis rounds seconds on some engines and cuts them on others; full ones are the same on all.
    return moment.truncate("s").epoch_seconds().cast("int64")


def hours_begun(moment: ibis.Column) -> Any:
    """Return the number of the UTC hour in which a moment lies, counted from 1970.

    Parameters
    ----------
    moment : ibis.Column
        Instants.

    Returns
    -------
    ibis.Column
        int64.
    """
    return (whole_seconds(moment) // _HOUR).cast("int64")


def hours_ended(moment: ibis.Column) -> Any:
    """Return the number of the first full UTC hour that is not before a moment.

    Parameters
    ----------
    moment : ibis.Column
        Instants.

    Returns
    -------
    ibis.Column
        int64: `hours_begun` where the moment is a full hour, one more elsewhere.
    """
    if runs_on(moment, "duckdb"):
        # A double tells microseconds apart until the year 2112, and so does its 3600th part.
        return (_epoch(moment) / _HOUR).ceil().cast("int64")
    begun = hours_begun(moment)
    return begun + zero_or_one(from_hours(begun).cast(moment.type()) < moment)


def from_hours(hours: ibis.Column) -> Any:
    """Return the moments at which numbered UTC hours begin.

    Parameters
    ----------
    hours : ibis.Column
        What `hours_begun` or `hours_ended` returned.

    Returns
    -------
    ibis.Column
        Timestamps in UTC.
    """
    return (hours * _HOUR).as_timestamp("s").cast("timestamp('UTC')")


@ibis.udf.scalar.builtin(  # type: ignore[untyped-decorator]
    name="epoch", signature=((dt.Timestamp(timezone="UTC"),), dt.float64)
)
def _epoch(time: datetime) -> float:  # type: ignore[empty-body]
    """Return the seconds since 1970 in UTC; DuckDB's own function."""
