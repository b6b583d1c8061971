"""What a model of rewards says about logged lists and about the new policy's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.evaluation.ope.policies import Array, IntArray, ListPolicy

__all__ = ["ModelValues", "Predictions", "model_values"]

#: From a slot (0 is the first) to the predicted reward of each candidate in it, shape (n, columns).
Predictions = Callable[[int], ArrayLike]

_CHUNK: Final = 512


@dataclass(frozen=True)
class ModelValues:
    """Predicted rewards, each of shape (n, L).

    Parameters
    ----------
    logged : ndarray of float64
        ``q_k(a_k)`` of what was shown.
    after : ndarray of float64
        ``E[q_k | a_1 .. a_k-1]``, the new policy choosing slot k after what was shown before.
    value : ndarray of float64
        ``E[q_k]``, the new policy choosing all slots.
    """

    logged: Array
    after: Array
    value: Array


def model_values(predictions: Predictions, items: IntArray, *, target: ListPolicy) -> ModelValues:
    """Take means of a model's predictions, one slot after the other.

    Parameters
    ----------
    predictions : callable
        From a slot (0 is the first) to an array of shape (n, candidates): the predicted reward
        of each candidate there, whatever stands in the other slots. Predictions for rows whose
        rewards are evaluated must not have been learned from them.
    items : ndarray of int64, shape (n, L)
        Logged lists.
    target : ListPolicy
        The new policy.

    Returns
    -------
    ModelValues
        Of every list and slot.

    Raises
    ------
    SchemaError
        If predictions are of another shape.
    RowError
        If one is NaN or infinite.
    """
    n, slots = items.shape
    logged, after, value = (np.empty(items.shape) for _ in range(3))
    for slot in range(slots):
        q = np.asarray(predictions(slot), dtype=np.float64)
        if q.shape != (n, target.candidates):
            raise SchemaError(
                expected=f"predictions of shape ({n}, {target.candidates}) for slot {slot + 1}",
                came=f"shape {q.shape}",
                do="Predict the reward of every candidate of every request.",
            )
        if not np.isfinite(q).all():
            raise RowError(
                expected=f"finite predictions for slot {slot + 1}",
                came=f"{int((~np.isfinite(q)).sum())} that are NaN or infinite",
                do="Give candidates that cannot be shown any number, such as 0.",
            )
        logged[:, slot] = np.take_along_axis(q, items[:, [slot]], axis=1)[:, 0]
        after[:, slot] = target.next_mean(items, q, slot=slot)
        value[:, slot] = _means(target, q, slot=slot)
    return ModelValues(logged=logged, after=after, value=value)


def _means(target: ListPolicy, q: Array, *, slot: int) -> Array:
    """Return the mean over what the new policy puts in a slot."""
    if slot == 0:
        # nothing stands before the first slot
        return target.next_mean(np.zeros((len(q), 1), dtype=np.int64), q, slot=0)
    means = np.empty(len(q))
    for start in range(0, len(q), _CHUNK):
        stop = min(start + _CHUNK, len(q))
        chances = target.part(start, stop).slot_chances(slot + 1)[:, :, slot]
        means[start:stop] = (chances * q[start:stop]).sum(axis=1)
    return means
