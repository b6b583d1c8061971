"""How alike the exposed and the unexposed candidates are, before and after weighting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError, SchemaError
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.overlap import standardised_mean_differences

__all__ = ["Balance", "covariate_balance", "require_both_arms"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Balance:
    """Standardised mean differences between the arms, in standard deviations.

    Parameters
    ----------
    names : tuple of str
        The covariates, p of them.
    before : ndarray of float64, shape (p,)
        Differences between the exposed and the unexposed as they are; NaN where an arm never
        has a value.
    after : ndarray of float64, shape (p,)
        Differences after weighting by ``T/e + (1 - T)/(1 - e)``; close to 0 if the propensities
        are right.
    """

    names: tuple[str, ...]
    before: Array
    after: Array


def covariate_balance(
    rows: EvaluationRows, covariates: NDArray[np.floating], *, names: Sequence[str]
) -> Balance:
    """Compare the arms of the curve sample, covariate by covariate.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is used.
    covariates : ndarray of float, shape (s, p)
        One row for each row of ``rows.sampled``, in that order; NaN where unknown.
    names : sequence of str
        The p covariates' names.

    Returns
    -------
    Balance
        Differences before and after weighting, over rows with overlap.

    Raises
    ------
    SchemaError
        If the table does not fit the sample or the names.
    OverlapError
        If an arm has no rows.
    """
    wanted = (rows.sampled.size, len(names))
    if np.shape(covariates) != wanted:
        raise SchemaError(
            expected=f"covariates of shape {wanted}: sampled rows by names",
            came=f"shape {np.shape(covariates)}",
            do="Pass the covariates of the rows with sample_weight above 0, in the rows' order.",
        )
    require_both_arms(rows)
    at = rows.curve_rows
    inside = np.flatnonzero(rows.primary[rows.sampled])
    treatment, e, w = rows.treatment[at], rows.propensity[at], rows.sample_weight[at]
    balancing = w * (treatment / e + (1 - treatment) / (1 - e))

    def differences(weights: Array) -> Array:
        # one column at a time: the whole table may be the largest thing in memory
        columns = (covariates[inside, j : j + 1] for j in range(len(names)))
        found = [
            standardised_mean_differences(column, treatment, weights=weights) for column in columns
        ]
        return np.concatenate(found) if found else np.empty(0)

    return Balance(names=tuple(names), before=differences(w), after=differences(balancing))


def require_both_arms(rows: EvaluationRows) -> None:
    """Refuse a curve sample in which one arm is missing: it holds no comparison.

    Parameters
    ----------
    rows : EvaluationRows
        The curve sample is looked at.

    Raises
    ------
    OverlapError
        If no sampled row with overlap was exposed, or if all were.
    """
    treated = int(rows.treatment[rows.curve_rows].sum())
    if treated in (0, rows.curve_rows.size):
        raise OverlapError(
            expected="exposed and unexposed candidates in the curve sample",
            came=f"{treated} exposed of {rows.curve_rows.size} rows with overlap",
            do="Check how the treatment was built; a slate that never varies must explore.",
        )
