"""R-learner: regress what is left of the outcome on what is left of the treatment.

Nie and Wager (2021), "Quasi-oracle estimation of heterogeneous treatment effects", Biometrika
108(2). With ``m = e mu1 + (1 - e) mu0``, the loss ``(Y - m - (T - e) tau)^2`` is that of a
regression of ``(Y - m) / (T - e)`` with weights ``(T - e)^2``: rows near the ends of the overlap
band, whose scores are noisy, count least.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.final import FinalStageLearner
from causal_ranker.uplift.nuisance import NuisanceValues

__all__ = ["RLearner", "r_pseudo_outcomes"]


class RLearner(FinalStageLearner):
    """Residual on residual, weighted by overlap."""

    _weighs_overlap = True

    @staticmethod
    def _pseudo_outcomes(
        treatment: NDArray[Any], outcome: NDArray[Any], nuisances: NuisanceValues
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return r_pseudo_outcomes(treatment, outcome, nuisances)


def r_pseudo_outcomes(
    treatment: NDArray[Any], outcome: NDArray[Any], nuisances: NuisanceValues
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what an R-learner regresses, whatever the form of its effect.

    Parameters
    ----------
    treatment, outcome : numpy.ndarray
        T and Y of rows whose propensity is neither 0 nor 1, shape (n_rows,).
    nuisances : NuisanceValues
        Their nuisances.

    Returns
    -------
    target : numpy.ndarray
        ``(Y - m) / (T - e)``, in plays per impression, shape (n_rows,).
    weight : numpy.ndarray
        ``(T - e)^2``, shape (n_rows,).
    """
    e = nuisances.propensity
    expected = e * nuisances.outcome_treated + (1 - e) * nuisances.outcome_control
    residual = treatment - e
    return (outcome - expected) / residual, residual**2
