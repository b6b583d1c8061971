"""Plackett-Luce policies: exact chances of lists, of slots, and means over the next item."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.evaluation.ope.policies import Array, IntArray, Mask, list_array
from causal_ranker.stats.plackett_luce import sample_slates, slot_propensities, tempered_scores

__all__ = ["PlackettLuce"]

# Requests whose chances by slot are held at once.
_CHUNK: Final = 512


class PlackettLuce:
    """A policy that fills slot after slot with chances ``e^s / sum over those left of e^s``.

    Parameters
    ----------
    scores : array_like, shape (n, candidates)
        One row per request; ``-inf`` for an item that is no candidate of it.
    temperature : float
        Above 0; lower follows the scores more closely. Very large is the uniform policy.

    Attributes
    ----------
    requests, candidates : int
        Sizes.

    Raises
    ------
    ConfigError
        If the temperature is not above 0.
    RowError
        If a score is NaN or plus infinity.
    SchemaError
        If the scores are not of two dimensions.
    """

    everywhere: Final = True
    least: Final = 0.0

    def __init__(self, scores: ArrayLike, *, temperature: float = 1.0) -> None:
        self._scores = tempered_scores(scores, temperature=temperature)
        self.requests, self.candidates = self._scores.shape

    @property
    def uniform(self) -> bool:
        """Whether every candidate of a request is as likely as any other."""
        low = np.where(self.able, self._scores, np.inf).min(axis=1)
        return bool((low == self._scores.max(axis=1)).all())

    @property
    def able(self) -> Mask:
        """Which columns are candidates of their request, shape (n, candidates)."""
        mask: Mask = self._scores > -np.inf
        return mask

    def prefix(self, items: IntArray) -> Array:
        """Return P(slots 1 .. k hold these items in this order), for every k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists; one with a repeated item has chance 0 from there on.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Chances.
        """
        lists = list_array(items, candidates=self.candidates, requests=self.requests)
        chances = np.empty(lists.shape)
        rest = self._scores.copy()
        for slot in range(lists.shape[1]):
            share = _softmax(rest)
            chances[:, slot] = np.take_along_axis(share, lists[:, [slot]], axis=1)[:, 0]
            np.put_along_axis(rest, lists[:, [slot]], -np.inf, axis=1)
        return np.asarray(np.cumprod(chances, axis=1))

    def marginal(self, items: IntArray) -> Array:
        """Return P(slot k holds this item), with an absolute error below 1e-6.

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
        chances = np.empty(lists.shape)
        for start in range(0, self.requests, _CHUNK):
            rows = slice(start, start + _CHUNK)
            by_slot = slot_propensities(self._scores[rows], lists.shape[1])
            chances[rows] = np.take_along_axis(by_slot, lists[rows, None, :], axis=1)[:, 0]
        return chances

    def possible(self, items: IntArray) -> Mask:
        """Say whether slot k may hold this item at all.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of bool, shape (n, L)
            True for candidates.
        """
        may: Mask = np.take_along_axis(self._scores, items, axis=1) > -np.inf
        return may

    def part(self, start: int, stop: int) -> PlackettLuce:
        """Return the policy on requests start .. stop - 1.

        Parameters
        ----------
        start, stop : int
            Rows.

        Returns
        -------
        PlackettLuce
            Of these requests.
        """
        return PlackettLuce(self._scores[start:stop])

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
        return sample_slates(self._scores, k, rng=rng)

    def slot_chances(self, k: int) -> Array:
        """Return P(slot s holds the candidate), with an absolute error below 1e-6.

        Parameters
        ----------
        k : int
            Slots.

        Returns
        -------
        ndarray of float64, shape (n, candidates, k)
            Chances.
        """
        return slot_propensities(self._scores, k)

    def next_mean(self, items: IntArray, values: Array, *, slot: int) -> Array:
        """Return the mean value over the candidates left after the slots before.

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
            Means; 0 where the slots before hold what this policy never puts there.
        """
        rest = self._scores.copy()
        before = items[:, :slot]
        lost = ~self.possible(before).all(axis=1)
        ordered = np.sort(before, axis=1)
        lost |= (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        np.put_along_axis(rest, before, -np.inf, axis=1)
        return np.where(lost, 0.0, (_softmax(rest) * values).sum(axis=1))


def _softmax(scores: Array) -> Array:
    """Return shares by row; a row without candidates has none."""
    top = scores.max(axis=1, keepdims=True)
    weight = np.exp(scores - np.where(np.isneginf(top), 0.0, top))
    total = weight.sum(axis=1, keepdims=True)
    share: Array = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return share
