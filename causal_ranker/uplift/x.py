"""X-learner: regress imputed effects, each arm's from the other arm's outcome model.

Kuenzel, Sekhon, Bickel and Yu (2019), "Metalearners for estimating heterogeneous treatment effects
using machine learning", PNAS 116(10). There, two regressions of the imputed effects, ``Y - mu0``
among the treated and ``mu1 - Y`` among the others, are mixed in the shares ``1 - e`` and ``e``.
One regression over both arms with weights ``(1 - e) / e`` and ``e / (1 - e)`` has that mixture as
its target, and needs no propensity where it predicts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.final import FinalStageLearner
from causal_ranker.uplift.nuisance import NuisanceValues

__all__ = ["XLearner"]


class XLearner(FinalStageLearner):
    """Imputed effects: strong where one arm is much larger than the other."""

    @staticmethod
    def _pseudo_outcomes(
        treatment: NDArray[Any], outcome: NDArray[Any], nuisances: NuisanceValues
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        treated = treatment == 1
        odds = nuisances.propensity / (1 - nuisances.propensity)
        imputed = np.where(
            treated, outcome - nuisances.outcome_control, nuisances.outcome_treated - outcome
        )
        return imputed, np.where(treated, 1 / odds, odds)
