"""DeepMusic (van den Oord et al., NIPS 2013): embeddings regressed on content.

`DeepMusicRidge` is the linear form, in closed form; `DeepMusic` is the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker._extras import require
from causal_ranker.coldstart.layers import forward, read_tower, scaled, seeded, tower
from causal_ranker.coldstart.model import ColdStartConfig, ColdStartModel, State, Training
from causal_ranker.coldstart.training import (
    DescentConfig,
    descend,
    in_batches,
    validation_ndcg,
)

__all__ = ["DeepMusic", "DeepMusicConfig", "DeepMusicRidge", "DeepMusicRidgeConfig"]


class DeepMusicRidgeConfig(ColdStartConfig):
    """Settings of the linear form.

    Parameters
    ----------
    l2 : float
        Penalty, above 0.
    without_content : {"raise", "mean"}
        As in `ColdStartConfig`.
    seed : int
        As there.
    """

    l2: float = Field(default=10.0, gt=0, allow_inf_nan=False)


class DeepMusicRidge(ColdStartModel[DeepMusicRidgeConfig]):
    """Embeddings regressed on content by ridge.

    ``min_W sum_i |v_i - W c_i - b|^2 + l2 |W|^2``; the intercept b is not penalised.
    """

    settings = DeepMusicRidgeConfig

    def _learn(self, training: Training) -> State:
        content, vectors = training.content.astype(np.float64), training.items.astype(np.float64)
        center, mean = content.mean(axis=0), vectors.mean(axis=0)
        centered = content - center
        gram = centered.T @ centered + self._config.l2 * np.eye(centered.shape[1])
        weights = np.linalg.solve(gram, centered.T @ (vectors - mean))
        return {
            "users": training.users,
            "weights": weights.astype(np.float32),
            "intercept": (mean - center @ weights).astype(np.float32),
        }

    def _embed(self, content: NDArray[np.float32], *, state: State) -> NDArray[np.float32]:
        return content @ state["weights"] + state["intercept"]


class DeepMusicConfig(ColdStartConfig):
    """Settings of the network.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer.
    descent : DescentConfig
        How it is trained.
    without_content : {"raise", "mean"}
        As in `ColdStartConfig`.
    seed : int
        As there.
    """

    hidden: int = Field(default=200, ge=1)
    descent: DescentConfig = DescentConfig(batch=256, rate=0.05, epochs=60, patience=10)


class DeepMusic(ColdStartModel[DeepMusicConfig]):
    """A network from content to embedding, by squared error; PyTorch trains it."""

    settings = DeepMusicConfig

    def _learn(self, training: Training) -> State:
        torch = require("torch", extra="coldstart")
        config = self._config
        content, size = scaled(training.content)
        target, length = scaled(training.items)
        inputs, wanted = torch.from_numpy(content), torch.from_numpy(target)
        with seeded(config.seed):
            net = tower(inputs.shape[1], config.hidden, outputs=wanted.shape[1])

        def batches(rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
            return in_batches(rng.permutation(len(content)), config.descent.batch)

        def loss(rows: NDArray[np.int64]) -> Any:
            return torch.square(net(inputs[rows]) - wanted[rows]).mean()

        def read() -> State:
            found = read_tower(net, name="content", inputs=1 / size, outputs=length)
            return {**found, "users": training.users}

        return descend(
            loss,
            parameters=net.parameters(),
            batches=batches,
            read=read,
            judge=validation_ndcg(training, self._embed),
            config=config.descent,
            seed=config.seed,
            progress="DeepMusic" if self.progress else None,
        )

    def _embed(self, content: NDArray[np.float32], *, state: State) -> NDArray[np.float32]:
        return forward(content, state=state, name="content")
