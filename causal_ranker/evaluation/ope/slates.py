"""Lists that were shown, and what each slot brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.evaluation.ope.policies import Array, IntArray
from causal_ranker.stats._arrays import float_vector, positive_count, same_size

__all__ = ["LoggedSlates"]

Labels = NDArray[Any]


@dataclass(frozen=True)
class LoggedSlates:
    """Logged lists, all of one length.

    Parameters
    ----------
    items : ndarray of int, shape (n, L)
        Columns of each request's candidates, first slot first.
    reward : ndarray of float64, shape (n, L)
        What each slot brought, for example a play of its item.
    user : ndarray of int or str, shape (n,)
        Whose request it was; rewards of one user move together.
    second_cluster : ndarray of int or str, shape (n,), optional
        A second unit within which rewards move together, for example the day.

    Raises
    ------
    SchemaError
        If shapes do not fit.
    RowError
        If a reward is NaN or infinite.
    """

    items: IntArray
    reward: Array
    user: Labels
    second_cluster: Labels | None = None

    def __post_init__(self) -> None:
        items, reward = np.asarray(self.items), np.asarray(self.reward, dtype=np.float64)
        if items.ndim != 2 or items.dtype.kind not in "iu" or items.shape != reward.shape:
            raise SchemaError(
                expected="integer 'items' and numeric 'reward' of one shape (n, slots)",
                came=f"{items.shape} of type {items.dtype} and {reward.shape}",
                do="Pass one row per list and one column per slot.",
            )
        float_vector(reward.ravel(), name="reward")
        user = np.asarray(self.user)
        same_size(len(items), user=user)
        object.__setattr__(self, "items", items.astype(np.int64))
        object.__setattr__(self, "reward", reward)
        object.__setattr__(self, "user", user)
        if self.second_cluster is not None:
            second = np.asarray(self.second_cluster)
            same_size(len(items), second_cluster=second)
            object.__setattr__(self, "second_cluster", second)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def slots(self) -> int:
        """L, the length of the lists."""
        return int(self.items.shape[1])

    def first(self, k: int) -> LoggedSlates:
        """Return the first k slots of every list.

        Parameters
        ----------
        k : int
            Slots.

        Returns
        -------
        LoggedSlates
            Of length k.

        Raises
        ------
        ConfigError
            If k is not a whole number from 1 to the length of the lists.
        """
        if positive_count(k, name="k") > self.slots:
            raise ConfigError(
                expected=f"k up to {self.slots}, the length of the logged lists",
                came=f"k = {k}",
                do="Lower k: what was not shown has no reward.",
            )
        return LoggedSlates(self.items[:, :k], self.reward[:, :k], self.user, self.second_cluster)

    @classmethod
    def from_long(
        cls,
        request: ArrayLike,
        slot: ArrayLike,
        *,
        item: ArrayLike,
        reward: ArrayLike,
        user: ArrayLike,
        second_cluster: ArrayLike | None = None,
    ) -> LoggedSlates:
        """Build lists from a table with a row per slot shown, in any order.

        Parameters
        ----------
        request : array_like of int or str, shape (rows,)
            Which list the slot is of. Lists come out in the order of sorted ids.
        slot : array_like of int, shape (rows,)
            From 1.
        item : array_like of int, shape (rows,)
            Column of the request's candidates.
        reward : array_like, shape (rows,)
            What the slot brought.
        user : array_like of int or str, shape (rows,)
            The same in all rows of a request.
        second_cluster : array_like of int or str, shape (rows,), optional
            A second unit, the same in all rows of a request.

        Returns
        -------
        LoggedSlates
            One list per request.

        Raises
        ------
        RowError
            If requests differ in length, miss a slot or have one twice, or one has several
            users.
        """
        ids, code = np.unique(np.asarray(request), return_inverse=True)
        place = float_vector(slot, name="slot")
        same_size(code.size, slot=place)
        order = np.lexsort((place, code))
        length, rest = divmod(code.size, ids.size)
        wanted = np.tile(np.arange(1, length + 1), ids.size)
        if rest or not np.array_equal(place[order], wanted):
            raise RowError(
                expected="slots 1 .. L once each in every request, with one L for all",
                came=f"{code.size} rows of {ids.size} requests with slots up to {place.max():g}",
                do="Evaluate lists of each length by themselves, or the first slots of all.",
            )

        def lists(values: ArrayLike, name: str) -> Labels:
            array = np.asarray(values)
            same_size(code.size, **{name: array})
            return array[order].reshape(ids.size, length)

        def ones(values: ArrayLike, name: str) -> Labels:
            table = lists(values, name)
            mixed = (table != table[:, :1]).any(axis=1)
            if mixed.any():
                raise RowError(
                    expected=f"one '{name}' per request",
                    came=f"several in {int(mixed.sum())} requests (first: {ids[mixed.argmax()]!r})",
                    do="Check the request ids.",
                )
            return table[:, 0]

        return cls(
            items=lists(item, "item"),
            reward=lists(reward, "reward").astype(np.float64),
            user=ones(user, "user"),
            second_cluster=None
            if second_cluster is None
            else ones(second_cluster, "second_cluster"),
        )
