"""What the service knows about users and items: noisy views of their latent traits."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.tastes import Population
from causal_ranker.worlds.visits import DEVICES, Habits

__all__ = ["GENRES", "item_table", "user_table"]

GENRES: Final = ("comedy", "crime", "documentary", "drama", "family", "science fiction")
_NOISE = 0.5  # standard deviation, beside traits of standard deviation 1


def user_table(population: Population, habits: Habits, *, rng: np.random.Generator) -> pd.DataFrame:
    """Return the users' covariates.

    Parameters
    ----------
    population : Population
        The traits.
    habits : Habits
        Of users.
    rng : numpy.random.Generator
        For the noise.

    Returns
    -------
    pandas.DataFrame
        `user_id`, `favourite_genre` (largest noisy taste), `tenure_days` (rises with the habit
        of searching), `taste_breadth` (rises with openness), `skip_rate` (rises with
        independence) and `main_device`.
    """
    users = population.search_habit.size
    return pd.DataFrame(
        {
            C.USER: np.arange(users),
            "favourite_genre": _genre(population.user_taste, rng),
            "tenure_days": np.round(np.exp(5.5 + 0.8 * _seen(population.search_habit, rng))),
            "taste_breadth": _seen(population.openness, rng),
            "skip_rate": 1 / (1 + np.exp(-_seen(population.independence, rng))),
            "main_device": pd.Series([DEVICES[code] for code in habits.device], dtype="str"),
        }
    )


def item_table(population: Population, rng: np.random.Generator) -> pd.DataFrame:
    """Return the items' covariates.

    Parameters
    ----------
    population : Population
        The traits.
    rng : numpy.random.Generator
        For the noise.

    Returns
    -------
    pandas.DataFrame
        `item_id`, `genre` (largest noisy taste), `buzz` (noisy popularity), `minutes` and
        `release_year`, which say nothing about plays.
    """
    items = population.popularity.size
    return pd.DataFrame(
        {
            C.ITEM: np.arange(items),
            "genre": _genre(population.item_taste, rng),
            "buzz": _seen(population.popularity, rng),
            "minutes": rng.integers(30, 151, items),
            "release_year": rng.integers(1990, 2026, items),
        }
    )


def _seen(trait: Array, rng: np.random.Generator) -> Array:
    noisy: Array = trait + _NOISE * rng.standard_normal(trait.shape)
    return noisy


def _genre(taste: NDArray[np.float64], rng: np.random.Generator) -> pd.Series:
    return pd.Series([GENRES[code] for code in _seen(taste, rng).argmax(axis=1)], dtype="str")
