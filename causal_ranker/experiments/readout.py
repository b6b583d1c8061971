"""Read a test of two arms whose users lie in memory, one row each or many.

Sizes come first (`causal_ranker.experiments.sample_ratio`); files of any length are read by
`causal_ranker.experiments.read`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError
from causal_ranker.experiments.difference import Difference, compare
from causal_ranker.experiments.moments import Moments, Ratio
from causal_ranker.stats._arrays import Array, binary_vector, float_vector, reject_rows, same_size
from causal_ranker.stats._codes import clusterings

__all__ = ["mean_difference", "ratio_difference"]

_UNITS = "users"


def mean_difference(
    metric: ArrayLike,
    arm: ArrayLike,
    *,
    past: Mapping[str, ArrayLike] | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Difference:
    """Compare the arms' means by Welch's t-test.

    Parameters
    ----------
    metric : array_like, shape (n_users,)
        One value per user.
    arm : array_like of 0 and 1, shape (n_users,)
        1 in the new arm.
    past : mapping of str to array_like, each of shape (n_users,), optional
        Covariates fixed before the test began, such as the metric in earlier weeks, by name:
        CUPED takes out what they explain.
    cluster : array_like of int or str, shape (n_users,), optional
        Users who were assigned together, such as those of a household.
    level : float
        Probability inside the interval.

    Returns
    -------
    Difference
        New arm less control.

    Raises
    ------
    EmptyError
        If an arm has fewer than two users (or clusters).
    DataError
        If the metric does not vary in either arm, or a covariate does not.
    RowError, SchemaError
        If a value is not finite, a cluster is in both arms, or the arrays do not fit.
    """
    columns = {"metric": metric, **(past or {})}
    below = None if cluster is None else _UNITS
    return _compared(
        columns,
        arm,
        Ratio("metric", below),
        past=[Ratio(name, below) for name in past or {}],
        cluster=cluster,
        level=level,
    )


def ratio_difference(
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    arm: ArrayLike,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Difference:
    """Compare ratios of sums, such as plays per impression, by the delta method.

    The ratio of an arm is ``sum a / sum b`` over its users; its variance is that of
    ``(a - ratio b) / mean(b)`` (Deng, Knoblich and Lu, 2018).

    Parameters
    ----------
    numerator, denominator : array_like, shape (n,)
        Sums of each user, or values of each row where `cluster` is given; the denominator 0 or
        more.
    arm : array_like of 0 and 1, shape (n,)
        1 in the new arm.
    cluster : array_like of int or str, shape (n,), optional
        Whose row it is: the user, or those who were assigned together.
    level : float
        Probability inside the interval.

    Returns
    -------
    Difference
        Ratio of the new arm less that of the control.

    Raises
    ------
    EmptyError
        If an arm has fewer than two users, or no denominator.
    RowError, SchemaError
        If a value is not finite, a denominator negative, a cluster is in both arms, or the arrays
        do not fit.
    """
    below = float_vector(denominator, name="denominator")
    reject_rows(
        below < 0,
        below,
        name="denominator",
        expected="denominators of 0 or more",
        do="A ratio is taken of counts; check how they were summed.",
    )
    columns: dict[str, ArrayLike] = {"numerator": numerator, "denominator": below}
    ratio = Ratio("numerator", "denominator")
    return _compared(columns, arm, ratio, past=(), cluster=cluster, level=level)


def _compared(
    columns: Mapping[str, ArrayLike],
    arm: ArrayLike,
    metric: Ratio,
    *,
    past: list[Ratio] | tuple[()],
    cluster: ArrayLike | None,
    level: float,
) -> Difference:
    values = {name: float_vector(column, name=name) for name, column in columns.items()}
    new = binary_vector(arm, name="arm")
    same_size(new.size, **values)
    if cluster is not None:
        values, new = _summed({**values, _UNITS: np.ones(new.size)}, new, cluster)
    parts = [
        Moments.of_columns({name: column[at] for name, column in values.items()})
        if at.any()
        else _nobody(tuple(values))
        for at in (new, ~new)
    ]
    return compare(parts[0], parts[1], metric, past=past, level=level)


def _nobody(columns: tuple[str, ...]) -> Moments:
    nothing = np.zeros(len(columns))
    return Moments(columns, 0, nothing, np.outer(nothing, nothing))


def _summed(
    values: dict[str, Array], new: NDArray[np.bool_], cluster: ArrayLike
) -> tuple[dict[str, Array], NDArray[np.bool_]]:
    """Sum the rows of each cluster, which is in one arm."""
    (way,) = clusterings(cluster, None, size=new.size, rows=np.arange(new.size))
    rows = np.bincount(way.codes, minlength=way.count)
    ours = np.bincount(way.codes, weights=new, minlength=way.count)
    mixed = (ours > 0) & (ours < rows)
    if mixed.any():
        first = int(np.argmax(mixed[way.codes]))
        raise RowError(
            expected="each cluster in one arm",
            came=f"{int(mixed.sum())} of {way.count} clusters in both, e.g. "
            f"{np.asarray(cluster)[first]!r}",
            do="Cluster by what was assigned, and find out why anybody was in both arms.",
        )
    sums = {
        name: np.bincount(way.codes, weights=column, minlength=way.count).astype(np.float64)
        for name, column in values.items()
    }
    return sums, ours > 0
