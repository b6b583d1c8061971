"""The base recommender: candidates, scores, and Plackett-Luce slates with exact propensities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._arrays import Array
from causal_ranker.stats.plackett_luce import (
    conditional_propensities,
    sample_slates,
    slot_propensities,
)
from causal_ranker.worlds.config import WorldConfig

__all__ = ["Slates", "base_scores", "draw_candidates", "draw_slates", "rank_by"]

IntArray = NDArray[np.int64]

# The propensities are exact to about 1e-8 and never 0 or 1.
_MARGIN = 1e-12


@dataclass(frozen=True)
class Slates:
    """What was placed where, and how likely that was.

    Parameters
    ----------
    position : ndarray of int, shape (requests, candidates)
        Slot from 1; 0 where the candidate was not placed.
    conditional : ndarray, shape (requests, candidates)
        P(this candidate in this slot | the slots before), as logged online; 0 where not placed.
    by_slot : ndarray, shape (requests, candidates, slots)
        Marginal P(candidate placed in slot s).
    """

    position: IntArray
    conditional: Array
    by_slot: Array

    @property
    def inclusion(self) -> Array:
        """P(placed in the slate), strictly between 0 and 1, shape (requests, candidates)."""
        inclusion: Array = np.minimum(self.by_slot.sum(axis=2), 1 - _MARGIN)
        return inclusion


def draw_candidates(
    retrieval: NDArray[np.float32], count: int, *, rng: np.random.Generator
) -> IntArray:
    """Draw candidate sets without replacement, before anything of the request is decided.

    Parameters
    ----------
    retrieval : ndarray of float32, shape (requests, items)
        Log weights.
    count : int
        Candidates per request.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    ndarray of int, shape (requests, count)
        Item codes, rising, so that the order of rows says nothing.
    """
    # a race: the item of weight w arrives at an exponential time of rate w
    arrival = rng.standard_exponential(retrieval.shape, dtype=np.float32)
    arrival *= np.exp(-retrieval)
    chosen = np.argpartition(arrival, count - 1, axis=1)[:, :count]
    return np.sort(chosen, axis=1)


def base_scores(played_if_shown: Array, config: WorldConfig, *, rng: np.random.Generator) -> Array:
    """Return the scores of an accuracy ranker: noisy log odds of P(play | shown).

    Parameters
    ----------
    played_if_shown : ndarray, shape (requests, candidates)
        P(a play within the horizon | placed in a slot of average examination).
    config : WorldConfig
        `confounding` weighs the log odds, `base_noise` the noise.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    ndarray, shape (requests, candidates)
        Base scores, in log odds where `confounding` is 1.
    """
    probability = np.clip(played_if_shown, _MARGIN, 1 - _MARGIN)
    odds = np.log(probability) - np.log1p(-probability)
    noise = rng.standard_normal(odds.shape)
    scores: Array = config.confounding * odds + config.base_noise * noise
    return scores


def draw_slates(scores: Array, config: WorldConfig, *, rng: np.random.Generator) -> Slates:
    """Draw one Plackett-Luce slate per request and say how likely each placement was.

    Parameters
    ----------
    scores : ndarray, shape (requests, candidates)
        Base scores.
    config : WorldConfig
        `temperature` and `slate_size`.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Slates
        Placements and propensities.
    """
    slots = config.slate_size
    placed = sample_slates(scores, slots, rng=rng, temperature=config.temperature)
    logged = conditional_propensities(scores, placed, temperature=config.temperature)
    position = np.zeros(scores.shape, dtype=np.int64)
    np.put_along_axis(position, placed, np.arange(1, slots + 1)[None, :], axis=1)
    conditional = np.zeros(scores.shape)
    np.put_along_axis(conditional, placed, logged, axis=1)
    by_slot = slot_propensities(scores, slots, temperature=config.temperature)
    return Slates(position=position, conditional=conditional, by_slot=np.maximum(by_slot, _MARGIN))


def rank_by(scores: Array) -> IntArray:
    """Return ranks from 1 within each request, the highest score first, ties in row order.

    Parameters
    ----------
    scores : ndarray, shape (requests, candidates)
        Scores.

    Returns
    -------
    ndarray of int, shape (requests, candidates)
        Ranks.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(scores.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[1] + 1)[None, :], axis=1)
    return ranks
