"""Principal components of the reference: whether rows still lie where they used to lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, PrivateAttr

from causal_ranker.drift.permuted import PermutedConfig
from causal_ranker.drift.protocol import Decision, fitted
from causal_ranker.drift.rows import Units, float_rows, halves, some_rows
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array

__all__ = ["PrincipalComponents"]


class PrincipalComponents(PermutedConfig):
    """Errors of reconstruction by principal components, and distances within them.

    Features in standard deviations are projected on the leading components of one half of the
    reference. Of each row two numbers remain: the squared error of its reconstruction (Jackson and
    Mudholkar, 1979), which grows where correlations break, and Hotelling's squared distance within
    the components, which grows with their means and variances. The other half says how both are
    distributed; statistic and effect size are the larger of the two Kolmogorov-Smirnov distances
    to it, in [0, 1]. A shift of one feature among many moves neither by much: that is what the
    tests of single features are for.

    Parameters
    ----------
    level : float
        Rate of false alarms, at least .0001: 199 permutations at 5 %, 1 / level - 1 below .005.
    least_effect : float
        Smallest distance that matters.
    most_rows : int
        Rows of the reference, and of a window, that are looked at; of more, so many are drawn.
    seed : int
        Decides the draws.
    explained : float
        Share of the variance that the components explain at least, unless all are needed for it:
        the last one is then left out.
    """

    explained: Annotated[float, Field(gt=0, lt=1)] = 0.8
    _plane: Any = PrivateAttr(default=None)
    _reference: Any = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> Self:
        """Learn the components from one half, and the distances from the other.

        Parameters
        ----------
        reference : array_like, shape (n, n_features)
            Finite numbers, four rows at least.

        Returns
        -------
        PrincipalComponents
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the reference is not such a table.
        """
        rng = stage_rng(self.seed, "drift-components")
        learn, compare = halves(reference, most=self.most_rows, rng=rng)
        self._plane = _Plane.of(learn, explained=self.explained)
        self._reference = self._plane.distances(compare)
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Compare the rows' distances with the reference's.

        Parameters
        ----------
        window : array_like, shape (m, n_features)
            Finite numbers, of the reference's features.

        Returns
        -------
        Decision
            The decision; the p-value has the resolution of the permutations.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            If the window is not such a table.
        """
        plane: _Plane = fitted(self._plane, detector=self)
        rows = float_rows(window, name="window", features=plane.units.center.size)
        rng = stage_rng(self.seed, "drift-components-window")
        now = plane.distances(some_rows(rows, most=self.most_rows, rng=rng))
        before: Array = self._reference
        sizes = len(before), len(now)
        columns = [_Ordered.of(column) for column in np.concatenate([before, now]).T]
        mark = np.arange(sum(sizes)) >= sizes[0]
        statistic = max(float(c.largest_gap(mark[None])[0]) for c in columns)
        chance = np.concatenate(
            [
                np.max([c.largest_gap(labels) for c in columns], axis=0)
                for labels in self._labels(*sizes)
            ]
        )
        return self._judge(statistic, chance, effect_size=statistic)


@dataclass(frozen=True)
class _Plane:
    units: Units
    axes: Array  # (n_features, n_components)
    variances: Array

    @classmethod
    def of(cls, rows: Array, *, explained: float) -> Self:
        units = Units.of(rows)
        scaled = units.apply(rows)
        variances, axes = np.linalg.eigh(scaled.T @ scaled / len(scaled))
        variances, axes = variances[::-1], axes[:, ::-1]
        # Constant and repeated features leave directions without variance, to none of which a
        # distance can be measured; a row that goes there has an error of reconstruction.
        alive = int(np.sum(variances > 1e-9 * max(variances[0], 1e-300)))
        shares = np.cumsum(variances) / max(float(variances.sum()), 1e-300)
        enough = 1 + int(np.sum(shares < explained))
        kept = min(enough, alive, max(1, len(variances) - 1))
        return cls(units, axes[:, :kept], variances[:kept])

    def distances(self, rows: Array) -> Array:
        scaled = self.units.apply(rows)
        scores = scaled @ self.axes
        error = ((scaled - scores @ self.axes.T) ** 2).sum(axis=1)
        within = (scores**2 / self.variances).sum(axis=1)
        # Rounding must not tell rows apart that are the same.
        return np.round(np.column_stack([error, within]), 9)


@dataclass(frozen=True)
class _Ordered:
    order: np.ndarray[Any, np.dtype[np.int64]]
    last: np.ndarray[Any, np.dtype[np.int64]]  # the last place of each block of ties

    @classmethod
    def of(cls, values: Array) -> Self:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        return cls(order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)))

    def largest_gap(self, labels: np.ndarray[Any, np.dtype[np.bool_]]) -> Array:
        """Kolmogorov-Smirnov distance for each row of labels, of which True is the window."""
        window = np.cumsum(labels[:, self.order], axis=1, dtype=np.int32)
        inside = window[:, -1:]
        before = np.arange(1, labels.shape[1] + 1, dtype=np.int32) - window
        gaps = (window / inside - before / (labels.shape[1] - inside))[:, self.last]
        largest: Array = np.abs(gaps).max(axis=1)
        return largest
