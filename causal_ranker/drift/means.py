"""Drift of a mean or a share: fall-backs, changed lists, organic plays, residuals, losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.stats._arrays import Array, float_vector
from causal_ranker.stats.two_windows import change_covariance, shared_clusters, wald_test

__all__ = ["MeanDrift"]


@dataclass(frozen=True)
class _Reference:
    values: Array
    clusters: NDArray[np.generic] | None


class MeanDrift(DetectorConfig):
    """Test whether a mean moved, rows of one user taken together.

    For shares of 0 and 1, one row per request (``is_fallback``), list (share of its items that the
    base order would not have shown), play (organic or not) or row (outside the overlap). The
    variance is the clustered one, but never below that of pooled independent rows: a window
    without a single rare event would seem to have none at all. Rare events alarm less often than
    `level` for it, never more often.

    The effect size is the absolute difference of the means, in the unit of the values.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest absolute difference of means that matters.
    """

    _reference: _Reference | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike, *, clusters: ArrayLike | None = None) -> Self:
        """Keep the reference.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Finite numbers.
        clusters : array_like of int or str, shape (n,), optional
            The user of each row; each row by itself by default. An id that is in the window, too,
            is the same user.

        Returns
        -------
        MeanDrift
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there is no row, or a value is not a finite number.
        """
        values = float_vector(reference, name="reference").copy()
        self._reference = _Reference(values, None if clusters is None else np.array(clusters))
        return self

    def predict(self, window: ArrayLike, *, clusters: ArrayLike | None = None) -> Decision:
        """Compare the means.

        Parameters
        ----------
        window : array_like, shape (m,)
            Finite numbers.
        clusters : array_like of int or str, shape (m,), optional
            The user of each row, where the reference has them.

        Returns
        -------
        Decision
            The statistic is the square of Student's t.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there are fewer than two clusters, or a value is not a finite number.
        """
        reference = fitted(self._reference, detector=self)
        before, now = reference.values, float_vector(window, name="window")
        shared = shared_clusters(reference.clusters, clusters, rows=(before.size, now.size))
        # A shift by one value makes a constant exactly constant.
        origin = before[0]
        before, now = before - origin, now - origin
        change = now.mean() - before.mean()
        covariance = change_covariance(
            shared.sums(((before - before.mean()) / before.size)[:, None], 0),
            shared.sums(((now - now.mean()) / now.size)[:, None], 1),
            pooled=np.array([np.concatenate([before, now]).var()]),
            rows=(before.size, now.size),
        )
        found = wald_test(np.array([change]), covariance, degrees=shared.degrees, level=self.level)
        return decide(
            self,
            found.statistic,
            threshold=found.threshold,
            p_value=found.p_value,
            effect_size=abs(float(change)),
        )
