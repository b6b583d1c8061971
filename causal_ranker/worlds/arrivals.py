"""Items that come to the service while the log runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.plays import Plays
from causal_ranker.worlds.visits import HOUR

__all__ = ["draw_arrivals", "held_back", "plays_of_what_is_there"]

IntArray = NDArray[np.int64]


def draw_arrivals(config: WorldConfig, rng: np.random.Generator) -> IntArray:
    """Draw when each item comes.

    Parameters
    ----------
    config : WorldConfig
        `new_share` of the items come, evenly over the days of the log.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    ndarray of int, shape (items,)
        Seconds since 1970 (UTC); the start of the log for items that were there before.
    """
    start = int(config.start.timestamp())
    arrival = np.full(config.items, start, dtype=np.int64)
    new = rng.permutation(config.items)[: round(config.new_share * config.items)]
    arrival[new] += 1 + rng.integers(0, config.days * 24 * HOUR, new.size)
    return arrival


def held_back(
    scores: Array, item: IntArray, *, t0: IntArray, arrival: IntArray, config: WorldConfig
) -> Array:
    """Return the base scores of a recommender that knows too little of new items.

    Parameters
    ----------
    scores : ndarray, shape (requests, candidates)
        Base scores.
    item : ndarray of int, shape (requests, candidates)
        The candidates.
    t0 : ndarray of int, shape (requests,)
        When, in seconds since 1970 (UTC).
    arrival : ndarray of int, shape (items,)
        When each item came.
    config : WorldConfig
        `new_penalty` is taken off for `new_days`.

    Returns
    -------
    ndarray, shape (requests, candidates)
        Base scores.
    """
    came = arrival[item]
    young = (came > int(config.start.timestamp())) & (
        t0[:, None] - came < config.new_days * 24 * HOUR
    )
    return np.where(young, scores - config.new_penalty, scores)


def plays_of_what_is_there(plays: Plays, arrival: IntArray) -> Plays:
    """Leave out plays of items that have not come yet.

    Parameters
    ----------
    plays : Plays
        Plays.
    arrival : ndarray of int, shape (items,)
        When each item came.

    Returns
    -------
    Plays
        Those that could be.
    """
    there = plays.played_at >= arrival[plays.item]
    return Plays(
        user=plays.user[there],
        item=plays.item[there],
        played_at=plays.played_at[there],
        surface=plays.surface[there],
    )
