"""Overlap of the two arms and balance of their covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, OverlapError, SchemaError
from causal_ranker.stats._arrays import (
    Array,
    binary_vector,
    float_vector,
    reject_rows,
    same_size,
    weight_vector,
)
from causal_ranker.stats.weights import effective_sample_size

__all__ = ["Overlap", "overlap_summary", "standardised_mean_differences"]

_BINS = 50


@dataclass(frozen=True)
class Overlap:
    """Where the propensities lie, and what is left of each arm.

    Parameters
    ----------
    share_inside : float
        Weighted share of rows with ``low <= e <= high``.
    share_below : float
        Weighted share of rows with ``e < low``.
    share_above : float
        Weighted share of rows with ``e > high``.
    bin_edges : ndarray of float64, shape (51,)
        Edges of equal bins of the propensity on [0, 1].
    treated_counts : ndarray of float64, shape (50,)
        Treated rows per bin (sum of weights).
    control_counts : ndarray of float64, shape (50,)
        Control rows per bin (sum of weights).
    ess_treated : float
        Effective sample size of the treated rows inside, weighted by ``w / e``; 0 if there are
        none.
    ess_control : float
        The same for control rows, weighted by ``w / (1 - e)``.
    """

    share_inside: float
    share_below: float
    share_above: float
    bin_edges: Array
    treated_counts: Array
    control_counts: Array
    ess_treated: float
    ess_control: float


def overlap_summary(
    propensity: ArrayLike,
    treatment: ArrayLike,
    *,
    low: float,
    high: float,
    weights: ArrayLike | None = None,
) -> Overlap:
    """Summarise the overlap of the arms.

    Parameters
    ----------
    propensity : array_like, shape (n,)
        e = P(T = 1 | X), in [0, 1].
    treatment : array_like of 0 and 1, shape (n,)
        T, placed in the slate.
    low, high : float
        Bounds of the propensities that are kept, ``0 < low < high < 1``.
    weights : array_like, shape (n,), optional
        Analysis weights.

    Returns
    -------
    Overlap
        Shares, histogram and effective sample sizes.

    Raises
    ------
    ConfigError
        If the bounds are not ``0 < low < high < 1``.
    RowError
        If a propensity is outside [0, 1].
    """
    if not 0 < low < high < 1:
        raise ConfigError(
            expected="overlap bounds 0 < low < high < 1",
            came=f"low = {low!r}, high = {high!r}",
            do="Choose for example low=0.02, high=0.98.",
        )
    e = float_vector(propensity, name="propensity")
    treated = binary_vector(treatment, name="treatment")
    same_size(e.size, treatment=treated)
    w = weight_vector(weights, size=e.size)
    reject_rows(
        (e < 0) | (e > 1),
        e,
        name="propensity",
        expected="propensities in [0, 1]",
        do="Check how the propensities were logged or estimated.",
    )
    below, above = e < low, e > high
    inside = ~(below | above)
    total = w.sum()
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    return Overlap(
        share_inside=float(w[inside].sum() / total),
        share_below=float(w[below].sum() / total),
        share_above=float(w[above].sum() / total),
        bin_edges=edges,
        treated_counts=np.histogram(e[treated], bins=edges, weights=w[treated])[0],
        control_counts=np.histogram(e[~treated], bins=edges, weights=w[~treated])[0],
        ess_treated=_arm_size(w, e, inside & treated),
        ess_control=_arm_size(w, 1 - e, inside & ~treated),
    )


def _arm_size(w: Array, chance: Array, rows: NDArray[np.bool_]) -> float:
    kept = w[rows]
    return effective_sample_size(kept / chance[rows]) if kept.any() else 0.0


def standardised_mean_differences(
    covariates: ArrayLike, treatment: ArrayLike, *, weights: ArrayLike | None = None
) -> Array:
    """Return each covariate's difference between the arms, in standard deviations.

    ``(mean_1 - mean_0) / sqrt((var_1 + var_0) / 2)`` over the rows where the covariate is not NaN.
    Only the means are weighted: the ruler is that of the unweighted rows, so that figures before
    and after weighting can be compared (Austin, 2011).

    Parameters
    ----------
    covariates : array_like, shape (n, p)
        Numeric covariates; NaN where unknown.
    treatment : array_like of 0 and 1, shape (n,)
        T, placed in the slate.
    weights : array_like, shape (n,), optional
        Analysis weights, or balancing weights such as ``T/e + (1-T)/(1-e)``.

    Returns
    -------
    ndarray of float64, shape (p,)
        Signed differences; 0 for a constant covariate, infinite where it is constant within each
        arm but not between them, NaN where an arm never has a value.

    Raises
    ------
    OverlapError
        If an arm has no rows.
    SchemaError
        If the covariates are not a numeric table of two dimensions.
    """
    try:
        table = np.asarray(covariates, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            expected="numeric covariates", came=str(error), do="Encode the other columns first."
        ) from None
    if table.ndim != 2:
        raise SchemaError(
            expected="covariates of shape (rows, columns)",
            came=f"an array of shape {table.shape}",
            do="Pass a table, one column per covariate.",
        )
    treated = binary_vector(treatment, name="treatment")
    same_size(treated.size, covariates=table)
    if treated.all() or not treated.any():
        raise OverlapError(
            expected="rows in both arms",
            came=f"{int(treated.sum())} treated of {treated.size} rows",
            do="Check how the treatment was built.",
        )
    w = weight_vector(weights, size=treated.size)
    # column by column: masks and copies of a whole table would triple its memory
    return np.array([_difference(column, treated, w) for column in table.T])


def _difference(column: Array, treated: NDArray[np.bool_], w: Array) -> float:
    known = ~np.isnan(column)
    means, variances = [], []
    for arm in (treated & known, ~treated & known):
        values, shares = column[arm], w[arm]
        if not shares.any():
            return float("nan")
        # a shift by one value costs nothing and makes a constant column exactly constant
        shifted = values - values[0]
        means.append(values[0] + (shifted * shares).sum() / shares.sum())
        variances.append(shifted.var())
    gap, ruler = means[0] - means[1], np.sqrt(sum(variances) / 2)
    if ruler > 0:
        return float(gap / ruler)
    return float(np.sign(gap) * np.inf) if gap else 0.0
