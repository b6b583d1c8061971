"""Whether the arms were alike before the test began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causal_ranker.experiments.moments import Moments, Ratio

__all__ = ["Balance", "balance"]


@dataclass(frozen=True)
class Balance:
    """Differences between the arms in what was fixed before the test.

    Parameters
    ----------
    differences : dict of str to float
        By covariate: difference of the arms' means in standard deviations.
    p_value : float
        Of no difference in any of them (Wald, chi-squared).
    """

    differences: dict[str, float]
    p_value: float


def balance(new: Moments, control: Moments, covariates: Sequence[Ratio]) -> Balance:
    """Compare the arms before the test.

    Parameters
    ----------
    new, control : Moments
        The arms'.
    covariates : sequence of Ratio
        What was fixed before the test.

    Returns
    -------
    Balance
        Standardised differences, and one test of all. A covariate that does not vary differs by 0.
    """
    from scipy.stats import chi2

    gaps = np.array([new.value(each) - control.value(each) for each in covariates])
    spreads, errors = [], []
    for arm in (new, control):
        slopes = np.stack([arm.gradient(each) for each in covariates])
        among = slopes @ arm.covariance @ slopes.T
        spreads.append(np.diag(among))
        errors.append(among / arm.count)
    deviation = np.sqrt((spreads[0] + spreads[1]) / 2)
    varies = deviation > 0
    standardised = np.divide(gaps, deviation, out=np.zeros_like(gaps), where=varies)
    # In units of the deviations, so that the rank does not depend on the covariates' units.
    scale = deviation[varies]
    error = (errors[0] + errors[1])[np.ix_(varies, varies)] / np.outer(scale, scale)
    inverse = np.linalg.pinv(error, rcond=1e-10, hermitian=True)
    rank = int(np.linalg.matrix_rank(error, rtol=1e-10, hermitian=True)) if scale.size else 0
    shift = standardised[varies]
    p_value = float(chi2.sf(shift @ inverse @ shift, rank)) if rank else 1.0
    names = [each.numerator for each in covariates]
    return Balance(dict(zip(names, standardised.tolist(), strict=True)), p_value)
