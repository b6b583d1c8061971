"""Decay of overlap: how much of a log can still say what showing an item does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.stats._arrays import Array, float_vector, reject_rows
from causal_ranker.stats._student import two_sided_quantile
from causal_ranker.stats.two_windows import change_covariance, shared_clusters

__all__ = ["OverlapDecay", "OverlapShare"]

_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class OverlapShare:
    """What is left of a window.

    Parameters
    ----------
    outside : float
        Share of rows whose propensity is not in [alpha, 1 - alpha].
    effective : float
        Rows of an even experiment (e = 1/2) that say as much about the mean effect as one row of
        this window does: ``s^2 / mean(1 / (4 e (1 - e)))``, both over the share s that is inside.
    """

    outside: float
    effective: float


@dataclass(frozen=True)
class _Reference:
    propensity: Array
    clusters: NDArray[np.generic] | None


class OverlapDecay(DetectorConfig):
    """Alarm when the effective share of rows falls, rows of one user taken together.

    With outcomes of equal variance, the variance of the best estimate of a mean effect grows as
    the mean of ``1 / (e (1 - e))`` (Hahn, 1998); rows outside [alpha, 1 - alpha] are left out
    (Crump et al., 2009) and are lost altogether. A ranker that learns and explores less and less
    makes its own successor blind this way, while all features stay where they were.

    One-sided: more overlap is no alarm. The effect size is the share of the effective rows that
    was lost, ``1 - now / before``; below 0 where overlap grew.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest loss that matters.
    alpha : float
        Propensities below it, or above 1 - alpha, are outside.
    """

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    _reference: _Reference | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike, *, clusters: ArrayLike | None = None) -> Self:
        """Keep the reference.

        Parameters
        ----------
        reference : array_like, shape (n,)
            P(T = 1 | X) of each row, in [0, 1].
        clusters : array_like of int or str, shape (n,), optional
            The user of each row; each row by itself by default. An id that is in the window, too,
            is the same user.

        Returns
        -------
        OverlapDecay
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If a value is not a probability.
        """
        values = _probabilities(reference, name="reference").copy()
        self._reference = _Reference(values, None if clusters is None else np.array(clusters))
        return self

    def predict(self, window: ArrayLike, *, clusters: ArrayLike | None = None) -> Decision:
        """Compare the effective shares.

        Parameters
        ----------
        window : array_like, shape (m,)
            As in `fit`.
        clusters : array_like of int or str, shape (m,), optional
            The user of each row, where the reference has them.

        Returns
        -------
        Decision
            The statistic is Student's t of the loss.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If a value is not a probability, or there are fewer than two clusters.
        """
        from scipy.special import stdtr

        reference = fitted(self._reference, detector=self)
        values = _probabilities(window, name="window")
        shared = shared_clusters(
            reference.clusters, clusters, rows=(reference.propensity.size, values.size)
        )
        sides = [self._effective(each) for each in (reference.propensity, values)]
        (before, first), (now, second) = sides
        covariance = change_covariance(
            shared.sums(first[:, None], 0), shared.sums(second[:, None], 1)
        )
        error, loss = float(np.sqrt(covariance[0, 0])), before - now
        statistic = 0.0
        if error > _ROUNDING:
            statistic = loss / error
        elif loss > _ROUNDING:  # nothing varies: no chance could have brought it
            statistic = float("inf")
        return decide(
            self,
            statistic,
            threshold=two_sided_quantile(1 - 2 * self.level, degrees=shared.degrees),
            p_value=float(stdtr(shared.degrees, -statistic)),
            effect_size=loss / before if before else 0.0,
        )

    def share(self, window: ArrayLike) -> OverlapShare:
        """Say what is left of a window.

        Parameters
        ----------
        window : array_like, shape (m,)
            As in `fit`.

        Returns
        -------
        OverlapShare
            Both shares.
        """
        values = _probabilities(window, name="window")
        return OverlapShare(
            outside=float(1 - self._inside(values).mean()), effective=self._effective(values)[0]
        )

    def _inside(self, propensity: Array) -> NDArray[np.bool_]:
        kept: NDArray[np.bool_] = (propensity >= self.alpha) & (propensity <= 1 - self.alpha)
        return kept

    def _effective(self, propensity: Array) -> tuple[float, Array]:
        """Return the effective share, and what each row adds to its error (the delta method)."""
        inside = self._inside(propensity)
        cost = np.zeros(propensity.size)
        kept = propensity[inside]
        cost[inside] = 1 / (4 * kept * (1 - kept))
        share, mean = float(inside.mean()), float(cost.mean())
        if not share:
            return 0.0, np.zeros(propensity.size)
        ratio = share / mean
        error = 2 * ratio * (inside - share) - ratio**2 * (cost - mean)
        return share * ratio, error / propensity.size


def _probabilities(values: ArrayLike, *, name: str) -> Array:
    vector = float_vector(values, name=name)
    reject_rows(
        (vector < 0) | (vector > 1),
        vector,
        name=name,
        expected="propensities in [0, 1]",
        do="Check how the propensities were logged or estimated.",
    )
    return vector
