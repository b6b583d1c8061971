"""Thresholds from permuting who is reference and who is window: exact, whatever the statistic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array

__all__ = ["PermutedConfig"]

_LEAST_DRAWS: Final = 199
_LABELS_AT_ONCE: Final = 2**23
# Two orders of one sum differ by rounding, and a tie must stay one.
_ROUNDING: Final = 1e-12


class PermutedConfig(DetectorConfig):
    """Settings of a detector whose threshold is learned by permuting rows.

    Without drift the rows of reference and window could change places, so the statistic is as
    likely to lie anywhere among those of the permuted rows: the rate of false alarms is the level
    itself on windows of any size (Pitman, 1937).

    Parameters
    ----------
    level : float
        Rate of false alarms, at least .0001: 199 permutations at 5 %, 1 / level - 1 below .005.
    least_effect : float
        Smallest effect size that matters.
    most_rows : int
        Rows of the reference, and of a window, that are looked at; of more, so many are drawn.
    seed : int
        Decides the draws.
    """

    level: Annotated[float, Field(ge=1e-4, lt=1)] = 0.05
    most_rows: Annotated[int, Field(ge=100)] = 10_000
    seed: Annotated[int, Field(ge=0)] = 0

    def _labels(self, reference: int, window: int) -> Iterator[NDArray[np.bool_]]:
        # True is the window; a block of permutations at a time, as memory is bounded.
        rng = stage_rng(self.seed, "drift-permuted")
        mark = np.arange(reference + window) >= reference
        left = max(_LEAST_DRAWS, math.ceil(1 / self.level) - 1)
        block = max(1, _LABELS_AT_ONCE // mark.size)
        while left:
            rows = min(left, block)
            yield rng.permuted(np.tile(mark, (rows, 1)), axis=1)
            left -= rows

    def _judge(self, statistic: float, chance: Array, *, effect_size: float) -> Decision:
        as_large = int(np.sum(chance >= statistic - _ROUNDING))
        allowed = math.floor(self.level * (1 + chance.size) + 1e-9) - 1
        return decide(
            self,
            statistic,
            threshold=float(np.sort(chance)[chance.size - 1 - allowed]) + _ROUNDING,
            p_value=(1 + as_large) / (1 + chance.size),
            effect_size=effect_size,
        )
