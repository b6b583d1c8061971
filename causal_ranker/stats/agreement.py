"""How far two scores of the same rows rank alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.stats._arrays import Array, float_vector, same_size, share, weight_vector

__all__ = ["spearman", "top_overlap"]


def spearman(first: ArrayLike, second: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the (weighted) rank correlation of two scores.

    A weight of 2 is a row given twice; tied rows share the middle of their ranks.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        The scores, finite.
    weights : array_like, shape (n,), optional
        Row weights of 0 or more.

    Returns
    -------
    float
        In [-1, 1]. If both scores are constant, 1: they rank alike, namely not at all. If only
        one is, NaN.

    Raises
    ------
    RowError
        If a score or weight is not finite.
    """
    w, a, b = _checked(first, second, weights)
    x, y = _middle_rank(a, w), _middle_rank(b, w)
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    across, down = float(w @ x**2), float(w @ y**2)
    if not across or not down:
        return 1.0 if across == down else float("nan")
    return float(np.clip(w @ (x * y) / np.sqrt(across * down), -1.0, 1.0))


def top_overlap(
    first: ArrayLike, second: ArrayLike, *, top: float, weights: ArrayLike | None = None
) -> float:
    """Return which share of the top rows by one score is among the top rows by the other.

    A tie block that reaches over the edge is counted as a share of each of its rows, so that the
    order of the rows does not matter.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        The scores, finite; higher is better.
    top : float
        Share of the weight that is the top, in (0, 1).
    weights : array_like, shape (n,), optional
        Row weights of 0 or more.

    Returns
    -------
    float
        In [0, 1]; 1 if both have the same rows on top, and near `top` for unrelated scores.

    Raises
    ------
    ConfigError
        If `top` is not between 0 and 1.
    RowError
        If a score or weight is not finite.
    """
    size = share(top, name="top")
    w, a, b = _checked(first, second, weights)
    both = np.minimum(_on_top(a, w, size), _on_top(b, w, size))
    return float(w @ both / (size * w.sum()))


def _checked(
    first: ArrayLike, second: ArrayLike, weights: ArrayLike | None
) -> tuple[Array, Array, Array]:
    a, b = float_vector(first, name="first"), float_vector(second, name="second")
    same_size(a.size, second=b)
    w = weight_vector(weights, size=a.size)
    kept = w > 0
    return w[kept], a[kept], b[kept]


def _middle_rank(values: Array, w: Array) -> Array:
    """Return the share of weight below each row, half of its tie block included."""
    level = np.unique(values, return_inverse=True)[1]
    weight = np.bincount(level, weights=w)
    return np.asarray(((np.cumsum(weight) - weight / 2) / w.sum())[level])


def _on_top(values: Array, w: Array, top: float) -> Array:
    """Return how much of each row is among the top: 1, 0, or the share of its tie block."""
    level = np.unique(-values, return_inverse=True)[1]
    weight = np.bincount(level, weights=w)
    before = np.cumsum(weight) - weight
    return np.asarray(np.clip((top * w.sum() - before) / weight, 0.0, 1.0)[level])
