"""Detectors of drift in one variable, behind one protocol.

`fit` reads a reference, `predict` judges a window. A p-value says whether the two differ by more
than chance; on a large window everything does, so the effect size decides whether it matters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.errors import EmptyError
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array, float_vector
from causal_ranker.stats.distances import (
    chi_squared,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    wasserstein,
)

__all__ = ["ChiSquared", "KolmogorovSmirnov", "LearnedDistance"]

_BINS: Final = 20
_DRAWS: Final = 399


class KolmogorovSmirnov(DetectorConfig):
    """Kolmogorov-Smirnov test of numbers; its effect size is the statistic, in [0, 1].

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest distance that matters.
    """

    _reference: Any = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> Self:
        """Keep the reference.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Numbers, none missing.

        Returns
        -------
        KolmogorovSmirnov
            Itself.
        """
        self._reference = np.sort(float_vector(reference, name="reference", finite=False))
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Compare the distribution functions; the p-value is the asymptotic one.

        Parameters
        ----------
        window : array_like, shape (m,)
            Numbers, none missing.

        Returns
        -------
        Decision
            The decision.
        """
        from scipy.stats import kstwobign

        reference = fitted(self._reference, detector=self)
        values = float_vector(window, name="window", finite=False)
        distance = kolmogorov_smirnov(reference, values)
        root = np.sqrt(reference.size * values.size / (reference.size + values.size))
        p_value = float(kstwobign.sf(root * distance))
        threshold = float(kstwobign.isf(self.level)) / root
        return decide(self, distance, threshold=threshold, p_value=p_value, effect_size=distance)


class ChiSquared(DetectorConfig):
    """Chi-squared test of categories; its effect size is Cramér's V, in [0, 1].

    A category that the reference does not have is a cell of its own.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest V that matters.
    """

    _reference: Any = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> Self:
        """Count the reference's categories.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Categories of one type.

        Returns
        -------
        ChiSquared
            Itself.
        """
        self._reference = _labels(reference)
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Compare the shares of categories.

        Parameters
        ----------
        window : array_like, shape (m,)
            Categories.

        Returns
        -------
        Decision
            The decision; with a single category left there is nothing to tell apart: statistic
            0 and p-value 1.
        """
        from scipy.stats import chi2

        reference, values = fitted(self._reference, detector=self), _labels(window)
        _, codes = np.unique(np.concatenate([reference, values]), return_inverse=True)
        cells = int(codes.max()) + 1
        counts = [
            np.bincount(part, minlength=cells)
            for part in (codes[: reference.size], codes[reference.size :])
        ]
        statistic, freedom = chi_squared(*counts)
        if freedom == 0:
            return Decision(0.0, 0.0, 1.0, 0.0, False)
        threshold = float(chi2.isf(self.level, freedom))
        effect = float(np.sqrt(statistic / codes.size))
        p_value = float(chi2.sf(statistic, freedom))
        return decide(self, statistic, threshold=threshold, p_value=p_value, effect_size=effect)


class LearnedDistance(DetectorConfig):
    """A distance of numbers whose threshold is learned from the reference itself.

    Windows of the asked size are drawn from the reference (with replacement) and compared with a
    reference of the same size: the distances that chance alone gives. Folklore thresholds fit no
    size of window: a PSI of 0.1 is never reached by a shift of 0.2 standard deviations, however
    many rows show it.

    Parameters
    ----------
    kind : {"psi", "jensen_shannon", "wasserstein"}
        Population stability and Jensen-Shannon are taken over 20 quantile bins of the reference,
        Wasserstein in standard deviations of the reference.
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest distance that matters, beyond the mean distance of windows without drift.
    seed : int
        Decides the draws.
    """

    kind: Literal["psi", "jensen_shannon", "wasserstein"] = "psi"
    seed: int = 0
    _reference: Any = PrivateAttr(default=None)
    _edges: Any = PrivateAttr(default=None)
    _unit: float = PrivateAttr(default=1.0)
    _chance: dict[int, Array] = PrivateAttr(default_factory=dict)

    def fit(self, reference: ArrayLike) -> Self:
        """Keep the reference and its quantile bins.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Finite numbers.

        Returns
        -------
        LearnedDistance
            Itself.
        """
        self._reference = float_vector(reference, name="reference")
        inner = np.quantile(self._reference, np.linspace(0, 1, _BINS + 1)[1:-1])
        self._edges = np.unique(inner)
        spread = float(self._reference.std())
        self._unit = spread if spread > 0 else 1.0  # a constant reference: in its own unit
        self._chance = {}
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
            The decision; the p-value has the resolution of 399 draws, 1/400.
        """
        reference = fitted(self._reference, detector=self)
        values = float_vector(window, name="window")
        statistic = self._distance(reference, values)
        if values.size not in self._chance:
            self._chance[values.size] = self._draw(values.size)
        chance = self._chance[values.size]
        p_value = (1 + int(np.sum(chance >= statistic))) / (1 + chance.size)
        threshold = float(np.quantile(chance, 1 - self.level))
        effect = max(0.0, statistic - float(chance.mean()))
        return decide(self, statistic, threshold=threshold, p_value=p_value, effect_size=effect)

    def _draw(self, size: int) -> Array:
        # Both sides are drawn anew: the reference is itself a sample, and a window differs from
        # it by the chance of both.
        rng = stage_rng(self.seed, f"drift-{self.kind}-{size}")
        reference = self._reference
        return np.array(
            [
                self._distance(
                    rng.choice(reference, size=reference.size), rng.choice(reference, size=size)
                )
                for _ in range(_DRAWS)
            ]
        )

    def _distance(self, first: Array, second: Array) -> float:
        if self.kind == "wasserstein":
            return wasserstein(first, second) / self._unit
        cells = len(self._edges) + 1
        counts = [
            np.bincount(np.searchsorted(self._edges, part, side="left"), minlength=cells)
            for part in (first, second)
        ]
        distance: Callable[[ArrayLike, ArrayLike], float] = (
            population_stability if self.kind == "psi" else jensen_shannon
        )
        return distance(*counts)


def _labels(values: ArrayLike) -> NDArray[Any]:
    labels = np.asarray(values)
    if labels.size == 0:
        raise EmptyError(
            expected="at least one category", came="none", do="Check the filters that ran before."
        )
    return labels.astype(str) if labels.dtype.kind == "O" else labels
