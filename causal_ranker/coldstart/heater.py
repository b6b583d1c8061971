"""Heater (Zhu et al., SIGIR 2020): cold embeddings by a mixture of experts, trained end to end.

Experts guess an item's embedding from its content. For a random half of a batch the guess stands in
for the embedding (randomised training), always for cold items, and a loss keeps the guess near the
embedding. Both sides then pass a tower, so that users are transformed, too.
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
from causal_ranker.coldstart.training import (
    DescentConfig,
    descend,
    in_batches,
    sampled_pairs,
    validation_ndcg,
)

__all__ = ["Heater", "HeaterConfig", "HeaterNet"]

Batch = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]


class HeaterConfig(ColdStartConfig):
    """Settings of Heater; the defaults are the authors' but for the length of an epoch.

    Parameters
    ----------
    experts : int
        Members of the mixture.
    hidden, width : int
        Units of the towers' hidden layers, and of the embeddings that are learned.
    replaced : float
        Share of a batch whose item embeddings are replaced by the experts' guess.
    negatives : int
        Items drawn for each positive.
    similarity : float
        Weight alpha of the distance between guess and embedding.
    l2 : float
        Weight lambda of the squares of all weights (not of intercepts).
    descent : DescentConfig
        How it is trained; `batch` counts pairs, positives and negatives.
    without_content : {"raise", "mean"}
        As in `ColdStartConfig`.
    seed : int
        As there.
    """

    experts: int = Field(default=5, ge=1)
    hidden: int = Field(default=200, ge=1)
    width: int = Field(default=100, ge=1)
    replaced: float = Field(default=0.5, ge=0, le=1)
    negatives: int = Field(default=5, ge=1)
    similarity: float = Field(default=1e-4, ge=0, allow_inf_nan=False)
    l2: float = Field(default=1e-4, ge=0, allow_inf_nan=False)
    descent: DescentConfig = DescentConfig()


class Heater(ColdStartModel[HeaterConfig]):
    """Experts that guess embeddings from content, and towers that make scores of them.

    ``f(c) = tanh(sum_k tanh(g_k(c)) tanh(E_k c))``; the loss of a batch is the mean of
    ``(y - y_ui)^2`` plus ``alpha sum |f(c_i) - v_i|^2 + lambda |W|^2``.

    """

    settings = HeaterConfig

    @property
    def expert_use_(self) -> NDArray[np.float32]:
        """Each expert's share of the mixture's weight, ``|tanh(g_k(c))|`` over warm items.

        Shape (experts,); it sums to 1.
        """
        return self._fitted()["expert_use"]

    def _learn(self, training: Training) -> State:
        config = self._config
        content, size = scaled(training.content)
        people, vectors = standardised(training.users), standardised(training.items)
        net = HeaterNet(people, vectors, content, config=config)

        def batches(rng: np.random.Generator) -> Iterator[Batch]:
            who, what, target = sampled_pairs(
                training.interactions,
                negatives=config.negatives,
                rows=config.descent.rows_per_epoch,
                rng=rng,
            )
            for rows in in_batches(np.arange(len(who)), config.descent.batch):
                guessed = rng.permutation(len(rows)) < round(config.replaced * len(rows))
                yield who[rows], what[rows], target[rows], guessed

        def read() -> State:
            found = net.read(size)
            found["expert_use"] = _use(training.content, found)
            return found

        return descend(
            net.loss,
            parameters=net.parameters(),
            batches=batches,
            read=read,
            judge=validation_ndcg(training, self._embed),
            config=config.descent,
            seed=config.seed,
            progress="Heater" if self.progress else None,
        )

    def _embed(self, content: NDArray[np.float32], *, state: State) -> NDArray[np.float32]:
        gates = np.tanh(content @ state["gate"] + state["gate_bias"])
        guesses = np.tanh(content @ state["experts"] + state["experts_bias"])
        guesses = guesses.reshape(len(content), gates.shape[1], -1)
        guess = np.tanh(np.einsum("ik,ikd->id", gates, guesses))
        return forward(guess, state=state, name="item")


class HeaterNet:
    """The trained parts of Heater, in PyTorch.

    Parameters
    ----------
    users, items, content : numpy.ndarray
        Standardised embeddings, shapes (n_users, width) and (n_warm, width), and scaled content,
        shape (n_warm, n_content).
    config : HeaterConfig
        Settings.
    """

    def __init__(
        self,
        users: NDArray[np.floating],
        items: NDArray[np.floating],
        content: NDArray[np.floating],
        *,
        config: HeaterConfig,
    ) -> None:
        torch = require("torch", extra="coldstart")
        self._torch, self._config, self._people = torch, config, users
        self._users, self._items = torch.from_numpy(users), torch.from_numpy(items)
        self._content = torch.from_numpy(content)
        width, described = items.shape[1], content.shape[1]
        with seeded(config.seed):
            self.gate = torch.nn.Linear(described, config.experts)
            self.experts = torch.nn.Linear(described, config.experts * width)
            self.user_net = tower(width, config.hidden, outputs=config.width)
            self.item_net = tower(width, config.hidden, outputs=config.width)

    def parameters(self) -> list[Any]:
        """List what is trained.

        Returns
        -------
        list of torch.nn.Parameter
            Of the gate, the experts and both towers.
        """
        parts = (self.gate, self.experts, self.user_net, self.item_net)
        return [parameter for part in parts for parameter in part.parameters()]

    def guess(self, items: NDArray[np.int64]) -> Any:
        """Guess the embeddings of warm items from their content.

        Parameters
        ----------
        items : numpy.ndarray
            Shape (n_asked,): positions.

        Returns
        -------
        torch.Tensor
            Shape (n_asked, width).
        """
        content = self._content[items]
        gates = self._torch.tanh(self.gate(content))
        guesses = self._torch.tanh(self.experts(content)).view(len(items), gates.shape[1], -1)
        return self._torch.tanh((gates.unsqueeze(2) * guesses).sum(dim=1))

    def loss(self, batch: Batch) -> Any:
        """Compute the loss of a batch.

        Parameters
        ----------
        batch : tuple of numpy.ndarray
            Users, items, target (1 or 0), and whether the guess replaces the embedding; each of
            shape (n_pairs,).

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        torch, config = self._torch, self._config
        who, what, target, guessed = batch
        known, guess = self._items[what], self.guess(what)
        mixed = torch.where(torch.from_numpy(guessed[:, None]), guess, known)
        score = (self.user_net(self._users[who]) * self.item_net(mixed)).sum(dim=1)
        error = torch.square(score - torch.from_numpy(target)).mean()
        apart = torch.square(guess - known).sum()
        weights = sum(torch.square(part).sum() for part in self._weights())
        return error + config.similarity * apart + config.l2 * weights

    def _weights(self) -> list[Any]:
        towers = [net[place] for net in (self.user_net, self.item_net) for place in (0, 3)]
        return [layer.weight for layer in (self.gate, self.experts, *towers)]

    def read(self, size: float) -> State:
        """Read all as arrays.

        Parameters
        ----------
        size : float
            What content was divided by.

        Returns
        -------
        dict of str to numpy.ndarray
            Gate, experts and the items' tower; ``users`` went through theirs.
        """
        found = read_tower(self.item_net, name="item")
        for name, layer in (("gate", self.gate), ("experts", self.experts)):
            found[name] = layer.weight.detach().numpy().T / np.float32(size)
            found[f"{name}_bias"] = layer.bias.detach().numpy().copy()
        people = read_tower(self.user_net, name="user")
        found["users"] = forward(self._people, state=people, name="user")
        return found


def _use(content: NDArray[np.float32], state: State) -> NDArray[np.float32]:
    weight = np.abs(np.tanh(content @ state["gate"] + state["gate_bias"])).mean(axis=0)
    return np.asarray(weight / weight.sum(), dtype=np.float32)
