"""Who lives in the world: users and items, and how likely a play is for each pair.

Each pair of a user and an item has two intensities, both log-linear in latent traits:

- organic: taste match times *awareness* (popular item, searching user, title already started):
  the member finds it anyway;
- discovery: taste match times (1 - awareness): an impression shows something new.

Both rise with taste, so an accuracy ranker is not blind to uplift; but awareness moves them
apart, so its order is not the order of uplift.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.config import WorldConfig

__all__ = ["FINISHED", "NEW", "STARTED", "Population", "Rates", "draw_population", "pair_rates"]

IntArray = NDArray[np.integer]

# What a user has done with an item before the request.
NEW: Final = 0
STARTED: Final = 1
FINISHED: Final = 2

_DIMENSIONS = 6
_LARGEST_MATCH = 2.5
_STARTED_AWARENESS = 0.95
# Multipliers by state: a started title waits under "continue watching", a finished one is done.
_ORGANIC_BY_STATE = np.array([1.0, 2.0, 0.3])
_DISCOVERY_BY_STATE = np.array([1.0, 1.0, 0.2])
_EVENING = 20
_EVENING_LIFT = 0.4  # log intensity of discovery at 20:00 against the afternoon


@dataclass(frozen=True)
class Population:
    """Latent traits, standard normal unless stated.

    Parameters
    ----------
    user_taste : ndarray, shape (users, 6)
        Taste of users; the dot product with an item's is the match.
    item_taste : ndarray, shape (items, 6)
        Where items lie in the same space.
    popularity : ndarray, shape (items,)
        How known an item is.
    search_habit : ndarray, shape (users,)
        How much a user finds without help.
    openness : ndarray, shape (users,)
        How readily a user takes a suggestion.
    independence : ndarray, shape (users,)
        How much a user dislikes to be pushed to known titles.
    retrieval : ndarray of float32, shape (users, items)
        Log weight of an item in the user's candidate draws.
    organic_scale, discovery_scale : float
        Factors that give the configured mean rates.
    """

    user_taste: Array
    item_taste: Array
    popularity: Array
    search_habit: Array
    openness: Array
    independence: Array
    retrieval: NDArray[np.float32]
    organic_scale: float
    discovery_scale: float


@dataclass(frozen=True)
class Rates:
    """What may happen within the horizon, per request (row) and candidate (column).

    Parameters
    ----------
    organic : ndarray, shape (requests, candidates)
        Mean number of organic plays within the horizon.
    discovery : ndarray, shape (requests, candidates)
        P(an examined impression leads to a play); 0 where `negative`.
    negative : ndarray of bool, shape (requests, candidates)
        An examined impression may put the user off.
    """

    organic: Array
    discovery: Array
    negative: NDArray[np.bool_]


def draw_population(config: WorldConfig, rng: np.random.Generator) -> Population:
    """Draw users and items, and scale their intensities to the configured rates.

    Parameters
    ----------
    config : WorldConfig
        The world's settings.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Population
        The traits.
    """
    user_taste = rng.standard_normal((config.users, _DIMENSIONS))
    item_taste = rng.standard_normal((config.items, _DIMENSIONS))
    popularity = rng.standard_normal(config.items)
    match = config.taste_strength * (user_taste @ item_taste.T) / np.sqrt(_DIMENSIONS)
    unscaled = Population(
        user_taste=user_taste,
        item_taste=item_taste,
        popularity=popularity,
        search_habit=rng.standard_normal(config.users),
        openness=rng.standard_normal(config.users),
        independence=rng.standard_normal(config.users),
        retrieval=(0.5 * match + 0.5 * popularity).astype(np.float32),
        organic_scale=1.0,
        discovery_scale=1.0,
    )
    # The rates are means over one candidate set of every user, on an afternoon.
    user = np.arange(config.users)
    gumbel = rng.gumbel(size=unscaled.retrieval.shape)
    item = np.argsort(-(unscaled.retrieval + gumbel), axis=1)[:, : config.candidates]
    organic, discovery = _intensities(
        unscaled, config, user=user, item=item, state=np.zeros_like(item), hour=user * 0
    )
    return replace(
        unscaled,
        organic_scale=_scale_to(config.organic_rate, lambda s: -np.expm1(-s * organic)),
        discovery_scale=_scale_to(config.discovery_rate, lambda s: -np.expm1(-s * discovery)),
    )


def pair_rates(
    population: Population,
    config: WorldConfig,
    *,
    user: IntArray,
    item: IntArray,
    state: IntArray,
    hour: IntArray,
) -> Rates:
    """Return the rates of each request's candidates.

    Parameters
    ----------
    population : Population
        The traits.
    config : WorldConfig
        The world's settings.
    user : ndarray of int, shape (requests,)
        The user of each request.
    item : ndarray of int, shape (requests, candidates)
        The candidates.
    state : ndarray of int, shape (requests, candidates)
        NEW, STARTED or FINISHED, before the request.
    hour : ndarray of int, shape (requests,)
        Hour of the day of the request, 0 to 23 (UTC).

    Returns
    -------
    Rates
        Arrays of shape (requests, candidates).
    """
    organic, discovery = _intensities(
        population, config, user=user, item=item, state=state, hour=hour
    )
    # Both traits are standard normal and independent: the share of negative pairs is exact.
    reactance = (population.popularity[item] + population.independence[user][:, None]) / np.sqrt(2)
    negative = reactance > _normal_quantile(1 - config.negative_share)
    discovered = -np.expm1(-population.discovery_scale * discovery)
    return Rates(
        organic=population.organic_scale * organic,
        discovery=np.where(negative, 0.0, discovered),
        negative=negative,
    )


def _intensities(
    population: Population,
    config: WorldConfig,
    *,
    user: IntArray,
    item: IntArray,
    state: IntArray,
    hour: IntArray,
) -> tuple[Array, Array]:
    match = np.einsum("rd,rcd->rc", population.user_taste[user], population.item_taste[item])
    match *= config.taste_strength / np.sqrt(_DIMENSIONS)
    # a product of normals has heavy tails; no title is played a hundred times a day
    match = _LARGEST_MATCH * np.tanh(match / _LARGEST_MATCH)
    known = 1.3 * population.popularity[item] + 0.8 * population.search_habit[user][:, None] - 0.3
    awareness = np.where(state == NEW, 1 / (1 + np.exp(-known)), _STARTED_AWARENESS)
    organic = np.exp(match) * awareness * _ORGANIC_BY_STATE[state]
    distance = np.minimum(np.abs(hour - _EVENING), 24 - np.abs(hour - _EVENING))
    evening = _EVENING_LIFT * np.exp(-((distance / 3.0) ** 2))
    readiness = 0.4 * population.openness[user] + evening
    discovery = np.exp(match + readiness[:, None]) * (1 - awareness) * _DISCOVERY_BY_STATE[state]
    return organic, discovery


def _scale_to(rate: float, probability: Callable[[float], Array]) -> float:
    """Find the factor at which the mean probability is the wanted rate, by bisection."""
    low, high = 1e-9, 1e9
    for _ in range(80):
        middle = float(np.sqrt(low * high))
        if probability(middle).mean() < rate:
            low = middle
        else:
            high = middle
    return high


def _normal_quantile(q: float) -> float:
    if q in (0.0, 1.0):
        return float("inf") if q else float("-inf")
    return NormalDist().inv_cdf(q)
