"""Distances of one variable whose threshold is learned from the reference itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, PrivateAttr

from causal_ranker.drift.histograms import edges_of, jensen_shannon, psi
from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array, float_vector
from causal_ranker.stats.distances import wasserstein

__all__ = ["LearnedDistance"]

_BINS: Final = 20
_GRID: Final = 2_000


@dataclass(frozen=True, eq=False)
class _Learned:
    reference: Array
    edges: Array
    unit: float
    chance: dict[int, Array] = field(default_factory=dict)


class LearnedDistance(DetectorConfig):
    """A distance of numbers whose threshold is learned from the reference itself.

    Pairs of a reference and a window of their sizes are drawn from the reference (with
    replacement) and compared: the distances that chance alone gives. Folklore thresholds fit no
    size of window: a PSI of 0.1 is never reached by a shift of 0.2 standard deviations, however
    many rows show it.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest distance that matters, beyond the mean distance of windows without drift.
    kind : {"psi", "jensen_shannon", "wasserstein"}
        Population stability and Jensen-Shannon are taken over 20 quantile bins of the reference,
        Wasserstein in standard deviations of the reference.
    draws : int
        Pairs that are drawn for a size of window; the p-value has a resolution of 1 in
        ``draws + 1``, and the rate of false alarms of one fitted detector lies around its level by
        ``sqrt(level (1 - level) / draws)``.
    seed : int
        Decides the draws.
    """

    kind: Literal["psi", "jensen_shannon", "wasserstein"] = "psi"
    draws: Annotated[int, Field(ge=19)] = 1999
    seed: Annotated[int, Field(ge=0)] = 0
    _learned: _Learned | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> LearnedDistance:
        """Keep the reference and its quantile bins.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Finite numbers.

        Returns
        -------
        LearnedDistance
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there is no row, or a value is no finite number.
        """
        values = np.sort(float_vector(reference, name="reference"))
        spread = float(values.std())
        # a constant reference is measured in its own unit
        unit = spread if np.isfinite(spread) and spread > 0 else 1.0
        self._learned = _Learned(values, edges_of(values, cells=_BINS), unit)
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Compare the window with the reference.

        Parameters
        ----------
        window : array_like, shape (m,)
            Finite numbers.

        Returns
        -------
        Decision
            The decision.

        Raises
        ------
        EmptyError, NotFittedError, RowError, SchemaError
            As `fit`, or before it.
        """
        learned = fitted(self._learned, detector=self)
        values = float_vector(window, name="window")
        if self.kind == "wasserstein":
            statistic = wasserstein(learned.reference, values) / learned.unit
        else:
            counts = [
                np.bincount(
                    np.searchsorted(learned.edges, part, side="left"),
                    minlength=learned.edges.size + 1,
                )
                for part in (learned.reference, values)
            ]
            statistic = float((psi if self.kind == "psi" else jensen_shannon)(*counts))
        if values.size not in learned.chance:
            learned.chance[values.size] = self._draw(learned, values.size)
        chance = learned.chance[values.size]
        # rounding must not tell equal distances apart
        reached = int(np.sum(chance >= statistic * (1 - 1e-12)))
        return decide(
            self,
            statistic,
            threshold=float(np.quantile(chance, 1 - self.level, method="higher")),
            p_value=(1 + reached) / (1 + chance.size),
            effect_size=max(0.0, statistic - float(chance.mean())),
        )

    def _draw(self, learned: _Learned, size: int) -> Array:
        # Both sides are drawn anew: the reference is itself a sample, and a window differs from
        # it by the chance of both.
        rng = stage_rng(self.seed, f"drift-{self.kind}-{size}")
        rows = learned.reference.size
        if self.kind == "wasserstein":
            grid, times = np.unique(learned.reference, return_counts=True)
            if grid.size > _GRID:
                at = (np.arange(_GRID) + 0.5) / _GRID
                grid, times = np.unique(np.quantile(learned.reference, at), return_counts=True)
        else:
            cell = np.searchsorted(learned.edges, learned.reference, side="left")
            times = np.bincount(cell, minlength=learned.edges.size + 1)
        shares = times / times.sum()
        first, second = (rng.multinomial(n, shares, size=self.draws) for n in (rows, size))
        if self.kind == "wasserstein":
            gap = np.cumsum(first / rows - second / size, axis=1)[:, :-1]
            away: Array = np.sum(np.abs(gap) * np.diff(grid), axis=1) / learned.unit
            return away
        return (psi if self.kind == "psi" else jensen_shannon)(first, second)
