"""Pair features of a whole log: each stretch from the history before it.

What a row may be told is what had ended by its t0, so that one fit does not do for a long log. The
methods are fitted anew at each of a few moments, on the rows whose horizons had ended by then, and
tell the rows from that moment to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.uplift.collaborative.features import PairFeatures
from causal_ranker.uplift.collaborative.history import PairHistory

__all__ = ["pair_features_along"]


def pair_features_along(
    features: PairFeatures,
    user: NDArray[Any],
    item: NDArray[Any],
    *,
    t0: NDArray[np.int64],
    horizon_end: NDArray[np.int64],
    treatment: NDArray[Any],
    outcome: NDArray[Any],
    propensity: NDArray[np.float64],
    moments: Sequence[int],
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Tell each row of a log what had ended by the last of some moments before it.

    Parameters
    ----------
    features : PairFeatures
        What to fit; left fitted at the last moment, for rows that come after the log.
    user, item : numpy.ndarray of int or str
        Ids, shape (n_rows,).
    t0, horizon_end : numpy.ndarray of int64
        When the rows' horizons begin and end, in microseconds since 1970 UTC.
    treatment, outcome : numpy.ndarray
        T, and Y: plays within the horizon.
    propensity : numpy.ndarray
        P(T = 1), NaN where unknown.
    moments : sequence of int
        When to fit, ascending, in microseconds since 1970 UTC.

    Returns
    -------
    features : numpy.ndarray
        Shape (n_rows, n_features), float32; NaN in rows before the first moment.
    names : tuple of str
        Names of the columns. As columns of a candidate log they are features of the chain
        (``FeatureConfig(row_numbers=names)``), and one of them is an estimate of its own
        (``Candidate(learner="score", column=name)``).

    Raises
    ------
    ConfigError
        If there is no moment, or they do not ascend, or there are several and factors are features:
        those of one fit mean other things than those of the next.
    SchemaError
        If the arrays differ in length.
    RowError
        If T, Y or a propensity cannot be (see `PairHistory.of`).
    EmptyError
        If no horizon has ended by the first moment, or no pair was shown or played.
    """
    if not len(moments) or (np.diff(moments) <= 0).any():
        raise ConfigError(
            expected="moments to fit at, in ascending order",
            came=str(list(moments)),
            do="Give at least one, e.g. the first of each month of the log but the first.",
        )
    if features.factors and len(moments) > 1:
        raise ConfigError(
            expected="one moment, where factors are features: each fit turns them another way",
            came=f"{len(moments)} moments and {features.factors} factors",
            do="Leave the factors out, of which scores are made, or give one moment.",
        )
    others = (item, t0, horizon_end, treatment, outcome, propensity)
    if {len(each) for each in others} != {len(user)}:
        raise SchemaError(
            expected="one value of each array for each user",
            came=f"{len(user)} users beside {sorted({len(each) for each in others})} of the others",
            do="Give arrays of one length.",
        )
    found: NDArray[np.float32] | None = None
    names: tuple[str, ...] = ()
    for moment, following in zip(moments, [*moments[1:], None], strict=True):
        over = horizon_end <= moment
        features.fit(
            PairHistory.of(
                user[over],
                item[over],
                treatment=treatment[over],
                outcome=outcome[over],
                propensity=propensity[over],
                horizon_end=horizon_end[over],
            )
        )
        told = np.flatnonzero(
            t0 >= moment if following is None else (t0 >= moment) & (t0 < following)
        )
        block, names = features.block(user[told], item[told], at=t0[told])
        if found is None:
            found = np.full((len(user), len(names)), np.nan, dtype=np.float32)
        found[told] = block
    assert found is not None
    return found, names
