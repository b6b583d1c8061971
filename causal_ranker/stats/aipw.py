"""Doubly robust scores: one unbiased, noisy uplift per row."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import OverlapError, RowError
from causal_ranker.stats._arrays import (
    Array,
    binary_vector,
    float_vector,
    reject_rows,
    same_size,
)

__all__ = ["aipw_scores", "ipw_scores"]


def aipw_scores(
    outcome: ArrayLike,
    treatment: ArrayLike,
    *,
    propensity: ArrayLike,
    mu0: ArrayLike,
    mu1: ArrayLike,
) -> Array:
    """Return the augmented inverse-propensity scores.

    ``gamma = mu1 - mu0 + (T - e) / (e (1 - e)) * (Y - mu_T)``. Given X its mean is
    ``E[Y(1) - Y(0) | X]`` if either the propensities or both outcome models are right
    (Robins, Rotnitzky and Zhao, 1994). Nothing is clipped here.

    Parameters
    ----------
    outcome : array_like, shape (n,)
        Y, plays of the row's item within the horizon, on any surface.
    treatment : array_like of 0 and 1, shape (n,)
        T, placed in the slate.
    propensity : array_like, shape (n,)
        e = P(T = 1 | X), strictly between 0 and 1; logged, or cross-fitted by user.
    mu0 : array_like, shape (n,)
        Predicted outcome without exposure, cross-fitted.
    mu1 : array_like, shape (n,)
        Predicted outcome with exposure, cross-fitted.

    Returns
    -------
    ndarray of float64, shape (n,)
        gamma, in plays per exposure.

    Raises
    ------
    OverlapError
        If a propensity is exactly 0 or 1: that row has no counterpart in the other arm.
    RowError
        If a propensity is outside [0, 1], a treatment is not 0 or 1, or a value is not finite.
    SchemaError
        If the arrays differ in length.
    """
    y = float_vector(outcome, name="outcome")
    treated = binary_vector(treatment, name="treatment")
    e = float_vector(propensity, name="propensity")
    m0 = float_vector(mu0, name="mu0")
    m1 = float_vector(mu1, name="mu1")
    same_size(y.size, treatment=treated, propensity=e, mu0=m0, mu1=m1)
    inside = "propensities strictly between 0 and 1"
    reject_rows(
        (e < 0) | (e > 1),
        e,
        name="propensity",
        expected=inside,
        do="Check how the propensities were logged or estimated.",
        error=RowError,
    )
    reject_rows(
        (e == 0) | (e == 1),
        e,
        name="propensity",
        expected=inside,
        do="Keep only rows with overlap, and report the share left out, or explore.",
        error=OverlapError,
    )
    # (T - e) / (e (1 - e)) is 1/e for the treated and -1/(1 - e) for the others
    return m1 - m0 + np.where(treated, (y - m1) / e, (m0 - y) / (1 - e))


def ipw_scores(outcome: ArrayLike, treatment: ArrayLike, *, propensity: ArrayLike) -> Array:
    """Return the inverse-propensity scores, which need no model of the outcome.

    ``gamma = Y (T - e) / (e (1 - e))``: `aipw_scores` with both outcome models 0. Unbiased where
    the propensities are known, and noisier than with good outcome models.

    Parameters
    ----------
    outcome : array_like, shape (n,)
        Y: 0 or 1, a count, or an amount.
    treatment : array_like of 0 and 1, shape (n,)
        T, placed in the slate.
    propensity : array_like, shape (n,)
        e = P(T = 1 | X), strictly between 0 and 1, as it was logged.

    Returns
    -------
    ndarray of float64, shape (n,)
        gamma, in plays per exposure.

    Raises
    ------
    OverlapError
        If a propensity is exactly 0 or 1.
    RowError
        If a propensity is outside [0, 1], a treatment is not 0 or 1, or a value is not finite.
    SchemaError
        If the arrays differ in length.
    """
    none = np.zeros(np.size(outcome))
    return aipw_scores(outcome, treatment, propensity=propensity, mu0=none, mu1=none)
