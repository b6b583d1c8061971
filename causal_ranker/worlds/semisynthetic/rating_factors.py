"""Predicted ratings of every (user, film) pair, from those that were given."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.seeds import stage_rng

__all__ = ["RatingConfig", "predict_ratings"]


class RatingConfig(FrozenConfig):
    """Settings of the rating factorisation.

    The defaults were chosen once on the small MovieLens set (670 users, 1,737 films): fitted on
    nine tenths of its ratings, they predict the last tenth with a root mean squared error of .837
    stars. 10 to 14 as penalty gave .837 to .841, 32 factors .837, 8 factors .841; twice as many
    sweeps changed nothing by more than .003.

    Parameters
    ----------
    factors : int
        Length of a user's and of a film's vector.
    l2 : float
        Penalty on the squares of vectors and biases, per user and per film.
    sweeps : int
        Times that users and films are solved in turn.
    """

    factors: Annotated[int, Field(ge=1)] = 16
    l2: Annotated[float, Field(gt=0)] = 12.0
    sweeps: Annotated[int, Field(ge=1)] = 20


def predict_ratings(
    rating: NDArray[np.float32],
    given: NDArray[np.bool_],
    *,
    config: RatingConfig | None = None,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return ``mean + b_u + c_i + x_u . y_i``, fitted by alternating ridge regressions.

    Each sweep solves every user's bias and vector exactly with the films held, and then the
    other way round, so that the penalised squared error never rises.

    Parameters
    ----------
    rating : ndarray of float32, shape (n_users, n_films)
        In stars; read only where `given`.
    given : ndarray of bool, shape (n_users, n_films)
        Which pairs were rated; at least one.
    config : RatingConfig, optional
        Settings.
    seed : int, default 0
        Seed of the first vectors.

    Returns
    -------
    ndarray of float32, shape (n_users, n_films)
        In stars, of every pair; not clipped to the range of `rating`.
    """
    config = config or RatingConfig()
    rng = stage_rng(seed, "semisynthetic/films/ratings")
    mean = float(rating[given].mean(dtype=np.float64))
    weight = given.astype(np.float32)
    centred = np.where(given, rating - np.float32(mean), np.float32(0))
    n_users, n_films = given.shape
    # a row is (bias, vector)
    user = np.zeros((n_users, config.factors + 1), dtype=np.float32)
    film = rng.normal(scale=0.1, size=(n_films, config.factors + 1)).astype(np.float32)
    film[:, 0] = 0
    for _ in range(config.sweeps):
        user = _ridge(centred, weight, film, l2=config.l2)
        film = _ridge(centred.T, weight.T, user, l2=config.l2)
    return np.float32(mean) + user[:, :1] + film[:, 0] + user[:, 1:] @ film[:, 1:].T


def _ridge(
    target: NDArray[np.float32],
    weight: NDArray[np.float32],
    other: NDArray[np.float32],
    *,
    l2: float,
) -> NDArray[np.float32]:
    """Bias and vector of each row of `target`, with those of the columns held."""
    design = other.copy()
    design[:, 0] = 1
    width = design.shape[1]
    squares = (design[:, :, None] * design[:, None, :]).reshape(len(design), width * width)
    gram = (weight @ squares).reshape(-1, width, width) + l2 * np.eye(width, dtype=np.float32)
    right = (weight * (target - other[:, 0])) @ design
    solved: NDArray[np.float64] = np.linalg.solve(
        gram.astype(np.float64), right.astype(np.float64)[:, :, None]
    )
    return solved[:, :, 0].astype(np.float32)
