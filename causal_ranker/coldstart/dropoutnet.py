"""DropoutNet (Volkovs, Yu and Poutanen, NIPS 2017): made robust by taking embeddings away.

The items' tower reads embedding and content, and the embedding is zeroed for a part of each batch:
it learns to do without. The scores of the factorisation are the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker._extras import require
from causal_ranker.coldstart.layers import (
    forward,
    read_tower,
    scaled,
    seeded,
    standardised,
    tower,
)
from causal_ranker.coldstart.model import ColdStartConfig, ColdStartModel, State, Training
from causal_ranker.coldstart.ranking import rows_at_once
from causal_ranker.coldstart.training import (
    DescentConfig,
    descend,
    in_batches,
    validation_ndcg,
)

__all__ = ["DropoutNet", "DropoutNetConfig"]

Batch = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]


class DropoutNetConfig(ColdStartConfig):
    """Settings of DropoutNet.

    Parameters
    ----------
    hidden, width : int
        Units of the hidden layers, and of the embeddings that are learned.
    dropped : float
        Share of a batch whose item embeddings are zeroed.
    top : int
        Each user's pairs are drawn from so many items with the highest scores, and as often from
        all items.
    descent : DescentConfig
        How it is trained.
    without_content : {"raise", "mean"}
        As in `ColdStartConfig`.
    seed : int
        As there.
    """

    hidden: int = Field(default=200, ge=1)
    width: int = Field(default=64, ge=1)
    dropped: float = Field(default=0.5, ge=0, le=1)
    top: int = Field(default=100, ge=1)
    descent: DescentConfig = DescentConfig(rate=0.02)


class DropoutNet(ColdStartModel[DropoutNetConfig]):
    """Two towers that imitate a factorisation's scores, also where an item's embedding is lacking.

    With ``y_ui = u'v`` standardised, the loss is the mean of ``(g(u)'h([v, c]) - y_ui)^2`` over
    items that score high for the user and items at random.
    """

    settings = DropoutNetConfig

    def _learn(self, training: Training) -> State:
        torch = require("torch", extra="coldstart")
        config = self._config
        content, size = scaled(training.content)
        people, vectors = standardised(training.users), standardised(training.items)
        width = vectors.shape[1]
        best = _highest(training.users, training.items, count=config.top)
        target = _Standardised(training.users, training.items)
        users, known = torch.from_numpy(people), torch.from_numpy(vectors)
        described = torch.from_numpy(content)
        with seeded(config.seed):
            user_net = tower(width, config.hidden, outputs=config.width)
            item_net = tower(width + content.shape[1], config.hidden, outputs=config.width)

        def batches(rng: np.random.Generator) -> Iterator[Batch]:
            count = config.descent.rows_per_epoch // 2
            who = np.tile(rng.integers(len(people), size=count), 2)
            high = best[who[:count], rng.integers(best.shape[1], size=count)]
            what = np.concatenate([high, rng.integers(len(vectors), size=count)])
            for rows in in_batches(rng.permutation(2 * count), config.descent.batch):
                kept = rng.permutation(len(rows)) >= round(config.dropped * len(rows))
                yield who[rows], what[rows], kept

        def loss(batch: Batch) -> Any:
            who, what, kept = batch
            given = known[what] * torch.from_numpy(kept[:, None].astype(np.float32))
            left = user_net(users[who])
            right = item_net(torch.cat([given, described[what]], dim=1))
            wanted = torch.from_numpy(target(who, what))
            return torch.square((left * right).sum(dim=1) - wanted).mean()

        def read() -> State:
            found = read_tower(item_net, name="item")
            # A cold item's embedding is 0: its rows of the first layer are never read again.
            found["item_dense"] = found["item_dense"][width:] / np.float32(size)
            people_net = read_tower(user_net, name="user")
            return {**found, "users": forward(people, state=people_net, name="user")}

        return descend(
            loss,
            parameters=[*user_net.parameters(), *item_net.parameters()],
            batches=batches,
            read=read,
            judge=validation_ndcg(training, self._embed),
            config=config.descent,
            seed=config.seed,
            progress="DropoutNet" if self.progress else None,
        )

    def _embed(self, content: NDArray[np.float32], *, state: State) -> NDArray[np.float32]:
        return forward(content, state=state, name="item")


class _Standardised:
    """Scores of a factorisation with mean 0 and standard deviation 1 over all pairs."""

    def __init__(self, users: NDArray[np.float32], items: NDArray[np.float32]) -> None:
        self._users, self._items = users, items
        # Mean and mean square of all products, without the products.
        left, right = users.astype(np.float64), items.astype(np.float64)
        mean = float(left.mean(axis=0) @ right.mean(axis=0))
        square = float(np.sum((left.T @ left / len(left)) * (right.T @ right / len(right))))
        self._mean = np.float32(mean)
        self._spread = np.float32(np.sqrt(max(square - mean**2, 0.0)) or 1.0)

    def __call__(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
        product = np.einsum("ij,ij->i", self._users[users], self._items[items])
        return np.asarray((product - self._mean) / self._spread, dtype=np.float32)


def _highest(
    users: NDArray[np.float32], items: NDArray[np.float32], *, count: int
) -> NDArray[np.int64]:
    """Find each user's items with the highest scores, shape (n_users, count), in no order."""
    count, step = min(count, len(items)), rows_at_once(len(items))
    parts = [
        np.argpartition(-(users[start : start + step] @ items.T), count - 1, axis=1)[:, :count]
        for start in range(0, len(users), step)
    ]
    return np.concatenate(parts)
