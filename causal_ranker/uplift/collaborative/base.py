"""The door to every collaborative ranker, and the loop of those that learn factors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, NotFittedError
from causal_ranker.reporting.progress import Stages
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.collaborative.codes import Seen, checked_codes
from causal_ranker.uplift.collaborative.early import EarlyStop, Watch
from causal_ranker.uplift.collaborative.factors import Factors, draw_factors
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.kernels import compiled

__all__ = ["Draws", "FactorConfig", "FactorModel", "PairModel"]


class PairModel(Protocol):
    """Anything that learns from pairs, and ranks every item for every user."""

    unseen_: int

    def fit(
        self,
        interactions: Interactions,
        *,
        early: EarlyStop | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn from pairs.

        Parameters
        ----------
        interactions : Interactions
            Who was shown and who played what.
        early : EarlyStop, optional
            When to stop, of methods that learn in epochs.
        progress : bool
            Draw a bar on standard error.

        Returns
        -------
        PairModel
            Itself.
        """
        ...

    def score(self, user: NDArray[Any], item: NDArray[Any]) -> NDArray[np.float32]:
        """Score pairs.

        Parameters
        ----------
        user, item : ndarray of int, shape (n,)
            Codes of training. One without a pair in training, or -1, gets the fall-back that the
            method states, and is counted in ``unseen_``.

        Returns
        -------
        ndarray of float32, shape (n,)
            Larger is more worth showing.
        """
        ...

    def score_users(self, user: NDArray[Any]) -> NDArray[np.float32]:
        """Score every item for some users.

        Parameters
        ----------
        user : ndarray of int, shape (n,)
            Codes, as in `score`.

        Returns
        -------
        ndarray of float32, shape (n, n_items)
            Larger is more worth showing.
        """
        ...


class Draws(Protocol):
    """Where the pairs of an epoch come from."""

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[Any], ...]]:
        """Draw the pairs of one epoch.

        Parameters
        ----------
        rng : numpy.random.Generator
            Decides the draws.

        Yields
        ------
        tuple of ndarray
            Batches in the order that the method's kernel takes them.
        """
        ...


class FactorConfig(FrozenConfig):
    """What all methods that learn factors have.

    Parameters
    ----------
    factors : int
        Factors of each user and item; may be more than there are items.
    learning_rate : float
        Length of a step.
    l2 : float
        Penalty on the squares of factors and biases of each pair drawn.
    epochs : int
        Epochs, at most.
    """

    factors: Annotated[int, Field(ge=1)] = 100
    learning_rate: Annotated[float, Field(gt=0)] = 0.03
    l2: Annotated[float, Field(ge=0)] = 0.003
    epochs: Annotated[int, Field(ge=1)] = 30


Config = TypeVar("Config", bound=FactorConfig)


class FactorModel(ABC, Generic[Config]):
    """A ranking by ``p_u . q_i + b_i``, learned by stochastic gradient descent on one thread.

    Fall-back: a user without a pair in training, or of code -1, has factors of 0, and is ranked by
    the items' biases. An item without a pair has factors of 0 and the bias that it was left with
    as one of those not played; one of code -1 has the mean bias.

    Parameters
    ----------
    config : FactorConfig, optional
        Settings of the method; its defaults otherwise.
    seed : int
        Decides draws: equal seeds, equal bytes (on one kind of processor).

    Attributes
    ----------
    user_factors_, item_factors_ : ndarray of float32, shape (n_users, k) and (n_items, k)
        p and q.
    item_bias_ : ndarray of float32, shape (n_items,)
        b.
    epochs_ : int
        Epochs after which these were kept: the best by `history_`, or all.
    history_ : dict of int to float
        Estimated metric after each epoch that was looked at; empty without early stopping.
    users_without_rows_, items_without_rows_ : int
        How many have no pair in training.
    unseen_ : int
        Pairs scored since `fit` whose user or item got the fall-back.
    """

    _default: ClassVar[FactorConfig]
    #: The kernel that steps down this method's loss, and how many arms of factors it changes.
    _loop: ClassVar[Callable[..., None]]
    _arms: ClassVar[int] = 1

    epochs_ = 0
    users_without_rows_ = 0
    items_without_rows_ = 0
    unseen_ = 0

    def __init__(self, *, config: Config | None = None, seed: int = 0) -> None:
        self._config: Config = self._default if config is None else config  # type: ignore[assignment]
        if type(self._config) is not type(self._default):
            raise ConfigError(
                expected=f"a {type(self._default).__name__} as config of {type(self).__name__}",
                came=type(self._config).__name__,
                do="Give the method's own config, or none.",
            )
        self._seed = seed
        self._factors: Factors | None = None
        self._seen: Seen | None = None
        self.history_: dict[int, float] = {}

    @abstractmethod
    def _draws(self, interactions: Interactions) -> Draws:
        """Refuse what the method cannot learn from, and say what it draws."""

    def _strengths(self) -> tuple[np.float32, ...]:
        """Return the numbers that the kernel takes after the arrays."""
        return np.float32(self._config.learning_rate), np.float32(self._config.l2)

    def _combine(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Make one score of those of the arms, which are along the first axis."""
        only: NDArray[np.float32] = logits[0]
        return only

    def fit(
        self,
        interactions: Interactions,
        *,
        early: EarlyStop | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn factors.

        Parameters
        ----------
        interactions : Interactions
            Who was shown and who played what.
        early : EarlyStop, optional
            Keep the best epoch by an estimated metric; all epochs are learned without it.
        progress : bool
            Draw a bar on standard error.

        Returns
        -------
        FactorModel
            Itself.

        Raises
        ------
        ConfigError
            If learning diverges, or the validation pairs are of other users and items.
        EmptyError
            If there are no pairs of a kind that the method needs.
        RowError
            If the method, or early stopping, needs propensities and some are missing.
        MissingExtraError
            If numba is not installed.
        """
        self._factors = self._seen = None  # a fit that fails leaves nothing of an older one
        if early is not None:
            early.check(interactions)
        draws, loop = self._draws(interactions), compiled(type(self)._loop)
        config, rng = self._config, stage_rng(self._seed, "collaborative draws")
        factors = draw_factors(
            interactions,
            k=config.factors,
            arms=self._arms,
            rng=stage_rng(self._seed, "collaborative factors"),
        )
        seen = Seen.of(interactions)
        self.users_without_rows_ = int((~seen.user).sum())
        self.items_without_rows_ = int((~seen.item).sum())
        watch = Watch(early, epochs=config.epochs)
        stages = Stages(Console(stderr=True) if progress else None)
        with stages.stage(type(self).__name__, total=config.epochs) as advance:
            for epoch in range(1, config.epochs + 1):
                for batch in draws.epoch(rng):
                    loop(*batch, *factors.arrays(), *self._strengths())
                factors.hold_at_zero(user=~seen.user, item=~seen.item)
                factors.require_bounded(epoch=epoch, learning_rate=config.learning_rate)
                advance()
                if watch.look(epoch, factors, lambda user: self._combine(factors.grid(user))):
                    break
        self._factors, self._seen = watch.kept or factors, seen
        self.epochs_, self.history_, self.unseen_ = watch.best, watch.history, 0
        return self

    def score(self, user: NDArray[Any], item: NDArray[Any]) -> NDArray[np.float32]:
        """Score pairs; counts those that get the fall-back in `unseen_`.

        Parameters
        ----------
        user, item : ndarray of int, shape (n,)
            Codes of training, or -1.

        Returns
        -------
        ndarray of float32, shape (n,)
            Larger is more worth showing.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        SchemaError
            If codes are not whole numbers, or not as many users as items.
        RowError
            If a code is out of range.
        """
        factors, seen = self._fitted()
        u, i = seen.checked_pairs(user, item)
        self.unseen_ += seen.count_unseen(u, i)
        return self._combine(factors.pairs(u, i))

    def score_users(self, user: NDArray[Any]) -> NDArray[np.float32]:
        """Score every item for some users; counts pairs with the fall-back in `unseen_`.

        Parameters
        ----------
        user : ndarray of int, shape (n,)
            Codes of training, or -1.

        Returns
        -------
        ndarray of float32, shape (n, n_items)
            Larger is more worth showing.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        SchemaError
            If codes are not whole numbers.
        RowError
            If a code is out of range.
        """
        factors, seen = self._fitted()
        u = checked_codes(user, count=seen.user.size, name="user")
        self.unseen_ += seen.count_unseen(u)
        return self._combine(factors.grid(u))

    @property
    def user_factors_(self) -> NDArray[np.float32]:
        """p, shape (n_users, k)."""
        user: NDArray[np.float32] = self._fitted()[0].user[0]
        return user

    @property
    def item_factors_(self) -> NDArray[np.float32]:
        """q, shape (n_items, k)."""
        item: NDArray[np.float32] = self._fitted()[0].item[0]
        return item

    @property
    def item_bias_(self) -> NDArray[np.float32]:
        """b, shape (n_items,)."""
        bias: NDArray[np.float32] = self._fitted()[0].bias[0]
        return bias

    def _fitted(self) -> tuple[Factors, Seen]:
        if self._factors is None or self._seen is None:
            raise NotFittedError(
                expected=f"a fitted {type(self).__name__}", came="none", do="Call fit first."
            )
        return self._factors, self._seen
