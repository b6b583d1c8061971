"""Flags as numbers, on every engine: some cast no truth value to a number, or to one width only."""

from __future__ import annotations

from typing import Any, Literal

import ibis

__all__ = ["zero_or_one"]


def zero_or_one(flag: ibis.Value, kind: Literal["int8", "int64"] = "int64") -> Any:
    """Return 1 where a flag is true and 0 where it is not; unknown stays unknown.

    Parameters
    ----------
    flag : ibis.Value
        Truth values.
    kind : {"int8", "int64"}, default "int64"
        The type of the numbers.

    Returns
    -------
    ibis.Value
        Numbers of that type.
    """
    # Of 16 bits, which nobody asks for: Ibis would leave out a cast to what it takes them for.
    one, zero = (ibis.literal(number, "int16") for number in (1, 0))
    return ibis.cases((flag, one), (~flag, zero)).cast(kind)
