"""Maximum mean discrepancy: whether two samples differ in any way a kernel can see."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, PrivateAttr

from causal_ranker.drift.permuted import PermutedConfig
from causal_ranker.drift.protocol import Decision, fitted
from causal_ranker.drift.rows import Units, float_rows, some_rows
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array

__all__ = ["MeanDiscrepancy"]

_PAIRS: Final = 2000


class MeanDiscrepancy(PermutedConfig):
    """Maximum mean discrepancy of a Gaussian kernel (Gretton et al., 2012, JMLR 13).

    The distance of the two samples' means in the kernel's space. The kernel is approximated by
    random Fourier features (Rahimi and Recht, 2007), which makes the cost linear in the rows; the
    permutation test stays exact, as features are drawn blind to who is window. Units and width of
    the kernel (the median distance of two rows) are those of both samples together, for the same
    reason.

    Parameters
    ----------
    level : float
        Rate of false alarms, at least .0001: 199 permutations at 5 %, 1 / level - 1 below .005.
    least_effect : float
        Smallest discrepancy that matters, beyond what chance gives.
    most_rows : int
        Rows of the reference, and of a window, that are looked at; of more, so many are drawn.
    seed : int
        Decides the draws.
    waves : int
        Random Fourier features, half of them cosines and half sines.
    """

    waves: Annotated[int, Field(ge=2, le=10_000, multiple_of=2)] = 256
    _reference: Any = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> Self:
        """Keep the reference, or a sample of it.

        Parameters
        ----------
        reference : array_like, shape (n, n_features)
            Finite numbers, two rows at least.

        Returns
        -------
        MeanDiscrepancy
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the reference is not such a table.
        """
        rows = float_rows(reference, name="reference", least=2)
        rng = stage_rng(self.seed, "drift-discrepancy")
        self._reference = some_rows(rows, most=self.most_rows, rng=rng)
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Compare the means in the kernel's space.

        Parameters
        ----------
        window : array_like, shape (m, n_features)
            Finite numbers, of the reference's features.

        Returns
        -------
        Decision
            The decision; the statistic is the discrepancy, in [0, sqrt(2)], the effect size the
            root of what its square has beyond the mean of permuted rows, or 0.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            If the window is not such a table.
        """
        reference: Array = fitted(self._reference, detector=self)
        rows = float_rows(window, name="window", features=reference.shape[1])
        rng = stage_rng(self.seed, "drift-discrepancy-window")
        rows = some_rows(rows, most=self.most_rows, rng=rng)
        sizes = len(reference), len(rows)
        waves = self._waves(np.concatenate([reference, rows]))
        total = waves.sum(axis=0)

        def apart(inside: Array) -> Array:
            gap = inside / sizes[1] - (total - inside) / sizes[0]
            distance: Array = np.sqrt((gap**2).sum(axis=-1))
            return distance

        statistic = float(apart(waves[sizes[0] :].sum(axis=0)))
        chance = np.concatenate(
            [apart(labels.astype(np.float64) @ waves) for labels in self._labels(*sizes)]
        )
        beyond = statistic**2 - float(np.mean(chance**2))
        return self._judge(statistic, chance, effect_size=float(np.sqrt(max(0.0, beyond))))

    def _waves(self, rows: Array) -> Array:
        rng = stage_rng(self.seed, "drift-waves")
        scaled = Units.of(rows).apply(rows)
        first, second = rng.integers(len(rows), size=(2, _PAIRS))
        apart = np.sqrt(((scaled[first] - scaled[second]) ** 2).sum(axis=1))
        width = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
        half = self.waves // 2
        angles = scaled @ (rng.normal(size=(rows.shape[1], half)) / width)
        waves: Array = np.column_stack([np.cos(angles), np.sin(angles)]) / np.sqrt(half)
        return waves
