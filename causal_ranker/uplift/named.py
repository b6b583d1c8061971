"""Where a feature that a setting names stands among those of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from causal_ranker.errors import SchemaError

__all__ = ["place_of"]


def place_of(name: str, names: Sequence[str], *, what: str) -> int:
    """Return the position of a feature.

    Parameters
    ----------
    name : str
        The feature.
    names : sequence of str
        Features of the rows, in order.
    what : str
        What it holds, for the error.

    Returns
    -------
    int
        Its column.

    Raises
    ------
    SchemaError
        If there is none of that name.
    """
    if name in names:
        return names.index(name)
    close = get_close_matches(name, names, n=1)
    raise SchemaError(
        expected=f"a feature '{name}', which holds {what}",
        came=f"{len(names)} features without it",
        do=f"Did you mean '{close[0]}'?" if close else "Add it to the features, or name another.",
    )
