"""Drift of a distribution of predictions, whose rows move together by user."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array, IntArray, float_vector
from causal_ranker.stats.two_windows import SharedClusters, change_covariance, shared_clusters

__all__ = ["DistributionDrift"]

_POINTS: Final = 40
_DRAWS: Final = 1000


@dataclass(frozen=True)
class _Reference:
    points: Array
    places: IntArray
    clusters: NDArray[np.generic] | None


class DistributionDrift(DetectorConfig):
    """Kolmogorov-Smirnov distance with a p-value that holds for rows of one user, and for ties.

    For base scores, uplift, propensities, delays. The distance is taken over up to 40 quantiles
    of the reference. What chance gives is drawn from the clustered covariance of the two
    distribution functions there (the multiplier bootstrap of van der Vaart and Wellner, 1996,
    chapter 2.9, in closed form), with the heavier tails of as many clusters as there are. The
    textbook p-value takes a user's rows for as many users, and alarms far too often.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest distance, in [0, 1], that matters; the effect is the distance itself.
    seed : int
        Decides the draws.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    _reference: _Reference | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike, *, clusters: ArrayLike | None = None) -> Self:
        """Keep the reference, by the quantiles its values lie between.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Numbers, none missing.
        clusters : array_like of int or str, shape (n,), optional
            The user of each row; each row by itself by default. An id that is in the window, too,
            is the same user.

        Returns
        -------
        DistributionDrift
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there is no row, or a value is missing or no number.
        """
        values = float_vector(reference, name="reference", finite=False)
        # Values themselves, never a point between two: ties stay on one side.
        levels = np.linspace(0, 1, _POINTS + 1)[1:]
        points = np.unique(np.quantile(values, levels, method="inverted_cdf"))
        self._reference = _Reference(
            points, _places(points, values), None if clusters is None else np.array(clusters)
        )
        return self

    def predict(self, window: ArrayLike, *, clusters: ArrayLike | None = None) -> Decision:
        """Compare the distribution functions.

        Parameters
        ----------
        window : array_like, shape (m,)
            Numbers, none missing.
        clusters : array_like of int or str, shape (m,), optional
            The user of each row, where the reference has them.

        Returns
        -------
        Decision
            The p-value has the resolution of 1,000 draws, 1/1001, or a tenth of the level.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there are fewer than two clusters, or a value is missing or no number.
        """
        reference = fitted(self._reference, detector=self)
        values = float_vector(window, name="window", finite=False)
        places = reference.places, _places(reference.points, values)
        shared = shared_clusters(
            reference.clusters, clusters, rows=(places[0].size, places[1].size)
        )
        count = reference.points.size
        below = [
            np.cumsum(np.bincount(each, minlength=count + 1)[:count]) / each.size for each in places
        ]
        distance = float(np.abs(below[1] - below[0]).max())
        chance = self._chance(_covariance(places, below, shared), degrees=shared.degrees)
        return decide(
            self,
            distance,
            threshold=float(np.quantile(chance, 1 - self.level)),
            p_value=(1 + int(np.sum(chance >= distance))) / (1 + chance.size),
            effect_size=distance,
        )

    def _chance(self, covariance: Array, *, degrees: int) -> Array:
        rng = stage_rng(self.seed, "drift-distribution")
        variances, directions = np.linalg.eigh(covariance)
        root = directions * np.sqrt(np.maximum(variances, 0.0))
        draws = max(_DRAWS, math.ceil(10 / self.level))
        normal = rng.standard_normal((draws, covariance.shape[0])) @ root.T
        heavy = np.sqrt(degrees / rng.chisquare(degrees, size=draws))
        chance: Array = np.abs(normal).max(axis=1) * heavy
        return chance


def _places(points: Array, values: Array) -> IntArray:
    """Count the points strictly below each value: it is at or below all points from there on."""
    return np.searchsorted(points, values, side="left").astype(np.int64)


def _covariance(
    places: tuple[IntArray, IntArray], below: list[Array], shared: SharedClusters
) -> Array:
    """Covariance of the difference of two distribution functions at the points."""
    count = below[0].size
    rows = places[0].size, places[1].size
    share = (rows[0] * below[0] + rows[1] * below[1]) / sum(rows)
    if shared.apart:  # every row by itself: no need to have them all beside each other
        independent = np.minimum.outer(share, share) - np.outer(share, share)
        return np.asarray((1 / rows[0] + 1 / rows[1]) * independent)
    sums = []
    parts = ((places[0], shared.first), (places[1], shared.second))
    for (place, codes), each, size in zip(parts, below, shared.sizes, strict=True):
        cells = np.bincount(codes * (count + 1) + place, minlength=shared.count * (count + 1))
        table = cells.reshape(shared.count, count + 1)
        centred = np.cumsum(table[:, :count], axis=1) - table.sum(axis=1)[:, None] * each
        sums.append(np.sqrt(size / (size - 1)) / place.size * centred)
    return change_covariance(*sums, pooled=share * (1 - share), rows=rows)
