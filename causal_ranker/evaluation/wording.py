"""Numbers in words: how an evaluation's figures are written in a report."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, log10, sqrt

from causal_ranker.stats.intervals import Interval

__all__ = [
    "decimals_for",
    "estimand_text",
    "interval_text",
    "percent",
    "range_text",
    "root_text",
    "signed_text",
]

_MOST_DECIMALS = 6
_HUNDRED = 100.0


def decimals_for(intervals: Sequence[Interval]) -> int:
    """Return the decimals that suit figures per hundred with these intervals.

    Parameters
    ----------
    intervals : sequence of Interval
        In the unit of one, for example plays per slot.

    Returns
    -------
    int
        Enough for two digits of the largest half-width and one of the smallest, at most 6; 2
        where no interval has a width. An end that is not 0 is not written as 0.
    """
    widths = [_HUNDRED * (interval.high - interval.low) / 2 for interval in intervals]
    widths = [width for width in widths if isfinite(width) and width > 0]
    if not widths:
        return 2
    decimals = max(1 - floor(log10(max(widths))), -floor(log10(min(widths))), 0)
    ends = [_HUNDRED * end for interval in intervals for end in (interval.low, interval.high)]
    while decimals < _MOST_DECIMALS and any(
        isfinite(end) and end != 0 and float(f"{end:.{decimals}f}") == 0 for end in ends
    ):
        decimals += 1
    return min(decimals, _MOST_DECIMALS)


def signed_text(value: float, *, decimals: int) -> str:
    """Write a figure per hundred with its sign.

    Parameters
    ----------
    value : float
        In the unit of one.
    decimals : int
        Digits after the point.

    Returns
    -------
    str
        Such as ``+1.23``; "n/a" for NaN.
    """
    if not isfinite(value):
        return "n/a"
    return f"{_HUNDRED * value:+z.{decimals}f}"  # z: what rounds to 0 keeps no minus sign


def range_text(interval: Interval, *, decimals: int) -> str:
    """Write the ends of an interval per hundred.

    Parameters
    ----------
    interval : Interval
        In the unit of one.
    decimals : int
        Digits after the point.

    Returns
    -------
    str
        Such as ``0.50 to 1.96``; "n/a" where there is no interval.
    """
    if not (isfinite(interval.low) and isfinite(interval.high)):
        return "n/a"
    low, high = (f"{_HUNDRED * end:z.{decimals}f}" for end in (interval.low, interval.high))
    return f"{low} to {high}"


def interval_text(interval: Interval, *, decimals: int) -> str:
    """Write an estimate per hundred with its interval.

    Parameters
    ----------
    interval : Interval
        In the unit of one.
    decimals : int
        Digits after the point.

    Returns
    -------
    str
        Such as ``+1.23 (0.50 to 1.96)``.
    """
    point = signed_text(interval.point, decimals=decimals)
    return f"{point} ({range_text(interval, decimals=decimals)})"


def root_text(squared: Interval, *, unit: str) -> str:
    """Write the root of a mean square per hundred, which noise may have made negative.

    Parameters
    ----------
    squared : Interval
        Mean square with its interval, in the squared unit of one.
    unit : str
        What the root is in.

    Returns
    -------
    str
        Such as ``1.2 (0.5 to 1.7) plays per 100 exposures``, or, where the interval holds 0,
        ``not distinguishable from 0 (at most 1.7 plays per 100 exposures)``; "n/a" for NaN.
    """
    if not isfinite(squared.point):
        return "n/a"
    if squared.high <= 0:
        return "not distinguishable from 0"
    most = f"{_HUNDRED * sqrt(squared.high):.2g}"
    if squared.low <= 0:
        return f"not distinguishable from 0 (at most {most} {unit})"
    point, least = (f"{_HUNDRED * sqrt(end):.2g}" for end in (squared.point, squared.low))
    return f"{point} ({least} to {most}) {unit}"


def percent(share: float) -> str:
    """Write a share as a percentage.

    Parameters
    ----------
    share : float
        Between 0 and 1.

    Returns
    -------
    str
        Such as ``12.3 %`` or ``95 %``: at most three digits. What is above 0 is never written
        as 0, nor what is below 1 as 100.
    """
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    if 0.9995 <= share < 1:
        return "more than 99.9 %"
    return f"{_HUNDRED * share:.3g} %"


def estimand_text(estimand: str | None) -> str:
    """Return what a table says of whom the uplift model learned.

    Parameters
    ----------
    estimand : str or None
        An average of rows, in words; None where it is that of the rows inside the bounds.

    Returns
    -------
    str
        A sentence with a space before it, or nothing.
    """
    return "" if estimand is None else f" The uplift model learned effects as an {estimand}."
