"""What rankers share that score all items of a user in one go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, EmptyError, NotFittedError
from causal_ranker.uplift.collaborative.codes import Seen, checked_codes
from causal_ranker.uplift.collaborative.early import EarlyStop
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["WholeRowModel"]

_CELLS: Final = 2**21  # scores made in one go


class WholeRowModel(ABC):
    """A `PairModel` that learns without epochs, and scores by blocks of users.

    Parameters
    ----------
    config : FrozenConfig, optional
        Settings of the method; its defaults otherwise.
    seed : int
        Decides draws, of a method that draws.

    Attributes
    ----------
    unseen_ : int
        Pairs scored since `fit` whose user or item got the fall-back. An item of code -1
        scores 0.
    """

    unseen_: int = 0
    _default: ClassVar[FrozenConfig]
    _seen: Seen | None = None

    def __init__(self, *, config: FrozenConfig | None = None, seed: int = 0) -> None:
        self._config = self._default if config is None else config
        if not isinstance(self._config, type(self._default)):
            raise ConfigError(
                expected=f"a {type(self._default).__name__} as config of {type(self).__name__}",
                came=type(self._config).__name__,
                do="Give the method's own config, or none.",
            )
        self._seed = seed

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
            Checked, and not needed: nothing is learned in epochs.
        progress : bool
            Not needed: there is nothing to wait for.

        Returns
        -------
        WholeRowModel
            Itself.

        Raises
        ------
        ConfigError
            If the validation pairs are of other users and items.
        EmptyError
            If nothing was played, or there are no pairs of a kind that the method needs.
        """
        self._seen = None
        if early is not None:
            early.check(interactions)
        if not interactions.played.any():
            raise EmptyError(
                expected="plays",
                came=f"none in {len(interactions)} pairs",
                do="Give logs in which something was played.",
            )
        self._learn(interactions)
        self._seen = Seen.of(interactions)
        self.unseen_ = 0
        return self

    @abstractmethod
    def _learn(self, interactions: Interactions) -> None:
        """Learn what `_rows` needs."""

    @abstractmethod
    def _rows(self, user: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score all items for users; one without a pair in training is -1."""

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
            Before `fit`.
        RowError
            If a code is out of range.
        SchemaError
            If codes are not whole numbers, or users and items differ in number.
        """
        seen = self._fitted()
        u, i = seen.checked_pairs(user, item)
        self.unseen_ += seen.count_unseen(u, i)
        scores = np.zeros(u.size, dtype=np.float32)
        codes, place = np.unique(u, return_inverse=True)
        order = np.argsort(place, kind="stable")
        block = self._block(seen)
        cuts = np.searchsorted(place[order], np.arange(0, codes.size + block, block))
        for step, (start, stop) in enumerate(pairwise(cuts)):
            pairs, first = order[start:stop], step * block
            rows = self._known_rows(codes[first : first + block], seen)
            scores[pairs] = rows[place[pairs] - first, i[pairs]]
        scores[i < 0] = 0
        return scores

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
            Before `fit`.
        RowError
            If a code is out of range.
        SchemaError
            If codes are not whole numbers.
        """
        seen = self._fitted()
        u = checked_codes(user, count=seen.user.size, name="user")
        self.unseen_ += seen.count_unseen(u)
        scores = np.empty((u.size, seen.item.size), dtype=np.float32)
        for start in range(0, u.size, self._block(seen)):
            part = slice(start, start + self._block(seen))
            scores[part] = self._known_rows(u[part], seen)
        return scores

    def _known_rows(self, user: NDArray[np.int64], seen: Seen) -> NDArray[np.float32]:
        return self._rows(np.where((user >= 0) & seen.user[user], user, -1))

    @staticmethod
    def _block(seen: Seen) -> int:
        """Return how many users to score in one go: neighbours of users are as many as users."""
        return max(1, _CELLS // max(seen.user.size, seen.item.size))

    def _fitted(self) -> Seen:
        if self._seen is None:
            raise NotFittedError(
                expected=f"a fitted {type(self).__name__}", came="none", do="Call fit first."
            )
        return self._seen
