"""A world whose effect is of low rank, and has nothing to do with what people like."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense

USERS, ITEMS = 600, 200


@dataclass(frozen=True)
class Planted:
    effect: NDArray[np.float64]
    train: Interactions
    validation: Interactions

    def correlation(self, scores: NDArray[Any]) -> float:
        """Mean over users of the correlation between scores and true effects."""
        s = scores - scores.mean(axis=1, keepdims=True)
        e = self.effect - self.effect.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(s, axis=1) * np.linalg.norm(e, axis=1)
        return float(((s * e).sum(axis=1) / norms).mean())


@cache
def planted(seed: int) -> Planted:
    """Liking (rank 2) moves plays more than the effect (rank 2) does, and exposure a little."""
    rng = np.random.default_rng(seed)

    def low_rank() -> NDArray[np.float64]:
        product = rng.normal(size=(USERS, 2)) @ rng.normal(size=(2, ITEMS))
        return np.tanh(1.5 / np.sqrt(2) * product)

    liking, wanted = low_rank(), low_rank()
    unshown = 0.4 + 0.3 * liking
    effect = np.clip(0.35 * wanted, 0.02 - unshown, 0.98 - unshown)
    propensity = 0.5 + 0.15 * liking

    def draw() -> Interactions:
        shown = rng.random((USERS, ITEMS)) < propensity
        played = rng.random((USERS, ITEMS)) < unshown + effect * shown
        return from_dense(shown, played, propensity=propensity)

    return Planted(effect, draw(), draw())
