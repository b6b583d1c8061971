"""Lengths of time that every engine reads alike."""

from __future__ import annotations

from typing import Final

import ibis

__all__ = ["LONGEST_HOURS", "span"]

#: Two hundred years: so much can be added to a timestamp, and taken from it, on every engine.
LONGEST_HOURS: Final = 1_753_200


def span(seconds: float) -> ibis.Value:
    """Return a length of time as an interval that all engines know, where it can be one.

    Parameters
    ----------
    seconds : float
        The length; rounded to microseconds, the finest step that all engines' timestamps share.

    Returns
    -------
    ibis.Value
        An interval in whole seconds where it is whole, which Trino needs; else in microseconds.
    """
    microseconds = round(seconds * 1_000_000)
    if microseconds % 1_000_000 == 0:
        return ibis.interval(seconds=microseconds // 1_000_000)
    return ibis.interval(microseconds=microseconds)
