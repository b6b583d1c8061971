"""Scale and Gen as their authors train them: a linear autoencoder of scores (needs PyTorch).

An item's scores for all users go through a layer of 100, normalised over the batch, and back to
scores for all users; there is no other non-linearity. Layers, steps and schedule are those of Zhu
et al. (2021). The trained map is linear in an item's embedding, and is returned as that.
`causal_ranker.coldstart.scale` and `causal_ranker.coldstart.gen` do better in seconds: this is
what they are held against.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker._extras import require
from causal_ranker.coldstart.mmd import fourier_nodes
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scale import scaling
from causal_ranker.coldstart.scores import FactoredScores, ScoreMap, with_one
from causal_ranker.coldstart.warm import WarmItems
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import RowError
from causal_ranker.seeds import stage_rng

if TYPE_CHECKING:
    import torch

__all__ = [
    "AutoencoderConfig",
    "GenAutoencoderConfig",
    "fit_gen_autoencoder",
    "fit_scale_autoencoder",
]

_SPREAD = 0.01  # of initial weights
_EPSILON = 1e-3  # of batch normalisation
_SLOWEST = 0.0005  # Gen's learning rate falls no further
_SAMPLE = 1000  # generated scores per batch


class AutoencoderConfig(FrozenConfig):
    """Schedule of the autoencoder.

    Parameters
    ----------
    alpha : float
        Strength of Scale.
    width : int
        Width of the layer between.
    epochs : int
        Passes over the warm items.
    batch : int
        Items per step.
    learning_rate : float
        Of gradient descent with momentum .9; it is multiplied by .9 after every second epoch.
    l2 : float
        Penalty of the sum of squared weights.
    score_range : float or None
        Highest minus lowest score that all scores are brought to, so that strengths and rates mean
        the same whatever the unit of scores: by default about the range of those that the authors
        set theirs for. None leaves scores as they are, which is what the authors do.
    """

    alpha: float = Field(default=4.0, ge=0)
    width: int = Field(default=100, ge=1)
    epochs: int = Field(default=100, ge=1)
    batch: int = Field(default=50, ge=2)
    learning_rate: float = Field(default=0.005, gt=0)
    l2: float = Field(default=1e-5, ge=0)
    score_range: float | None = Field(default=1.9, gt=0, allow_inf_nan=False)


class GenAutoencoderConfig(AutoencoderConfig):
    """Schedule of the autoencoder with a generator; `alpha` is the weight of the discrepancy.

    Parameters
    ----------
    alpha : float
        Weight of the discrepancy between scores of audiences and generated scores.
    width, epochs, batch, learning_rate, l2, score_range
        As in `AutoencoderConfig`.
    warm_up : int
        Epochs before the generator is trained, 10 of its own epochs long.
    every : int
        It is trained again, as many of its own epochs, after so many epochs.
    hidden : int
        Width of the generator's two layers.
    """

    alpha: float = Field(default=200.0, ge=0)
    warm_up: int = Field(default=20, ge=1)
    every: int = Field(default=5, ge=1)
    hidden: int = Field(default=50, ge=1)


def fit_scale_autoencoder(
    warm: FactoredScores,
    *,
    audience: Audience,
    config: AutoencoderConfig | None = None,
    seed: int = 0,
) -> ScoreMap:
    """Train the autoencoder from scores to scaled scores.

    Parameters
    ----------
    warm : FactoredScores
        Scores of the warm items.
    audience : Audience
        Their positives, shape (n_users, n_warm).
    config : AutoencoderConfig, optional
        Its schedule.
    seed : int
        Of initial weights and batches.

    Returns
    -------
    ScoreMap
        The trained map, in the unit of the scores that `score_range` makes.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    EmptyError
        If no warm item has an audience.
    RowError
        If training diverges.
    """
    settings = config or AutoencoderConfig()
    trainer = _Trainer(
        warm, audience=audience, config=settings, seed=seed, stage="scale", from_lowest=True
    )
    positive = trainer.normalised(trainer.items.positive_scores(trainer.items.unchanged))
    factors = scaling(trainer.items.means(positive), alpha=settings.alpha)
    torch = trainer.torch
    rate = settings.learning_rate
    for epoch in range(settings.epochs):
        for batch in trainer.batches():
            vectors = trainer.vectors(batch)
            rows, users = trainer.positives(batch)
            target = trainer.scores(vectors)
            weight = torch.from_numpy(factors[batch].astype(np.float32))
            target[rows, users] *= weight[rows]
            trainer.step(trainer.distance(trainer.model(vectors), target), rate=rate)
        if epoch % 2 == 0:
            rate *= 0.9
    return trainer.score_map()


def fit_gen_autoencoder(
    warm: FactoredScores,
    *,
    audience: Audience,
    config: GenAutoencoderConfig | None = None,
    seed: int = 0,
) -> ScoreMap:
    """Train the autoencoder to give each audience the scores that a generator makes of noise.

    The squared discrepancy (`causal_ranker.coldstart.mmd`, by Fourier features, over the whole
    audience rather than a sample of it) pulls those items of a batch whose audience scores them
    below the batch's average; the generator follows the scores of all items.

    Parameters
    ----------
    warm : FactoredScores
        Scores of the warm items.
    audience : Audience
        Their positives, shape (n_users, n_warm).
    config : GenAutoencoderConfig, optional
        Its schedule.
    seed : int
        Of initial weights, batches and noise.

    Returns
    -------
    ScoreMap
        The trained map, in the unit of the scores that `score_range` makes.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    EmptyError
        If no warm item has an audience.
    RowError
        If training diverges.
    """
    settings = config or GenAutoencoderConfig()
    trainer = _Trainer(
        warm, audience=audience, config=settings, seed=seed, stage="gen", from_lowest=False
    )
    generator = _Generator(trainer, hidden=settings.hidden)
    rate = settings.learning_rate
    for epoch in range(settings.epochs):
        since = epoch - settings.warm_up
        if since == 0:
            rate = settings.learning_rate / 2
        if since >= 0 and since % settings.every == 0:
            generator.train(10 if since == 0 else settings.every, rate=rate, alpha=settings.alpha)
        for batch in trainer.batches():
            vectors = trainer.vectors(batch)
            new = trainer.model(vectors)
            loss = trainer.distance(new, trainer.scores(vectors))
            if since >= 0:
                rows, users = trainer.positives(batch)
                loss = loss + settings.alpha * generator.pull(new[rows, users], rows, len(batch))
            trainer.step(loss, rate=rate)
        if epoch % 2 == 0 and rate > _SLOWEST:
            rate *= 0.9
    return trainer.score_map()


class _Trainer:
    """Batches of warm items, the autoencoder, and its steps."""

    def __init__(
        self,
        warm: FactoredScores,
        *,
        audience: Audience,
        config: AutoencoderConfig,
        seed: int,
        stage: str,
        from_lowest: bool,
    ) -> None:
        self.torch: Any = require("torch", extra="coldstart")
        self.items = WarmItems(warm, audience=audience)
        self.rng = stage_rng(seed, f"coldstart/{stage}")
        low, high = self.items.scores.range()
        self._zero = low if from_lowest else 0.0
        self._unit = 1.0
        if config.score_range is not None and high > low:
            self._unit = (high - low) / config.score_range
        self._batch = config.batch
        # Normalised scores are [v, 1] times this.
        users = np.column_stack([warm.users, np.full(warm.shape[0], -self._zero)]) / self._unit
        self._users = self.torch.from_numpy(users.T.astype(np.float32))
        self.model = self.torch.nn.Sequential(
            self._first_layer(users, width=config.width),
            self.torch.nn.BatchNorm1d(config.width, eps=_EPSILON, momentum=0.1),
            self.linear(config.width, warm.shape[0]),
        )
        self._optimizer = self.optimizer(self.model, l2=config.l2)

    def _first_layer(self, users: NDArray[np.float64], *, width: int) -> Any:
        """Make the layer from scores, seen through embeddings.

        Scores are ``x = [v, 1] A'``, so that the layer's ``x W`` is ``[v, 1] G`` with ``G = A' W``.
        A step of ``W`` against its gradient ``A dG`` is one of ``G`` against ``A' A dG``; momentum
        and penalty are linear. It is the same descent, on a few rows instead of one for each user.
        """
        torch = self.torch
        wide = self.linear(len(users), width)
        layer = torch.nn.utils.skip_init(torch.nn.Linear, users.shape[1], width)
        step = torch.from_numpy((users.T @ users).astype(np.float32))
        with torch.no_grad():
            layer.weight.copy_(wide.weight @ self._users.T)
            layer.bias.copy_(wide.bias)
        layer.weight.register_hook(lambda gradient: gradient @ step)
        return layer

    def linear(self, inner: int, outer: int) -> Any:
        """Make a layer with weights from a normal distribution that is cut at two deviations."""
        layer = self.torch.nn.utils.skip_init(self.torch.nn.Linear, inner, outer)
        drawn = self.rng.standard_normal((outer, inner), dtype=np.float32)
        while (far := np.abs(drawn) > 2).any():
            drawn[far] = self.rng.standard_normal(int(far.sum()), dtype=np.float32)
        with self.torch.no_grad():
            layer.weight.copy_(self.torch.from_numpy(drawn * np.float32(_SPREAD)))
            layer.bias.zero_()
        return layer

    def optimizer(self, model: Any, *, l2: float) -> Any:
        """Gradient descent with momentum; batch normalisation is not penalised."""
        nn = self.torch.nn
        layers = [part for part in model.modules() if isinstance(part, nn.Linear)]
        norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm1d)]
        groups = [
            # the gradient of l2 * w^2 is 2 * l2 * w
            {"params": [p for part in layers for p in part.parameters()], "weight_decay": 2 * l2},
            {"params": [p for part in norms for p in part.parameters()], "weight_decay": 0.0},
        ]
        return self.torch.optim.SGD(groups, lr=1.0, momentum=0.9)

    def normalised(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return (scores - self._zero) / self._unit

    def batches(self) -> list[NDArray[np.int64]]:
        order = self.rng.permutation(len(self.items.sizes))
        parts = [order[at : at + self._batch] for at in range(0, len(order), self._batch)]
        # One item alone has no variance to be normalised by: it joins the batch before.
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [np.concatenate(parts[-2:])]
        return parts

    def vectors(self, batch: NDArray[np.int64]) -> torch.Tensor:
        """Return embeddings and a one behind them, which the first layer reads."""
        vectors: torch.Tensor = self.torch.from_numpy(with_one(self.items.scores.items[batch]))
        return vectors

    def scores(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return normalised scores, shape (n_batch, n_users)."""
        scores: torch.Tensor = vectors @ self._users
        return scores

    def positives(self, batch: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return places of the batch's positives: rows within it, and users."""
        ends, sizes = self.items.ends, self.items.sizes[batch]
        rows = np.repeat(np.arange(len(batch)), sizes)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        users = self.items.users[ends[batch][rows] + within]
        return self.torch.from_numpy(rows), self.torch.from_numpy(users)

    def distance(self, new: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean over items of the Euclidean distance."""
        norms: torch.Tensor = self.torch.linalg.vector_norm(new - target, dim=1)
        return norms.mean()

    def step(self, loss: torch.Tensor, *, rate: float) -> None:
        self.descend(self._optimizer, loss, rate=rate)

    def descend(self, optimizer: Any, loss: torch.Tensor, *, rate: float) -> None:
        if not bool(self.torch.isfinite(loss)):
            raise RowError(
                expected="a finite loss",
                came="a loss that is not: training diverged",
                do="Lower the learning rate, or alpha.",
            )
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def score_map(self) -> ScoreMap:
        """Write the trained network as one map of ``[v, 1]``."""
        first, norm, last = self.model
        arrays = {
            name: value.detach().numpy().astype(np.float64)
            for name, value in {
                "in": first.weight.T,
                "in_bias": first.bias,
                "mean": norm.running_mean,
                "variance": norm.running_var,
                "gain": norm.weight,
                "shift": norm.bias,
                "out": last.weight.T,
                "out_bias": last.bias,
            }.items()
        }
        gain = arrays["gain"] / np.sqrt(arrays["variance"] + _EPSILON)
        inner = arrays["in"] * gain
        inner[-1] += (arrays["in_bias"] - arrays["mean"]) * gain + arrays["shift"]
        weights = inner @ arrays["out"]
        weights[-1] += arrays["out_bias"]
        return ScoreMap(weights)


class _Generator:
    """A network that makes ideal positive scores of noise."""

    def __init__(self, trainer: _Trainer, *, hidden: int) -> None:
        self._trainer = trainer
        torch = self._torch = trainer.torch
        sizes = (1, hidden, hidden)
        layers: list[Any] = []
        for inner, outer in pairwise(sizes):
            norm = torch.nn.BatchNorm1d(outer, eps=_EPSILON, momentum=0.1)
            layers += [trainer.linear(inner, outer), norm, torch.nn.ReLU()]
        self._model = torch.nn.Sequential(*layers, trainer.linear(hidden, 1))
        self._optimizer = trainer.optimizer(self._model, l2=0.0)
        positive = trainer.normalised(trainer.items.positive_scores(trainer.items.unchanged))
        frequencies, amplitudes = fourier_nodes(reach=float(np.ptp(positive)))
        self._frequencies = torch.from_numpy(frequencies.astype(np.float32))
        self._amplitudes = torch.from_numpy(amplitudes.astype(np.float32))

    def _features(self, scores: torch.Tensor) -> torch.Tensor:
        angles = scores[:, None] * self._frequencies
        parts = (angles.cos() * self._amplitudes, angles.sin() * self._amplitudes)
        features: torch.Tensor = self._torch.cat(parts, dim=1)
        return features

    def _of_items(self, scores: torch.Tensor, rows: torch.Tensor, count: int) -> torch.Tensor:
        """Mean features of the audience of each item, shape (count, n_features)."""
        features = self._features(scores)
        summed = self._torch.zeros(count, features.shape[1]).index_add(0, rows, features)
        means: torch.Tensor = summed / self._torch.bincount(rows, minlength=count)[:, None]
        return means

    def _generated(self) -> torch.Tensor:
        noise = self._trainer.rng.standard_normal((_SAMPLE, 1), dtype=np.float32)
        made = self._features(self._model(self._torch.from_numpy(noise))[:, 0])
        return made.mean(dim=0)

    def train(self, epochs: int, *, rate: float, alpha: float) -> None:
        """Follow the scores that the autoencoder, which stands still here, gives to audiences."""
        trainer = self._trainer
        means = self._torch.empty(len(trainer.items.sizes), 2 * len(self._frequencies))
        with self._torch.no_grad():
            for batch in trainer.batches():
                rows, users = trainer.positives(batch)
                new = trainer.model(trainer.vectors(batch))
                means[batch] = self._of_items(new[rows, users], rows, len(batch))
        for _ in range(epochs):
            for batch in trainer.batches():
                apart = (means[batch] - self._generated()).square().sum(dim=1)
                trainer.descend(self._optimizer, alpha * apart.mean(), rate=rate)

    def pull(self, scores: torch.Tensor, rows: torch.Tensor, count: int) -> torch.Tensor:
        """Mean discrepancy of the items that their audience scores below the average."""
        with self._torch.no_grad():
            generated = self._generated()
            sizes = self._torch.bincount(rows, minlength=count)
            means = self._torch.zeros(count).index_add(0, rows, scores) / sizes
            low = means <= means.mean()
        apart = (self._of_items(scores, rows, count) - generated).square().sum(dim=1)
        return apart[low].mean()
