"""Policies that can only be drawn from: their chances are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from causal_ranker.evaluation.ope.policies import Array, IntArray, Mask, list_array
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import positive_count

__all__ = ["MonteCarlo"]

# Below this many hits the inverse of a counted share is off by more than a few per cent on average.
_FEWEST_HITS: Final = 20


class MonteCarlo:
    """A policy known by its draws, as one with rules after the draw is.

    A counted share p of D draws has standard error ``sqrt(p (1 - p) / D)``; its inverse is too
    large by a share of about ``(1 - p) / (D p)``. As a logging policy it is refused where a
    logged list had fewer than 20 hits, and a list with none counts as never shown, so that the
    share of missing lists comes out too large. As a target its counting error is in no interval.
    Draws are not kept but made anew, from one seed.

    Parameters
    ----------
    draw : callable
        From a generator to lists, an array of int of shape (n, L) for all requests at once.
    requests, candidates : int
        n, and columns of candidates.
    draws : int
        D, how often to draw.
    seed : int
        Equal seeds give equal chances.

    Attributes
    ----------
    requests, candidates : int
        Sizes.
    least : float
        ``20 / D``.

    Raises
    ------
    ConfigError
        If `draws` is below 1.
    """

    everywhere: Final = True

    def __init__(
        self,
        draw: Callable[[np.random.Generator], IntArray],
        *,
        requests: int,
        candidates: int,
        draws: int,
        seed: int,
    ) -> None:
        self._draw, self._draws, self._seed = draw, positive_count(draws, name="draws"), seed
        self.requests, self.candidates = requests, candidates
        self.least = _FEWEST_HITS / self._draws

    def prefix(self, items: IntArray) -> Array:
        """Return the share of draws whose slots 1 .. k are these, for every k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Shares.
        """
        hits = np.zeros(items.shape)
        for drawn in self._lists(items.shape[1]):
            hits += np.logical_and.accumulate(drawn == items, axis=1)
        return hits / self._draws

    def marginal(self, items: IntArray) -> Array:
        """Return the share of draws with this item in slot k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Shares.
        """
        hits = np.zeros(items.shape)
        for drawn in self._lists(items.shape[1]):
            hits += drawn == items
        return hits / self._draws

    def possible(self, items: IntArray) -> Mask:
        """Say whether a draw had this item in slot k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of bool, shape (n, L)
            The answer.
        """
        may: Mask = self.marginal(items) > 0
        return may

    def part(self, start: int, stop: int) -> MonteCarlo:
        """Return the policy on requests start .. stop - 1, with the same draws.

        Parameters
        ----------
        start, stop : int
            Rows.

        Returns
        -------
        MonteCarlo
            Of these requests.
        """
        draw = self._draw
        return MonteCarlo(
            lambda rng: draw(rng)[start:stop],
            requests=min(stop, self.requests) - start,
            candidates=self.candidates,
            draws=self._draws,
            seed=self._seed,
        )

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
        return self._checked(self._draw(rng), k)

    def slot_chances(self, k: int) -> Array:
        """Return the share of draws with the candidate in slot s.

        Parameters
        ----------
        k : int
            Slots.

        Returns
        -------
        ndarray of float64, shape (n, candidates, k)
            Shares.
        """
        hits = np.zeros((self.requests, self.candidates, k))
        rows, slots = np.arange(self.requests)[:, None], np.arange(k)
        for drawn in self._lists(k):
            hits[rows, drawn, slots] += 1
        return hits / self._draws

    def next_mean(self, items: IntArray, values: Array, *, slot: int) -> Array:
        """Return the mean value in a slot over the draws with these items before it.

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
            Means; 0 where no draw had them.
        """
        total, hits = np.zeros(self.requests), np.zeros(self.requests)
        for drawn in self._lists(slot + 1):
            same = (drawn[:, :slot] == items[:, :slot]).all(axis=1)
            hits += same
            total += same * np.take_along_axis(values, drawn[:, slot:], axis=1)[:, 0]
        mean: Array = np.divide(total, hits, out=np.zeros_like(total), where=hits > 0)
        return mean

    def _lists(self, k: int) -> Iterator[IntArray]:
        rng = stage_rng(self._seed, "ope/monte_carlo")
        for _ in range(self._draws):
            yield self._checked(self._draw(rng), k)

    def _checked(self, lists: IntArray, k: int) -> IntArray:
        found = list_array(lists, candidates=self.candidates, requests=self.requests)
        return found[:, :k]
