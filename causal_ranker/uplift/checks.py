"""What every learner asks of its rows, so that no learner answers nonsense with a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import DataError, EmptyError, RowError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.leaks import find_copies
from causal_ranker.uplift.propensity import logged_propensity

__all__ = ["check_finite", "check_rows", "require_both_arms"]

_BATCH: Final = 2**18


def check_rows(rows: Rows, *, kind: Literal["binary", "count", "continuous"]) -> None:
    """Check treatment, outcome, weights, users, logged propensities and features.

    Learners that share rows check them once: what was found good is remembered with the rows.

    Parameters
    ----------
    rows : Rows
        Training rows.
    kind : {"binary", "count", "continuous"}
        What Y is said to be.

    Raises
    ------
    RowError
        If T is not 0 or 1, Y is not finite or not of its kind or the same in all rows, a weight is
        not positive and finite, a logged propensity is not in (0, 1], or a feature is infinite.
    EmptyError
        If all rows are of one user.
    DataError
        If a feature is T or Y under another name, or there are more features than rows.
    """
    if kind in rows.checked:
        return
    t, w = np.asarray(rows.treatment), np.asarray(rows.weight)
    y = np.asarray(rows.outcome, dtype=np.float64)
    _refuse((t != 0) & (t != 1), t, expected="a treatment of 0 or 1 in every row")
    _refuse(~(np.isfinite(w) & (w > 0)), w, expected="a positive, finite weight of every row")
    if kind == "binary":
        do = "Say what the outcome is: NuisanceConfig(kind='count') or kind='continuous'."
        _refuse((y != 0) & (y != 1), y, expected="an outcome of 0 or 1 in every row", do=do)
    elif kind == "count":
        whole = np.isfinite(y) & (y >= 0) & (np.floor(y) == y)
        _refuse(~whole, y, expected="a number of plays as the outcome of every row")
    else:
        _refuse(~np.isfinite(y), y, expected="a finite outcome of every row")
    logged_propensity(rows.propensity)
    _check_enough(rows, y)
    check_finite(rows.features, names=rows.names)
    _check_leaks(rows, t, y)
    rows.checked.add(kind)


def _check_enough(rows: Rows, y: NDArray[np.float64]) -> None:
    """Refuse rows from which there is nothing to learn."""
    n, width = rows.features.shape
    if width > n:
        raise DataError(
            expected="at least as many rows as features",
            came=f"{n} rows of {width} features",
            do="Give more rows, or fewer features: with so many, some fit any outcome by chance.",
        )
    if n and (y == y[0]).all():
        raise RowError(
            expected="an outcome that is not the same in all rows",
            came=f"{y[0]:g} in all {n} rows",
            do="Look at how the outcome is labelled, and at its horizon; or give longer logs.",
        )
    user = rows.user
    if n and user[0] == user[-1] and (user == user[0]).all():
        raise EmptyError(
            expected="rows of several users, as folds are made by user",
            came=f"the one user {user[0]} in all {n} rows",
            do="Give the logs of more users, or say who the user of each row is.",
        )


def check_finite(x: NDArray[np.float32], *, names: Sequence[str]) -> None:
    """Check that no feature is infinite: a tree would answer all the same.

    Parameters
    ----------
    x : numpy.ndarray
        Features, shape (n_rows, n_features); NaN is missing.
    names : sequence of str
        What they are called.

    Raises
    ------
    RowError
        If there is one, with the name of its column.
    """
    counts = np.zeros(x.shape[1], dtype=np.int64)
    for start in range(0, len(x), _BATCH):
        infinite = np.isinf(x[start : start + _BATCH])
        if infinite.any():
            counts += infinite.sum(axis=0)
    if not counts.any():
        return
    bad = np.flatnonzero(counts)
    first = np.flatnonzero(np.isinf(x[:, bad[0]]))[:3].tolist()
    others = [names[place] for place in bad[1:4]]
    raise RowError(
        expected="finite or missing values in every feature (up to 3.4e38, as they have 32 bits)",
        came=f"{counts[bad[0]]} infinite of {len(x)} rows in column '{names[bad[0]]}', e.g. "
        f"in rows {first}" + (f", and some in {others}" if others else ""),
        do="Set them to NaN where they mean missing, or mend what divides by zero.",
    )


def _check_leaks(rows: Rows, t: NDArray[Any], y: NDArray[np.float64]) -> None:
    for what, target in (("treatment", t), ("outcome", y)):
        copies = [rows.names[place] for place in find_copies(rows.features, target)]
        if copies:
            raise DataError(
                expected="features that were known before t0",
                came=f"column '{copies[0]}', which is the {what}, or a code of it, in all "
                f"{len(t)} rows" + (f"; so are {copies[1:4]}" if copies[1:] else ""),
                do="Leave it out of the features.",
            )


def require_both_arms(rows: Rows) -> None:
    """Check that there is something to compare.

    Parameters
    ----------
    rows : Rows
        Training rows.

    Raises
    ------
    EmptyError
        If an arm has no row.
    """
    for arm in (0, 1):
        if not (rows.treatment == arm).any():
            raise EmptyError(
                expected=f"rows with T = {arm}",
                came=f"none among {len(rows)} rows",
                do="Give logs in which both arms occur.",
            )


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
