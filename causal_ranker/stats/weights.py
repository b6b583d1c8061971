"""How much the weights cost: clipping, said aloud, and the effective sample size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import Array, float_vector, weight_vector

__all__ = ["ClippedWeights", "clip_weights", "effective_sample_size"]


@dataclass(frozen=True)
class ClippedWeights:
    """Weights after clipping, with what clipping did.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        ``min(w, cap)``.
    share_clipped : float
        Share of rows whose weight was above the cap. Above 0 the estimand has changed:
        those rows count for less than they stand for.
    effective_sample_size : float
        Of the clipped weights, in rows.
    """

    weights: Array
    share_clipped: float
    effective_sample_size: float


def effective_sample_size(w: ArrayLike) -> float:
    """Return Kish's effective sample size ``(sum w)^2 / sum w^2``.

    Parameters
    ----------
    w : array_like, shape (n,)
        Weights of 0 or more.

    Returns
    -------
    float
        Number of equally weighted rows with the same variance of a weighted mean, in [1, n].

    Raises
    ------
    EmptyError
        If there are no rows, or all weights are 0.
    RowError
        If a weight is negative or not finite.
    """
    vector = float_vector(w, name="weights")
    checked = weight_vector(vector, size=vector.size)
    scaled = checked / checked.max()  # the squares neither overflow nor vanish
    return float(scaled.sum() ** 2 / np.square(scaled).sum())


def clip_weights(w: ArrayLike, *, cap: float) -> ClippedWeights:
    """Cap the weights and say how many rows that touched.

    Parameters
    ----------
    w : array_like, shape (n,)
        Weights of 0 or more, for example inverse propensities.
    cap : float
        Largest weight kept, above 0.

    Returns
    -------
    ClippedWeights
        New weights, share clipped, effective sample size.

    Raises
    ------
    ConfigError
        If the cap is not above 0.
    RowError
        If a weight is negative or not finite.
    """
    if not cap > 0:
        raise ConfigError(expected="a cap above 0", came=f"cap = {cap!r}", do="Choose cap > 0.")
    vector = float_vector(w, name="weights")
    weight_vector(vector, size=vector.size)
    clipped = np.minimum(vector, cap)
    return ClippedWeights(
        weights=clipped,
        share_clipped=float(np.mean(vector > cap)),
        effective_sample_size=effective_sample_size(clipped),
    )
