"""Position-wise policies: each slot is filled by itself, whatever the others hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.evaluation.ope.policies import Array, IntArray, Mask, list_array

__all__ = ["Slotwise"]

# Rounding of logged shares; beyond it they are shares of something else.
_ROUNDING: Final = 1e-6


class Slotwise:
    """A policy whose slots are independent; an item may stand in several of them.

    Parameters
    ----------
    probabilities : sequence of array_like, each of shape (candidates,) or (n, candidates)
        One per slot: P(slot holds the candidate), the same for all requests or one row each. They
        are kept as they come, so that slots may share an array.
    requests : int
        n.

    Attributes
    ----------
    requests, candidates : int
        Sizes.

    Raises
    ------
    ConfigError
        If there is no slot.
    SchemaError
        If the shapes do not fit.
    RowError
        If a probability is NaN or negative, or those of a slot do not sum to 1 over the
        candidates.
    """

    everywhere: Final = True
    least: Final = 0.0

    def __init__(self, probabilities: Sequence[ArrayLike], *, requests: int) -> None:
        if not len(probabilities):
            raise ConfigError(
                expected="probabilities of at least one slot", came="none", do="Pass one per slot."
            )
        tables = [np.asarray(table, dtype=np.float64) for table in probabilities]
        self.requests, self.candidates = requests, tables[0].shape[-1]
        self._tables = [self._checked(table, slot=s) for s, table in enumerate(tables)]

    def prefix(self, items: IntArray) -> Array:
        """Return P(slots 1 .. k hold these items), for every k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Products of the marginal chances.
        """
        return np.asarray(np.cumprod(self.marginal(items), axis=1))

    def marginal(self, items: IntArray) -> Array:
        """Return P(slot k holds this item).

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Chances.
        """
        lists = list_array(items, candidates=self.candidates, requests=self.requests)
        rows = np.arange(self.requests)
        slots = self._first(lists.shape[1])
        return np.column_stack([table[rows, lists[:, s]] for s, table in enumerate(slots)])

    def possible(self, items: IntArray) -> Mask:
        """Say whether slot k may hold this item at all.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of bool, shape (n, L)
            True where its chance is above 0.
        """
        may: Mask = self.marginal(items) > 0
        return may

    def part(self, start: int, stop: int) -> Slotwise:
        """Return the policy on requests start .. stop - 1.

        Parameters
        ----------
        start, stop : int
            Rows.

        Returns
        -------
        Slotwise
            Of these requests.
        """
        tables = [table[start:stop] for table in self._tables]
        return Slotwise(tables, requests=len(tables[0]))

    def sample(self, k: int, *, rng: np.random.Generator) -> IntArray:
        """Draw a list for each request.

        Parameters
        ----------
        k : int
            Slots.
        rng : numpy.random.Generator
            Source of the draws.

        Returns
        -------
        ndarray of int64, shape (n, k)
            Lists.
        """
        lists = np.empty((self.requests, k), dtype=np.int64)
        for slot, table in enumerate(self._first(k)):
            passed = np.cumsum(table, axis=1)
            wanted = rng.random(self.requests) * passed[:, -1]
            lists[:, slot] = (passed <= wanted[:, None]).sum(axis=1)
        return lists

    def slot_chances(self, k: int) -> Array:
        """Return P(slot s holds the candidate).

        Parameters
        ----------
        k : int
            Slots.

        Returns
        -------
        ndarray of float64, shape (n, candidates, k)
            Chances.
        """
        return np.stack(self._first(k), axis=2)

    def next_mean(self, items: IntArray, values: Array, *, slot: int) -> Array:
        """Return the mean value in a slot, where the slots before hold what they may.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.
        values : ndarray of float64, shape (n, candidates)
            Values.
        slot : int
            From 0.

        Returns
        -------
        ndarray of float64, shape (n,)
            Means; 0 where this policy never puts the items before there.
        """
        mean: Array = (self._first(slot + 1)[slot] * values).sum(axis=1)
        if slot == 0:
            return mean
        return np.where(self.possible(items[:, :slot]).all(axis=1), mean, 0.0)

    def _first(self, k: int) -> list[Array]:
        if k > len(self._tables):
            raise ConfigError(
                expected=f"up to {len(self._tables)} slots, as many as have probabilities",
                came=f"{k} slots",
                do="Pass one array of probabilities per slot.",
            )
        return self._tables[:k]

    def _checked(self, table: Array, *, slot: int) -> Array:
        if table.shape not in ((self.candidates,), (self.requests, self.candidates)):
            raise SchemaError(
                expected=f"probabilities of shape ({self.candidates},) or "
                f"({self.requests}, {self.candidates}) in slot {slot + 1}",
                came=f"shape {table.shape}",
                do="Pass one column per candidate.",
            )
        total = table.sum(axis=-1)
        wrong = ~(np.abs(total - 1) <= _ROUNDING)
        if wrong.any():
            raise RowError(
                expected=f"probabilities that sum to 1 over the candidates in slot {slot + 1}",
                came=f"{int(wrong.sum())} of {wrong.size} sums elsewhere, such as "
                f"{np.atleast_1d(total)[np.argmax(wrong)]:.6g}",
                do="Give every candidate its probability, 0 for what is never shown.",
            )
        if (table < 0).any():
            raise RowError(
                expected=f"probabilities of 0 or more in slot {slot + 1}",
                came=f"{int((table < 0).sum())} below 0",
                do="Check how they were built.",
            )
        return np.broadcast_to(table, (self.requests, self.candidates))
