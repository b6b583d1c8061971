"""The film world: what watching and rating suggest about being shown a film, from MovieLens.

After Sato et al. (ECIR 2021)::

    P(Y(1)) = sigmoid(predicted rating - 5)
    P(Y(0)) = predicted chance of watching
    p       = c / rank^power, with the rank of the pair's (P(Y(1)) + P(Y(0))) / 2

Popular films are watched anyway, so that a recommender which shows what will be watched can do
harm. The published world is MovieLens-100K (943 users, 1,682 films); the small set of today has 671
users and 9,066 films, most with a handful of ratings. Films with fewer than 14 ratings are left
out, which keeps 1,737 of them and 670 users.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.worlds.semisynthetic.pair_world import PairWorld
from causal_ranker.worlds.semisynthetic.rank_propensity import rank_propensity
from causal_ranker.worlds.semisynthetic.rating_factors import RatingConfig, predict_ratings
from causal_ranker.worlds.semisynthetic.sigmoid import sigmoid
from causal_ranker.worlds.semisynthetic.statistics import pair_statistics
from causal_ranker.worlds.semisynthetic.watch_factors import WatchConfig, predict_watches

__all__ = ["FilmsConfig", "films_world"]

_RATING = "rating"


class FilmsConfig(FrozenConfig):
    """How probabilities come from ratings.

    Parameters
    ----------
    film_ratings, user_ratings : int
        Least number of ratings of a film, and of a user's films that are kept.
    offset : float
        Stars at which a film that is shown is played with probability 1/2.
    recommendations : float
        Expected exposures of a user.
    power : float
        How fast exposure falls with rank.
    margin : float
        Least distance of a propensity from 1 (see `rank_propensity`).
    ratings : RatingConfig
        Settings of the rating factorisation.
    watches : WatchConfig
        Settings of the watch factorisation.
    """

    film_ratings: Annotated[int, Field(ge=1)] = 14
    user_ratings: Annotated[int, Field(ge=1)] = 10
    offset: float = 5.0
    recommendations: Annotated[float, Field(gt=0)] = 100.0
    power: Annotated[float, Field(ge=0)] = 1.0
    margin: Annotated[float, Field(ge=1e-6, lt=1)] = 1e-6
    ratings: RatingConfig = RatingConfig()
    watches: WatchConfig = WatchConfig()


def films_world(
    ratings: pd.DataFrame, *, seed: int = 0, config: FilmsConfig | None = None
) -> PairWorld:
    """Build the film world.

    Parameters
    ----------
    ratings : pandas.DataFrame
        A row per rated pair, with ``user_id``, ``item_id`` and ``rating`` in stars, such as the
        plays of `causal_ranker.logs.datasets.movielens.load_movielens`.
    seed : int, default 0
        Seed of the factorisations' first vectors.
    config : FilmsConfig, optional
        How probabilities come from ratings.

    Returns
    -------
    PairWorld
        Named ``"films"``; users and items are the ids of the table.

    Raises
    ------
    SchemaError
        If a column is missing, or ratings are no numbers.
    RowError
        If an id is null, a rating is no finite number, or a pair was rated twice.
    EmptyError
        If no film or user has enough ratings, or each user rated each film.
    ConfigError
        If there are fewer films than recommendations.
    """
    config = config or FilmsConfig()
    kept = _enough(_checked(ratings), config)
    user_code, users = pd.factorize(kept[C.USER], sort=True)
    item_code, items = pd.factorize(kept[C.ITEM], sort=True)
    given = np.zeros((len(users), len(items)), dtype=np.bool_)
    given[user_code, item_code] = True
    if given.all():
        raise EmptyError(
            expected="pairs without a rating, so that watching can be predicted",
            came=f"ratings of all {given.size} pairs",
            do="Lower film_ratings or user_ratings, or pass a table with gaps.",
        )
    stars = np.zeros(given.shape, dtype=np.float32)
    stars[user_code, item_code] = kept[_RATING].to_numpy(dtype=np.float32)
    rated = predict_ratings(stars, given, config=config.ratings, seed=seed)
    shown = sigmoid(rated - np.float32(config.offset))
    without = predict_watches(given, config=config.watches, seed=seed)
    propensity = rank_propensity(
        np.float32(0.5) * (shown + without),
        recommendations=config.recommendations,
        power=config.power,
        margin=config.margin,
    )
    return PairWorld(
        name="films",
        users=users.to_numpy(),
        items=items.to_numpy(),
        played_if_shown=shown,
        played_if_not=without,
        propensity=propensity,
        statistics=pair_statistics(shown, without, propensity=propensity)
        | {"ratings": float(len(kept))},
    )


def _checked(ratings: pd.DataFrame) -> pd.DataFrame:
    names = [C.USER, C.ITEM, _RATING]
    missing = [name for name in names if name not in ratings.columns]
    if missing:
        raise SchemaError(
            expected=f"the columns {', '.join(names)} in ratings",
            came=f"no {', '.join(missing)} among {', '.join(map(str, ratings.columns))}",
            do="Rename the columns, or read the files with load_movielens.",
        )
    table = ratings[names]
    if not pd.api.types.is_numeric_dtype(table[_RATING]):
        raise SchemaError(
            expected="numbers of stars as rating",
            came=f"a column of type {table[_RATING].dtype}",
            do="Convert it.",
        )
    stars = table[_RATING].to_numpy(dtype=np.float64, na_value=np.nan)
    bad = table.isna().any(axis=1) | ~np.isfinite(stars)
    twice = table.duplicated([C.USER, C.ITEM])
    for rows, expected in (
        (bad, "an id of user and item and a finite rating in each row"),
        (twice, "each pair of user and item once"),
    ):
        if rows.any():
            raise RowError(
                expected=expected,
                came=f"{int(rows.sum())} rows otherwise, the first {table[rows].iloc[0].to_dict()}",
                do="Mend or drop these rows.",
            )
    return table


def _enough(table: pd.DataFrame, config: FilmsConfig) -> pd.DataFrame:
    """Drop films and users with too few ratings, until nothing more falls."""
    kept = table
    while True:
        films = kept.groupby(C.ITEM)[_RATING].transform("size") >= config.film_ratings
        users = kept.groupby(C.USER)[_RATING].transform("size") >= config.user_ratings
        if (films & users).all():
            break
        kept = kept[films & users]
    if kept.empty:
        raise EmptyError(
            expected=f"films with {config.film_ratings} ratings by users with "
            f"{config.user_ratings}",
            came=f"none in {len(table)} ratings",
            do="Lower film_ratings or user_ratings.",
        )
    return kept
