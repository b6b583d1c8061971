"""What a play that the slate led to takes the place of: cannibalisation with a known share.

A user who would play a candidate if it stood first, and is in the mood for something of its kind,
plays another title of the catalogue where the slate does not lead to the candidate. Each candidate
has such a title of its own, outside the candidate set, so that the potential outcomes of candidate
rows are what they are without cannibalisation, and the titles a user plays in a horizon are a sum
over rows: an impression that leads to a play adds 1 to it, or 0 where the play takes the place of
another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.outcomes import Draws
from causal_ranker.worlds.plays import SEARCH, Plays
from causal_ranker.worlds.tastes import Rates
from causal_ranker.worlds.visits import Visits

__all__ = ["Substitutes", "draw_substitutes", "effect_on_total", "substitute_plays"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Substitutes:
    """The titles that candidates take the place of.

    Parameters
    ----------
    item : ndarray of int, shape (requests, candidates)
        A title outside the request's candidate set for each candidate, all different.
    wanted : ndarray of bool, shape (requests, candidates)
        The user plays it within the horizon unless the slate leads to the candidate.
    """

    item: IntArray
    wanted: NDArray[np.bool_]

    def taken(self) -> IntArray:
        """Return the titles that have potential outcomes, as candidates have.

        Returns
        -------
        ndarray of int, shape (requests, candidates)
            The wanted titles, -1 elsewhere.
        """
        return np.where(self.wanted, self.item, -1)


def draw_substitutes(
    item: IntArray,
    rates: Rates,
    draws: Draws,
    *,
    config: WorldConfig,
    rng: np.random.Generator,
) -> Substitutes:
    """Draw which plays would take the place of others, before and whatever is placed.

    Parameters
    ----------
    item : ndarray of int, shape (requests, candidates)
        The candidates.
    rates : Rates
        Says which pairs are negative: they lead to no play.
    draws : Draws
        Everything random about the rows.
    config : WorldConfig
        For `cannibalisation` and the number of items.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Substitutes
        One title per candidate.
    """
    order = rng.random((item.shape[0], config.items), dtype=np.float32)
    np.put_along_axis(order, item, np.float32(2), axis=1)  # candidates come last
    other = np.argsort(order, axis=1)[:, : item.shape[1]]
    # of the others no slot leads to a play that would not be there otherwise
    leads = draws.responds & ~rates.negative & (draws.organic_plays == 0) & (draws.examined_to > 0)
    return Substitutes(other, leads & (rng.random(item.shape) < config.cannibalisation))


def effect_on_total(effect: Array, config: WorldConfig) -> Array:
    """Return what a row's effect leaves of itself in the titles that the user plays.

    Parameters
    ----------
    effect : ndarray
        Effects on plays of the row's own item.
    config : WorldConfig
        For `cannibalisation`.

    Returns
    -------
    ndarray
        The part that is not cannibalised; what an impression puts the user off is lost whole.
    """
    total: Array = np.where(effect > 0, (1 - config.cannibalisation) * effect, effect)
    return total


def substitute_plays(
    visits: Visits,
    substitutes: Substitutes,
    *,
    examined: NDArray[np.bool_],
    horizon: int,
    rng: np.random.Generator,
) -> Plays:
    """Return the plays of the titles that no candidate took the place of.

    Parameters
    ----------
    visits : Visits
        The requests.
    substitutes : Substitutes
        The titles.
    examined : ndarray of bool, shape (requests, candidates)
        Placed and examined in fact.
    horizon : int
        h in seconds.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Plays
        At any time of the horizon, through search.
    """
    # what is wanted responds: examined, it is played itself
    left = substitutes.wanted & ~examined
    request = np.nonzero(left)[0]
    return Plays(
        user=visits.user[request],
        item=substitutes.item[left],
        played_at=visits.t0[request] + rng.integers(0, horizon, request.size),
        surface=np.full(request.size, SEARCH),
    )
