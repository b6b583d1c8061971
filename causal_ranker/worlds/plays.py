"""Play events on every surface, from the outcomes that came true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.worlds.outcomes import Draws
from causal_ranker.worlds.tastes import NEW, Population, Rates
from causal_ranker.worlds.visits import HOUR, Visits

__all__ = ["SEARCH", "SURFACES", "Plays", "background_plays", "candidate_plays", "join_plays"]

IntArray = NDArray[np.int64]

SURFACES: Final = ("home", "search", "continue_watching")
_HOME = 0
SEARCH = 1
_CONTINUE = 2
_DECISION_SECONDS = 600.0  # mean time from slate to the play it led to


@dataclass(frozen=True)
class Plays:
    """Play events.

    Parameters
    ----------
    user, item : ndarray of int, shape (plays,)
        Codes.
    played_at : ndarray of int, shape (plays,)
        In seconds since 1970 (UTC).
    surface : ndarray of int, shape (plays,)
        Index into `SURFACES`.
    """

    user: IntArray
    item: IntArray
    played_at: IntArray
    surface: IntArray


def join_plays(parts: list[Plays]) -> Plays:
    """Put events together.

    Parameters
    ----------
    parts : list of Plays
        At least one.

    Returns
    -------
    Plays
        All events, in the order given.
    """
    return Plays(
        user=np.concatenate([part.user for part in parts]),
        item=np.concatenate([part.item for part in parts]),
        played_at=np.concatenate([part.played_at for part in parts]),
        surface=np.concatenate([part.surface for part in parts]),
    )


def candidate_plays(
    visits: Visits,
    item: IntArray,
    *,
    state: NDArray[np.int8],
    rates: Rates,
    draws: Draws,
    examined: NDArray[np.bool_],
    horizon: int,
    repeat_rate: float,
    rng: np.random.Generator,
) -> Plays:
    """Return the plays of candidates within their horizons.

    Organic plays come through search, or "continue watching" if the title was played before,
    at any time of the horizon. A play that the slate led to follows it by ten minutes on
    average, and may be repeated.

    Parameters
    ----------
    visits : Visits
        The requests.
    item : ndarray of int, shape (requests, candidates)
        The candidates.
    state : ndarray of int, shape (requests, candidates)
        What the user had done with the item before.
    rates : Rates
        Says which pairs are negative.
    draws : Draws
        Everything random about the rows.
    examined : ndarray of bool, shape (requests, candidates)
        Placed and examined in fact.
    horizon : int
        h in seconds.
    repeat_rate : float
        Mean repeats of a play that the slate led to.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Plays
        A row has at least one play exactly if its ``Y(T)`` is 1.
    """
    responded = examined & draws.responds
    kept = np.where(responded & rates.negative, 0, draws.organic_plays)
    row = np.repeat(np.arange(kept.size), kept.ravel())
    organic_at = rng.integers(0, horizon, row.size)
    organic_surface = np.where(state.ravel()[row] == NEW, SEARCH, _CONTINUE)

    led = np.flatnonzero(responded & ~rates.negative)
    lag = 1 + rng.exponential(_DECISION_SECONDS, led.size).astype(np.int64)
    led_at = np.minimum(lag, horizon - 1)
    repeats = rng.poisson(repeat_rate, led.size)
    again = np.repeat(led, repeats)
    again_at = rng.integers(np.repeat(led_at, repeats), horizon)

    rows = np.concatenate([row, led, again])
    seconds = np.concatenate([organic_at, led_at, again_at])
    request = rows // item.shape[1]
    return Plays(
        user=visits.user[request],
        item=item.ravel()[rows],
        played_at=visits.t0[request] + seconds,
        surface=np.concatenate(
            [organic_surface, np.full(led.size, _HOME), np.full(again.size, _CONTINUE)]
        ),
    )


def background_plays(
    visits: Visits,
    item: IntArray,
    *,
    population: Population,
    until: IntArray,
    horizon: int,
    rate: float,
    rng: np.random.Generator,
) -> Plays:
    """Return plays of the rest of the catalogue, and of the items given after their horizon.

    Their plays within the horizon belong to the potential outcomes, so none is added there.

    Parameters
    ----------
    visits : Visits
        The requests.
    item : ndarray of int, shape (requests, m)
        The candidates, and whatever else has potential outcomes; -1 is no item.
    population : Population
        Popular items are found more often.
    until : ndarray of int, shape (requests,)
        The user's next request, or the end of the log, in seconds since 1970 (UTC).
    horizon : int
        h in seconds.
    rate : float
        Mean plays per day, before those within horizons are left out.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Plays
        All through search.
    """
    span = until - visits.t0
    count = rng.poisson(rate * span / (24 * HOUR))
    request = np.repeat(np.arange(count.size), count)
    weight = np.exp(population.popularity)
    played = rng.choice(weight.size, size=request.size, p=weight / weight.sum())
    seconds = (rng.random(request.size) * span[request]).astype(np.int64)
    is_candidate = (item[request] == played[:, None]).any(axis=1)
    keep = ~(is_candidate & (seconds < horizon))
    request, played, seconds = request[keep], played[keep], seconds[keep]
    return Plays(
        user=visits.user[request],
        item=played,
        played_at=visits.t0[request] + seconds,
        surface=np.full(request.size, SEARCH),
    )
