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
    """Doubly robust: right where either the propensities or the outcome models are.

    Parameters
    ----------
    config : LearnerConfig
        Trees and the overlap floor.
    names, categorical : sequence of str
        Names of the features, and of the categorical ones.
    seed : int
        Decides folds and feature draws.
    """

    @staticmethod
    def pseudo_outcomes(
        treatment: NDArray[Any], outcome: NDArray[Any], nuisances: NuisanceValues
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the doubly robust scores, all of one weight.

        Parameters
        ----------
        treatment, outcome : numpy.ndarray
            T and Y of rows with overlap, shape (n_rows,).
        nuisances : NuisanceValues
            Their nuisances.

        Returns
        -------
        target, weight : numpy.ndarray
            Shape (n_rows,).
        """
        return nuisances.scores(treatment, outcome), np.ones(len(outcome))
