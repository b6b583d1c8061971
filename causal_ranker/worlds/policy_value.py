"""What a ranking is worth in a world, exactly and by replay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.worlds.logs import TruthColumns

__all__ = ["PolicyValue", "policy_value"]


@dataclass(frozen=True)
class PolicyValue:
    """Extra plays per slot of a ranking's first k places, against placing nothing.

    Parameters
    ----------
    uplift_at_k : float
        Mean over requests of ``(1/k) sum tau`` over the first k: the estimand of uplift@k. Each
        row counts with the slots that the *logging* policy gives it.
    in_order : float
        The same if the first k are shown in slots 1 .. k in this order. Exact.
    replayed : float
        `in_order` again, by replaying the drawn potential outcomes: common random numbers, so
        two rankings are compared on the same draws.
    replay_error : float
        Standard error of `replayed` around `in_order`.
    """

    uplift_at_k: float
    in_order: float
    replayed: float
    replay_error: float


def policy_value(truth: pd.DataFrame, score: NDArray[np.float64], *, k: int) -> PolicyValue:
    """Return what a ranking is worth.

    Parameters
    ----------
    truth : pandas.DataFrame
        `WorldLogs.truth`, or some whole requests of it.
    score : ndarray, shape (rows,)
        The ranking's score of each row; the highest of a request is rank 1, and rows with equal
        scores keep the order of the table (by item, which says nothing).
    k : int
        Places that count, at most the smallest number of candidates in a request.

    Returns
    -------
    PolicyValue
        In extra plays per slot.

    Raises
    ------
    SchemaError
        If `score` is not one number per row.
    RowError
        If a score is NaN.
    ConfigError
        If k is below 1 or above the number of candidates of some request.
    """
    score = np.asarray(score, dtype=np.float64)
    if score.shape != (len(truth),):
        raise SchemaError(
            expected=f"one score for each of the {len(truth)} rows of truth",
            came=f"an array of shape {score.shape}",
            do="Score the rows of the candidates table, in its order.",
        )
    if np.isnan(score).any():
        raise RowError(
            expected="scores that can be ranked",
            came=f"{int(np.isnan(score).sum())} NaN, first in row {int(np.isnan(score).argmax())}",
            do="Fill or drop these rows' whole requests.",
        )
    _, request, size = np.unique(
        truth[C.ASSIGNMENT_UNIT].to_numpy(), return_inverse=True, return_counts=True
    )
    if not 1 <= k <= size.min(initial=len(truth)):
        raise ConfigError(
            expected=f"k from 1 to {size.min(initial=len(truth))}, the fewest candidates",
            came=f"k = {k}",
            do="Choose k within the smallest request.",
        )
    order = np.lexsort((-score, request))
    first = np.cumsum(size) - size
    top = order[first[:, None] + np.arange(k)]  # (requests, k)
    slot = np.arange(1, k + 1)

    def of(column: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = truth[column].to_numpy(dtype=np.float64)[top]
        return values

    examination = of(TruthColumns.ATTENTION) * of(TruthColumns.SCROLL) ** (slot - 1)
    exact = (examination * of(TruthColumns.EFFECT_IF_EXAMINED)).mean(axis=1)
    examined = slot <= of(TruthColumns.EXAMINED_TO)
    drawn = examined * (of(TruthColumns.Y_EXAMINED) - of(TruthColumns.Y0))
    replayed = drawn.mean(axis=1)
    # given the state at t0 the draws of two requests are independent
    error = float(np.sqrt(np.square(replayed - exact).sum())) / len(replayed)
    return PolicyValue(
        uplift_at_k=float(of(TruthColumns.TAU).mean()),
        in_order=float(exact.mean()),
        replayed=float(replayed.mean()),
        replay_error=error,
    )
