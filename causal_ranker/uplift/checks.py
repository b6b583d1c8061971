"""What every learner asks of its rows, so that no learner answers nonsense with a number."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import RowError
from causal_ranker.uplift.base import Rows

__all__ = ["check_rows"]


def check_rows(rows: Rows, *, kind: Literal["binary", "count", "continuous"]) -> None:
    """Check treatment, outcome and weights.

    Parameters
    ----------
    rows : Rows
        Training rows.
    kind : {"binary", "count", "continuous"}
        What Y is said to be.

    Raises
    ------
    RowError
        If T is not 0 or 1, Y is not finite or not of its kind, or a weight is not positive and
        finite.
    """
    t, w = np.asarray(rows.treatment), np.asarray(rows.weight)
    y = np.asarray(rows.outcome, dtype=np.float64)
    _refuse(~np.isin(t, (0, 1)), t, expected="a treatment of 0 or 1 in every row")
    _refuse(~(np.isfinite(w) & (w > 0)), w, expected="a positive, finite weight of every row")
    if kind == "binary":
        do = "Say what the outcome is: NuisanceConfig(kind='count') or kind='continuous'."
        _refuse(~np.isin(y, (0, 1)), y, expected="an outcome of 0 or 1 in every row", do=do)
    elif kind == "count":
        whole = np.isfinite(y) & (y >= 0) & (np.floor(y) == y)
        _refuse(~whole, y, expected="a number of plays as the outcome of every row")
    else:
        _refuse(~np.isfinite(y), y, expected="a finite outcome of every row")


def _refuse(
    bad: NDArray[np.bool_],
    values: NDArray[Any],
    *,
    expected: str,
    do: str = "Look at the rows named, and mend the logs or labels that they come from.",
) -> None:
    if not bad.any():
        return
    first = np.flatnonzero(bad)[:3]
    raise RowError(
        expected=expected,
        came=f"{int(bad.sum())} of {len(bad)} rows without, e.g. {values[first].tolist()} in rows "
        f"{first.tolist()}",
        do=do,
    )
