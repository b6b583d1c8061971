"""Nearest neighbours in content: a new item is what its likes are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.coldstart.model import ColdStartConfig, ColdStartModel, State, Training
from causal_ranker.coldstart.ranking import rows_at_once
from causal_ranker.errors import ConfigError

__all__ = ["NearestNeighbours", "NearestNeighboursConfig"]


class NearestNeighboursConfig(ColdStartConfig):
    """Settings of nearest neighbours.

    Parameters
    ----------
    neighbours : int
        How many warm items to average; ties go to the earlier warm item.
    without_content : {"raise", "mean"}
        As in `ColdStartConfig`.
    seed : int
        As there.
    """

    neighbours: int = Field(default=20, ge=1)


class NearestNeighbours(ColdStartModel[NearestNeighboursConfig]):
    """The mean embedding of the warm items whose content is nearest, by cosine."""

    settings = NearestNeighboursConfig

    def _learn(self, training: Training) -> State:
        if self._config.neighbours > len(training.items):
            raise ConfigError(
                expected=f"neighbours from 1 to {len(training.items)}, the number of warm items",
                came=str(self._config.neighbours),
                do="Ask for fewer neighbours.",
            )
        return {
            "users": training.users,
            "vectors": training.items,
            "content": _directions(training.content),
        }

    def _embed(self, content: NDArray[np.float32], *, state: State) -> NDArray[np.float32]:
        wanted, known = _directions(content), state["content"]
        parts, step = [], rows_at_once(len(known))
        for start in range(0, len(wanted), step):
            likeness = wanted[start : start + step] @ known.T
            nearest = np.argsort(-likeness, axis=1, kind="stable")[:, : self._config.neighbours]
            parts.append(state["vectors"][nearest].mean(axis=1, dtype=np.float64))
        return np.concatenate(parts).astype(np.float32)


def _directions(content: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(content, axis=1, keepdims=True)
    return np.asarray(content / lengths, dtype=np.float32)
