"""DR-learner: regress doubly robust scores.

Kennedy (2023), "Towards optimal doubly robust estimation of heterogeneous causal effects",
Electronic Journal of Statistics 17(2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.final import FinalStageLearner
from causal_ranker.uplift.nuisance import NuisanceValues

__all__ = ["DRLearner"]


class DRLearner(FinalStageLearner):
    """Doubly robust: right where either the propensities or the outcome models are."""

    @staticmethod
    def _pseudo_outcomes(
        treatment: NDArray[Any], outcome: NDArray[Any], nuisances: NuisanceValues
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return nuisances.scores(treatment, outcome), np.ones(len(outcome))
