"""Factors of users and items, and the scores that they make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["Factors", "draw_factors"]

Floats = NDArray[np.float32]

#: Beyond this no factor means anything, and products of some would run over.
_EDGE: Final = 1e6
#: Standard deviation of the factors that learning starts from.
_SPREAD: Final = 0.1
_ROWS: Final = 2**16  # pairs scored in one go


@dataclass(frozen=True)
class Factors:
    """Factors of each arm: one arm where a method learns one ranking, two where it learns two.

    Parameters
    ----------
    user : ndarray of float32, shape (arms, n_users, k)
        p.
    item : ndarray of float32, shape (arms, n_items, k)
        q.
    bias : ndarray of float32, shape (arms, n_items)
        b, in the score ``p . q + b``.
    """

    user: Floats
    item: Floats
    bias: Floats

    def arrays(self) -> tuple[Floats, Floats, Floats]:
        """Return what the kernels change in place.

        Returns
        -------
        tuple of ndarray
            `user`, `item` and `bias`, without the axis of arms where there is one arm.
        """
        if len(self.bias) == 1:
            return self.user[0], self.item[0], self.bias[0]
        return self.user, self.item, self.bias

    def copy(self) -> Factors:
        """Return factors that later steps do not change.

        Returns
        -------
        Factors
            A copy.
        """
        return Factors(self.user.copy(), self.item.copy(), self.bias.copy())

    def hold_at_zero(self, *, user: NDArray[np.bool_], item: NDArray[np.bool_]) -> None:
        """Take the factors of some users and items away; their scores are an item's bias.

        Parameters
        ----------
        user, item : ndarray of bool, shape (n_users,) and (n_items,)
            Whose.
        """
        self.user[:, user] = 0
        self.item[:, item] = 0

    def require_bounded(self, *, epoch: int, learning_rate: float) -> None:
        """Refuse factors that have run away.

        Parameters
        ----------
        epoch : int
            After which epoch.
        learning_rate : float
            It was learned with.

        Raises
        ------
        ConfigError
            If a factor or bias is not finite, or is beyond a million.
        """
        arrays = (self.user, self.item, self.bias)
        # NaN is the least and the largest of an array that has one, and inside no bounds.
        if not all(each.min() > -_EDGE and each.max() < _EDGE for each in arrays):
            lost = sum(int((~(np.abs(each) < _EDGE)).sum()) for each in arrays)
            raise ConfigError(
                expected=f"factors that stay below {_EDGE:g}",
                came=f"{lost} that are not after epoch {epoch}: learning diverged at a learning "
                f"rate of {learning_rate:g}",
                do="Lower the learning rate, or the weights: a larger chi, a smaller omega.",
            )

    def pairs(self, user: NDArray[np.int64], item: NDArray[np.int64]) -> Floats:
        """Score pairs.

        Parameters
        ----------
        user, item : ndarray of int64, shape (n,)
            Codes; -1 is somebody or something with factors of 0, and of a mean bias.

        Returns
        -------
        ndarray of float32, shape (arms, n)
            ``p . q + b``.
        """
        scores = np.empty((len(self.bias), user.size), dtype=np.float32)
        for rows in _parts(user.size):
            u, i = user[rows], item[rows]
            both = ((u >= 0) & (i >= 0)).astype(np.float32)
            product = np.einsum("ank,ank->an", self.user[:, u], self.item[:, i]) * both
            scores[:, rows] = product + np.where(i >= 0, self.bias[:, i], self._mean_bias())
        return scores

    def grid(self, user: NDArray[np.int64]) -> Floats:
        """Score all items for some users.

        Parameters
        ----------
        user : ndarray of int64, shape (n,)
            Codes; -1 is somebody with factors of 0.

        Returns
        -------
        ndarray of float32, shape (arms, n, n_items)
            ``p . q + b``.
        """
        chosen = self.user[:, user] * (user >= 0).astype(np.float32)[:, None]
        scores: Floats = np.matmul(chosen, self.item.transpose(0, 2, 1))
        scores += self.bias[:, None, :]
        return scores

    def _mean_bias(self) -> Floats:
        mean: Floats = self.bias.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        return mean


def draw_factors(
    interactions: Interactions, *, k: int, arms: int, rng: np.random.Generator
) -> Factors:
    """Draw small factors to start from, equal in all arms; biases start at 0.

    Parameters
    ----------
    interactions : Interactions
        How many users and items there are.
    k : int
        Factors of each; more than there are users or items may be, as the penalty decides.
    arms : int
        1, or 2.
    rng : numpy.random.Generator
        Decides the draw.

    Returns
    -------
    Factors
        Normal with a standard deviation of 0.1.
    """
    user, item = (
        np.repeat(_SPREAD * rng.standard_normal((1, n, k), dtype=np.float32), arms, axis=0)
        for n in (interactions.n_users, interactions.n_items)
    )
    return Factors(user, item, np.zeros((arms, interactions.n_items), dtype=np.float32))


def _parts(size: int) -> Iterator[slice]:
    for start in range(0, size, _ROWS):
        yield slice(start, start + _ROWS)
