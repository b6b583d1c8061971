"""Stochastic gradient descent that stops by validation, and keeps its best epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console

from causal_ranker._extras import require
from causal_ranker.coldstart.metrics import evaluate_embeddings
from causal_ranker.coldstart.model import State, Training
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.reporting.progress import Stages
from causal_ranker.seeds import stage_rng

__all__ = ["DescentConfig", "Embed", "descend", "in_batches", "sampled_pairs", "validation_ndcg"]

_JUDGED_AT = 30


class Embed(Protocol):
    """Embeds items by arrays that a network was read into."""

    def __call__(self, content: NDArray[np.float32], *, state: State) -> NDArray[np.float32]:
        """Embed items.

        Parameters
        ----------
        content : numpy.ndarray
            Shape (n_items, n_content).
        state : dict of str to numpy.ndarray
            The arrays.

        Returns
        -------
        numpy.ndarray
            Shape (n_items, width).
        """
        ...


class DescentConfig(FrozenConfig):
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        At most so many.
    patience : int
        Stop after so many epochs without a better NDCG on validation; without validation items
        all epochs are run, and the last is kept.
    batch : int
        Rows of a step.
    rows_per_epoch : int
        An epoch is at most so many rows, drawn anew, so that validation is looked at often.
    rate : float
        First learning rate.
    momentum : float
        Of the descent.
    decay : float
        Factor of the rate after every `decay_every` epochs.
    decay_every : int
        Epochs.
    """

    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=5, ge=1)
    batch: int = Field(default=1024, ge=2)
    rows_per_epoch: int = Field(default=200_000, ge=2)
    rate: float = Field(default=0.005, gt=0, allow_inf_nan=False)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    decay: float = Field(default=0.8, gt=0, le=1)
    decay_every: int = Field(default=10, ge=1)


def descend(
    loss: Callable[[Any], Any],
    *,
    parameters: Iterable[Any],
    batches: Callable[[np.random.Generator], Iterable[Any]],
    read: Callable[[], State],
    judge: Callable[[State], float] | None,
    config: DescentConfig,
    seed: int,
    progress: str | None,
) -> State:
    """Train a network.

    Parameters
    ----------
    loss : callable
        From a batch to a scalar tensor.
    parameters : iterable of torch.nn.Parameter
        What is trained.
    batches : callable
        Draws the batches of an epoch.
    read : callable
        Reads the network as arrays.
    judge : callable, optional
        From arrays to what is to be large on validation.
    config : DescentConfig
        Settings.
    seed : int
        Decides the draws.
    progress : str or None
        Name of the bar on standard error; no bar if None.

    Returns
    -------
    dict of str to numpy.ndarray
        The arrays of the best epoch, and ``history``, shape (epochs run, 2): mean loss, and
        validation (NaN without).

    Raises
    ------
    ConfigError
        If the loss is no longer finite.
    EmptyError
        If an epoch has no batch.
    """
    torch = require("torch", extra="coldstart")
    optimiser = torch.optim.SGD(list(parameters), lr=config.rate, momentum=config.momentum)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, config.decay_every, gamma=config.decay)
    rng = stage_rng(seed, "batches")
    history: list[tuple[float, float]] = []
    best, best_at, kept = -np.inf, 0, None
    stages = Stages(None if progress is None else Console(stderr=True))
    with stages.stage(progress or "training", total=config.epochs) as advance:
        for epoch in range(config.epochs):
            losses = []
            for batch in batches(rng):
                optimiser.zero_grad()
                value = loss(batch)
                value.backward()
                optimiser.step()
                losses.append(float(value.detach()))
            if not losses:
                raise EmptyError(
                    expected="at least two rows to train on, as batches are normalised",
                    came="fewer",
                    do="Pass more warm items, or take a model that is solved for.",
                )
            mean = float(np.mean(losses))
            if not np.isfinite(mean):
                raise ConfigError(
                    expected="a loss that falls",
                    came=f"a loss of {mean} in epoch {epoch + 1}",
                    do="Take a smaller rate.",
                )
            schedule.step()
            advance()
            if judge is None:
                history.append((mean, np.nan))
                continue
            found = read()
            quality = judge(found)
            history.append((mean, quality))
            if quality > best:
                best, best_at, kept = quality, epoch, found
            elif epoch - best_at >= config.patience:
                break
    return {**(read() if kept is None else kept), "history": np.array(history, dtype=np.float32)}


def validation_ndcg(training: Training, embed: Embed) -> Callable[[State], float] | None:
    """Make the judge of `descend`: NDCG@30 of validation items, ranked against each other.

    Parameters
    ----------
    training : Training
        Holds the validation items.
    embed : Embed
        From content and arrays to item embeddings.

    Returns
    -------
    callable or None
        None where there are no validation items.
    """
    validation = training.validation
    if validation is None:
        return None
    content = np.asarray(validation.content, dtype=np.float32)
    depth = min(_JUDGED_AT, len(content))

    def judge(state: State) -> float:
        metrics = evaluate_embeddings(
            state["users"],
            embed(content, state=state),
            audience=validation.audience,
            lengths=(depth,),
        )
        return metrics.utility[depth].ndcg

    return judge


def in_batches(order: NDArray[np.int64], batch: int) -> Iterator[NDArray[np.int64]]:
    """Cut an order of rows into batches.

    Parameters
    ----------
    order : numpy.ndarray
        Shape (n_rows,).
    batch : int
        Rows of each; what is left over forms a last one, unless it is a single row, of which batch
        normalisation can say nothing.

    Yields
    ------
    numpy.ndarray
        The next rows.
    """
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        if len(rows) > 1:
            yield rows


def sampled_pairs(
    interactions: Audience, *, negatives: int, rows: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Draw positives, and for each some items at random for the same user, in random order.

    A drawn item may be one that the user likes, as in the authors' code: what is rare need not be
    looked for.

    Parameters
    ----------
    interactions : Audience
        Positives.
    negatives : int
        Items drawn for each positive.
    rows : int
        About how many pairs are wanted; each positive comes once at most.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    users, items : numpy.ndarray
        Shape (n_pairs,): positions.
    target : numpy.ndarray
        Shape (n_pairs,): 1 for positives, 0 for what was drawn.
    """
    matrix = interactions.matrix
    count = min(matrix.nnz, max(1, rows // (1 + negatives)))
    chosen = rng.choice(matrix.nnz, size=count, replace=False)
    # The row of the entry at a position of the compressed rows.
    users = np.searchsorted(matrix.indptr, chosen, side="right") - 1
    drawn = rng.integers(matrix.shape[1], size=count * negatives)
    order = rng.permutation(count * (1 + negatives))
    return (
        np.tile(users, 1 + negatives).astype(np.int64)[order],
        np.concatenate([matrix.indices[chosen], drawn]).astype(np.int64)[order],
        np.repeat(np.array([1.0, 0.0], dtype=np.float32), [count, count * negatives])[order],
    )
