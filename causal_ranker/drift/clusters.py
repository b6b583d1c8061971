"""Clusters of the reference: whether the same kinds of rows come in the same shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.drift.rows import Units, float_rows, halves, some_rows
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array
from causal_ranker.stats.distances import chi_squared

__all__ = ["ClusterShares"]

_ROWS_A_CLUSTER: Final = 20


class ClusterShares(DetectorConfig):
    """Shares of clusters that k-means found in the reference.

    One half of the reference gives the centres, in standard deviations of the features, and
    splits each cluster at the median distance to its centre: without that a growing variance
    would leave the shares as they are. The other half gives the shares that a window's are
    compared with, by a chi-squared test of homogeneity; cells with an expected count below 5 are
    pooled. The effect size is Cramér's V, in [0, 1].

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest V that matters.
    clusters : int
        Number of clusters; a small reference has fewer, one for 20 rows of a half.
    most_rows : int
        Rows of the reference, and of a window, that are looked at; of more, so many are drawn.
    seed : int
        Decides the draws and the first centres.
    """

    clusters: Annotated[int, Field(ge=2, le=1000)] = 8
    most_rows: Annotated[int, Field(ge=100)] = 100_000
    seed: Annotated[int, Field(ge=0)] = 0
    _cells: Any = PrivateAttr(default=None)
    _reference: Any = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> Self:
        """Learn the clusters from one half, and their shares from the other.

        Parameters
        ----------
        reference : array_like, shape (n, n_features)
            Finite numbers, four rows at least.

        Returns
        -------
        ClusterShares
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the reference is not such a table.
        """
        rng = stage_rng(self.seed, "drift-clusters")
        learn, compare = halves(reference, most=self.most_rows, rng=rng)
        self._cells = _Cells.of(learn, clusters=self.clusters, rng=rng)
        self._reference = self._cells.counts(compare)
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Compare the shares.

        Parameters
        ----------
        window : array_like, shape (m, n_features)
            Finite numbers, of the reference's features.

        Returns
        -------
        Decision
            The decision; with a single cell left there is nothing to tell apart: statistic 0 and
            p-value 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            If the window is not such a table.
        """
        from scipy.stats import chi2

        cells: _Cells = fitted(self._cells, detector=self)
        rows = float_rows(window, name="window", features=cells.units.center.size)
        rng = stage_rng(self.seed, "drift-clusters-window")
        now = cells.counts(some_rows(rows, most=self.most_rows, rng=rng))
        before: NDArray[np.int64] = self._reference
        statistic, freedom = chi_squared(before, now)
        if freedom == 0:
            return Decision(0.0, 0.0, 1.0, 0.0, False)
        return decide(
            self,
            statistic,
            threshold=float(chi2.isf(self.level, freedom)),
            p_value=float(chi2.sf(statistic, freedom)),
            effect_size=float(np.sqrt(statistic / (before.sum() + now.sum()))),
        )


@dataclass(frozen=True)
class _Cells:
    units: Units
    centers: Array
    middle: Array  # the median distance of each cluster's rows to its centre

    @classmethod
    def of(cls, rows: Array, *, clusters: int, rng: np.random.Generator) -> Self:
        from sklearn.cluster import KMeans

        units = Units.of(rows)
        scaled = units.apply(rows)
        most = min(clusters, max(1, len(rows) // _ROWS_A_CLUSTER), len(np.unique(scaled, axis=0)))
        found = KMeans(most, n_init=1, random_state=int(rng.integers(2**31))).fit(scaled)
        centers = np.asarray(found.cluster_centers_, dtype=np.float64)
        nearest, distance = _nearest(scaled, centers)
        middle = np.array([np.median(distance[nearest == k]) for k in range(most)])
        return cls(units, centers, middle)

    def counts(self, rows: Array) -> NDArray[np.int64]:
        nearest, distance = _nearest(self.units.apply(rows), self.centers)
        cell = 2 * nearest + (distance > self.middle[nearest])
        return np.bincount(cell, minlength=2 * len(self.centers))


def _nearest(rows: Array, centers: Array) -> tuple[NDArray[np.int64], Array]:
    # |x|^2 - 2xc + |c|^2 would cancel where rows lie far out; clusters are few.
    squares = np.column_stack([((rows - center) ** 2).sum(axis=1) for center in centers])
    nearest = squares.argmin(axis=1)
    # Rounding must not tell rows apart that are the same.
    distance = np.round(np.take_along_axis(squares, nearest[:, None], axis=1)[:, 0], 9)
    return nearest, distance
