"""Logistic regression with an elastic-net penalty, to the last digits the same for equal rows.

Proximal Newton steps (Friedman, Hastie and Tibshirani, 2010, "Regularization paths for generalized
linear models via coordinate descent", Journal of Statistical Software 33(1)): each reads the rows
once and solves a quadratic in as many unknowns as there are columns. A stochastic solver would
stop at another place for another order of the rows, and take far longer with an L1 penalty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_logistic", "log_loss", "probability"]

Array = NDArray[np.float64]

_MOST_STEPS = 50
_MOST_SWEEPS = 500
_ENOUGH = 1e-10
#: Losses that differ by less are equal: their last digits are chance.
_NOISE = 1e-13
#: Largest log odds: e^-30, or 1e-13, is as near to 0 and to 1 as a probability comes.
_FARTHEST = 30.0


def fit_logistic(
    design: Array,
    target: Array,
    *,
    weight: Array,
    l2: Array,
    l1: Array | None = None,
    offset: Array | None = None,
) -> Array:
    """Minimise ``mean of weighted log-loss + sum l1 |b| + sum l2 b^2 / 2``.

    Parameters
    ----------
    design : numpy.ndarray
        Shape (n_rows, n_columns); a column of ones is the intercept. Standardise the others, as
        penalties do not know units.
    target : numpy.ndarray
        0 or 1, shape (n_rows,).
    weight : numpy.ndarray
        Weights of the rows, not negative, with a positive sum; their scale does not matter.
    l2, l1 : numpy.ndarray
        Penalties of each column, shape (n_columns,), beside the *mean* loss; `l2` is positive, so
        that there is one answer even where the columns tell the arms apart. No `l1` by default.
    offset : numpy.ndarray, optional
        Log odds of the rows when all coefficients are 0; 0 by default.

    Returns
    -------
    numpy.ndarray
        Coefficients, shape (n_columns,).
    """
    share = weight / weight.sum()
    start = np.zeros(len(target)) if offset is None else offset
    lasso = np.zeros(design.shape[1]) if l1 is None else l1
    found = np.zeros(design.shape[1])
    loss, chance = _objective(start, target, share, found, l1=lasso, l2=l2)
    for _ in range(_MOST_STEPS):
        slope = design.T @ (share * (chance - target)) + l2 * found
        curve = design.T @ (design * (share * chance * (1 - chance))[:, None]) + np.diag(l2)
        step = (
            _coordinates(curve, slope, found, lasso) - found
            if lasso.any()
            else -np.linalg.solve(curve, slope)
        )
        if np.abs(step).max() < _ENOUGH:
            break
        # Far from the answer the quadratic may promise too much; halves of the step do not.
        for _ in range(_MOST_STEPS):
            moved = found + step
            moved_odds = start + design @ moved
            moved_loss, chance = _objective(moved_odds, target, share, moved, l1=lasso, l2=l2)
            if moved_loss <= loss + _NOISE:
                break
            step = step / 2
        else:
            break  # Not to be told from the best in these digits.
        found, loss = moved, moved_loss
    return found


def _coordinates(curve: Array, slope: Array, start: Array, l1: Array) -> Array:
    """Minimise ``slope (b - start) + (b - start)' curve (b - start) / 2 + sum l1 |b|``."""
    found, diagonal = start.copy(), np.diag(curve).copy()
    pull = slope.copy()  # slope of the quadratic where `found` is
    for _ in range(_MOST_SWEEPS):
        most = 0.0
        for place in range(len(found)):
            free = diagonal[place] * found[place] - pull[place]
            new = np.sign(free) * max(abs(free) - l1[place], 0.0) / diagonal[place]
            change = new - found[place]
            if change:
                pull += curve[place] * change
                found[place] = new
                most = max(most, abs(change))
        if most < _ENOUGH / 10:
            break
    return found


def _objective(
    odds: Array, target: Array, share: Array, found: Array, *, l1: Array, l2: Array
) -> tuple[float, Array]:
    """Return the penalised loss, and the probabilities, which take the same exponentials."""
    tail = np.exp(-np.abs(odds))
    losses = np.maximum(odds, 0.0) + np.log1p(tail) - target * odds
    penalty = l1 @ np.abs(found) + l2 @ found**2 / 2
    # A sum, not a dot product: BLAS would wake its threads for each, and wait for them.
    return float(np.sum(share * losses) + penalty), np.where(odds > 0, 1.0, tail) / (1 + tail)


def probability(odds: Array) -> Array:
    """Return the probability of log odds.

    Parameters
    ----------
    odds : numpy.ndarray
        Log odds. Beyond 30 on either side they count as 30, so that no probability is 0 or 1.

    Returns
    -------
    numpy.ndarray
        ``1 / (1 + exp(-odds))``, of the same shape, in (0, 1).
    """
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -_FARTHEST, _FARTHEST))))


def log_loss(chance: Array, target: Array, *, weight: Array) -> float:
    """Return the weighted mean of ``-log P(target)``.

    Parameters
    ----------
    chance : numpy.ndarray
        P(target = 1), in (0, 1), shape (n_rows,).
    target : numpy.ndarray
        0 or 1, shape (n_rows,).
    weight : numpy.ndarray
        Weights of the rows.

    Returns
    -------
    float
        In nats a row.
    """
    return float(np.average(-np.log(np.where(target == 1, chance, 1 - chance)), weights=weight))
