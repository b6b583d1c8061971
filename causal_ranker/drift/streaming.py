"""River's detectors of streams, behind our protocol: ADWIN, KSWIN and Page-Hinkley."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, PrivateAttr

from causal_ranker._extras import require
from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.seeds import stage_rng, stage_seed
from causal_ranker.stats._arrays import Array, float_vector
from causal_ranker.stats.distances import kolmogorov_smirnov

__all__ = ["RiverDetector"]

_LEAST_DRAWS: Final = 199
_TOLERATED: Final = 0.005  # Page-Hinkley's delta: drift of the mean per value, in deviations
_KSWIN_WINDOW: Final = 100


class RiverDetector(DetectorConfig):
    """A detector of the library river, which reads the reference and then the window as a stream.

    A window drifted if the library calls a change while it reads the window. There is no p-value:
    the statistic is the number of changes called, the threshold is 0. How sensitive the library
    is follows from `level`, for the whole window:

    - ``"adwin"`` (Bifet and Gavalda, 2007) compares means of adaptive windows; ``delta = level``,
      by a bound, so that false alarms are far rarer than the level.
    - ``"page_hinkley"`` (Page, 1954) sums deviations from the running mean; its threshold is
      learned from streams drawn from the reference, of the window's length.
    - ``"kswin"`` (Raab et al., 2020) tests the last 30 values against a sample of the 70 before
      them, at each value; ``alpha = level / values``, so that false alarms are rarer than the
      level.

    Values are in standard deviations of the reference. The library takes one at a time: of a
    longer stream, values at even distances are read, so many of each side.

    Parameters
    ----------
    level : float
        Rate of false alarms, at least .001.
    least_effect : float
        Smallest effect size that matters: the change of the mean in standard deviations, for
        KSWIN the Kolmogorov-Smirnov distance.
    kind : {"adwin", "kswin", "page_hinkley"}
        The detector.
    most_values : int
        Values of the reference, and of a window, that are read. KSWIN takes about a second for
        the default.
    seed : int
        Decides the draws.
    """

    level: Annotated[float, Field(ge=1e-3, lt=1)] = 0.05
    kind: Literal["adwin", "kswin", "page_hinkley"] = "adwin"
    most_values: Annotated[int, Field(ge=_KSWIN_WINDOW)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0
    _reference: Any = PrivateAttr(default=None)
    _center: float = PrivateAttr(default=0.0)
    _spread: float = PrivateAttr(default=1.0)
    _learned: dict[int, float] = PrivateAttr(default_factory=dict)

    def fit(self, reference: ArrayLike) -> Self:
        """Keep the reference.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Finite numbers, in the order of time.

        Returns
        -------
        RiverDetector
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there is no value, or one is not a finite number.
        MissingExtraError
            If river is not installed.
        """
        require("river.drift", extra="drift")
        values = float_vector(reference, name="reference")
        constant = bool((values == values[0]).all())
        self._center = float(values[0] if constant else values.mean())
        self._spread = (abs(self._center) or 1.0) if constant else float(values.std())
        self._reference = self._in_units(values)
        self._learned = {}
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Read the window after the reference.

        Parameters
        ----------
        window : array_like, shape (m,)
            Finite numbers, in the order of time.

        Returns
        -------
        Decision
            The decision; its p-value is NaN.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            If there is no value, or one is not a finite number.
        """
        reference: Array = fitted(self._reference, detector=self)
        values = self._in_units(float_vector(window, name="window"))
        before, now = (_evenly(part, most=self.most_values) for part in (reference, values))
        if self.kind == "kswin":
            effect = kolmogorov_smirnov(reference, values)
        else:
            effect = float(abs(values.mean() - reference.mean()))
        detector = self._after(before, window=now.size)
        changes = 0
        for value in now.tolist():
            detector.update(value)
            changes += bool(detector.drift_detected)
        return decide(self, changes, threshold=0.0, effect_size=effect)

    def _in_units(self, values: Array) -> Array:
        return (values - self._center) / self._spread

    def _after(self, before: Array, *, window: int) -> Any:
        """Make the library's detector, which has read the reference."""
        drift = require("river.drift", extra="drift")
        if self.kind == "kswin":
            return drift.KSWIN(
                alpha=self.level / window,
                window_size=_KSWIN_WINDOW,
                seed=stage_seed(self.seed, "drift-kswin"),
                window=_evenly(before, most=_KSWIN_WINDOW).tolist(),
            )
        if self.kind == "adwin":
            detector = drift.ADWIN(delta=self.level, clock=1)
        else:
            # No change is called in the reference: a reset would forget its mean.
            detector = drift.PageHinkley(
                min_instances=1, delta=_TOLERATED, threshold=math.inf, alpha=1.0
            )
        for value in before.tolist():
            detector.update(value)
        if self.kind == "page_hinkley":
            detector.threshold = self._threshold(before, window=window)
        return detector

    def _threshold(self, before: Array, *, window: int) -> float:
        # Both sides are drawn anew, as the reference is itself a sample.
        if window not in self._learned:
            rng = stage_rng(self.seed, "drift-page-hinkley")
            draws = max(_LEAST_DRAWS, math.ceil(1 / self.level) - 1)
            streams = rng.choice(before, size=(draws, before.size + window))
            chance = _page_hinkley(streams)[:, before.size :].max(axis=1)
            self._learned[window] = float(np.quantile(chance, 1 - self.level, method="higher"))
        return self._learned[window]


def _evenly(values: Array, *, most: int) -> Array:
    if values.size <= most:
        return values
    return values[np.linspace(0, values.size - 1, most).astype(np.int64)]


def _page_hinkley(streams: Array) -> Array:
    """Page-Hinkley's statistic after each value of each stream, both sides, without forgetting."""
    means = np.cumsum(streams, axis=1) / np.arange(1, streams.shape[1] + 1)
    rise = np.cumsum(streams - means - _TOLERATED, axis=1)
    fall = np.cumsum(streams - means + _TOLERATED, axis=1)
    up: Array = rise - np.minimum.accumulate(rise, axis=1)
    # River starts the largest sum at -1; the first sum is above it.
    down: Array = np.maximum.accumulate(fall, axis=1) - fall
    return np.maximum(up, down)
