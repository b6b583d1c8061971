"""Rankers that every other should beat: by chance, and by how many play an item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.config import FrozenConfig
from causal_ranker.stats.hashing import uniform_stream
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.whole_rows import WholeRowModel

__all__ = ["BaselineConfig", "PopularityRanker", "RandomRanker"]


class BaselineConfig(FrozenConfig):
    """Nothing to set."""


class RandomRanker(WholeRowModel):
    """Scores drawn evenly from 0 to 1, for each pair always the same one.

    Fall-back: users without a pair in training all get the same order.
    """

    _default = BaselineConfig()
    _n_items = 0

    def _learn(self, interactions: Interactions) -> None:
        self._n_items = interactions.n_items

    def _rows(self, user: NDArray[np.int64]) -> NDArray[np.float32]:
        drawn = uniform_stream(user, np.arange(self._n_items), salt=f"random pairs {self._seed}")
        return drawn.astype(np.float32)


class PopularityRanker(WholeRowModel):
    """The same order for everyone: by the share of users who played the item.

    Fall-back: users without a pair in training get it too; an item without one has a share of 0.
    """

    _default = BaselineConfig()
    _share: NDArray[np.float32]

    def _learn(self, interactions: Interactions) -> None:
        plays = np.bincount(interactions.item[interactions.played], minlength=interactions.n_items)
        self._share = (plays / interactions.n_users).astype(np.float32)

    def _rows(self, user: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.broadcast_to(self._share, (user.size, self._share.size))
