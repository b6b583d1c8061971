"""Impressions whose examination is known, from a few lines of NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

THETA = np.array([1.0, 0.7, 0.5, 0.35, 0.2])


@dataclass(frozen=True)
class Impressions:
    played: NDArray[np.bool_]
    position: NDArray[Any]
    pair: NDArray[Any]
    user: NDArray[Any]

    def naive(self) -> NDArray[np.float64]:
        """Ratios of play rates, whatever was shown where."""
        shown = np.bincount(self.position)[1:]
        rate = np.bincount(self.position, weights=self.played)[1:] / shown
        return np.asarray(rate / rate[0])


def randomised(
    seed: int, *, n: int = 20_000, users: int = 500, by_user: bool = False
) -> Impressions:
    """Uniform positions, drawn by row or by user; users differ in how much they play."""
    rng = np.random.default_rng(seed)
    user, position = rng.integers(0, users, n), rng.integers(1, THETA.size + 1, n)
    if by_user:
        position = rng.integers(1, THETA.size + 1, users)[user]
    relevance = (rng.beta(0.6, 1.8, users)[user] + rng.beta(2, 6, n)) / 2
    played = rng.random(n) < THETA[position - 1] * relevance
    return Impressions(played, position, np.arange(n), user)


def swaps(
    seed: int,
    *,
    pairs: int = 1_500,
    users: int = 300,
    nested: bool = False,
    taste: float = 0.4,
    most: int = 8,
) -> Impressions:
    """Rankers put good items high, and disagree by one position; 2 to `most` rows a pair."""
    rng = np.random.default_rng(seed)
    relevance = rng.beta(1.5, 6, pairs)
    home = np.clip(np.round(3 - 6 * (relevance - 0.2) + rng.normal(0, 0.7, pairs)), 1, THETA.size)
    pair = np.repeat(np.arange(pairs), rng.integers(2, most + 1, pairs))
    moved = rng.integers(-1, 2, pair.size) * (rng.random(pair.size) < 0.6)
    position = np.clip(home[pair] + moved, 1, THETA.size).astype(np.int64)
    user = pair % users if nested else rng.integers(0, users, pair.size)
    level = np.exp(rng.normal(-(taste**2) / 2, taste, users))[user]
    played = rng.random(pair.size) < THETA[position - 1] * relevance[pair] * level
    return Impressions(played, position, pair, user)
