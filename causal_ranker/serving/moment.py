"""Features of the moment: what a request says of it, else the clock, else the bundle's default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, get_args

from causal_ranker.errors import ConfigError, SchemaError

__all__ = ["ClockFeature", "check_moment", "clock_reading"]

ClockFeature = Literal["hour_of_day", "day_of_week"]


def clock_reading(feature: ClockFeature, *, at: datetime) -> float:
    """Read the clock as features do in training.

    Parameters
    ----------
    feature : {"hour_of_day", "day_of_week"}
        Hours of the day from 0 to 23, or days of the week from 0, a Monday, to 6; in UTC.
    at : datetime
        The moment, with a time zone.

    Returns
    -------
    float
        A whole number.

    Raises
    ------
    ConfigError
        If the moment has no time zone.
    """
    if at.tzinfo is None:
        raise ConfigError(
            expected="a moment with a time zone",
            came=str(at),
            do="Localise the datetime, e.g. with tzinfo=UTC.",
        )
    there = at.astimezone(UTC)
    return float(there.hour if feature == "hour_of_day" else there.weekday())


def check_moment(
    defaults: Mapping[str, float | str | None], clock: Mapping[str, ClockFeature]
) -> None:
    """Refuse a moment that cannot be.

    Parameters
    ----------
    defaults : Mapping of str to float, str or None
        Default of each feature.
    clock : Mapping of str to {"hour_of_day", "day_of_week"}
        Features that follow the clock.

    Raises
    ------
    SchemaError
        If a default is not finite, or a clock is unknown or has a default as well.
    """
    odd = [
        name
        for name, value in defaults.items()
        if not (value is None or isinstance(value, str) or math.isfinite(value))
    ]
    if odd:
        raise _refuse("a finite default of each moment feature", f"{odd}", "Choose a value.")
    odd = [f"'{name}' as {of!r}" for name, of in clock.items() if of not in get_args(ClockFeature)]
    if odd:
        raise _refuse(
            f"clocks of {', '.join(get_args(ClockFeature))}", ", ".join(odd), "Name one of them."
        )
    both = sorted(defaults.keys() & clock.keys())
    if both:
        raise _refuse("a default or a clock", f"both for {both}", "Leave the default out.")


def _refuse(expected: str, came: str, do: str) -> SchemaError:
    return SchemaError(expected=expected, came=came, do=do)
