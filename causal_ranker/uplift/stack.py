"""Several estimates of the uplift as one: a weighted sum, learned out of fold.

Breiman (1996), "Stacked regressions", Machine Learning 24; weights are not negative, and what is
left to 1 goes to the average effect, so that a stack of noise shrinks to one effect for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Effect, Predicts

__all__ = ["StackedEffect", "stack_weights"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StackedEffect:
    """A weighted sum of fitted models' departures from the average effect.

    Parameters
    ----------
    average : float
        Average effect, in plays per impression.
    members : sequence of Predicts
        Fitted models.
    weights : numpy.ndarray
        One a member, not negative.
    """

    average: float
    members: Sequence[Predicts]
    weights: Array

    @property
    def estimand_(self) -> str:
        """Of which rows the members' effects are an average, in words."""
        said = dict.fromkeys(getattr(each, "estimand_", "") for each in self.members)
        return "; ".join(filter(None, said))

    def predict(self, features: NDArray[np.float32]) -> Effect:
        """Estimate the uplift of rows.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features), in the order of training.

        Returns
        -------
        Effect
            Uplift in plays per impression.
        """
        point = np.full(len(features), self.average)
        for weight, member in zip(self.weights, self.members, strict=True):
            point += weight * (member.predict(features).point - self.average)
        return Effect(point=point)


def stack_weights(
    estimates: Sequence[NDArray[Any]], scores: Array, *, weight: Array, average: float
) -> Array:
    """Learn the weights of a stack: non-negative least squares of scores on estimates.

    Parameters
    ----------
    estimates : sequence of numpy.ndarray
        Out-of-fold estimates of the same rows, shape (n_rows,) each, at least one.
    scores : numpy.ndarray
        Doubly robust scores, shape (n_rows,).
    weight : numpy.ndarray
        How much a row counts.
    average : float
        Average effect: estimates and scores are taken as departures from it.

    Returns
    -------
    numpy.ndarray
        One weight an estimate, 0 or more.
    """
    from scipy.optimize import nnls

    departures = [each - average for each in estimates]
    gram = np.array([[np.sum(weight * a * b) for b in departures] for a in departures])
    moments = np.array([np.sum(weight * a * (scores - average)) for a in departures])
    # A trace of ridge, so that estimates that are alike share a weight instead of a singularity.
    gram += 1e-9 * max(float(np.trace(gram)), np.finfo(np.float64).tiny) * np.eye(len(gram))
    root = np.linalg.cholesky(gram)
    return np.asarray(nnls(root.T, np.linalg.solve(root, moments))[0])
