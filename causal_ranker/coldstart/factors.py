"""Embeddings of users and warm items from who liked what, by weighted least squares.

For those who have no recommender with embeddings: weighted alternating least squares on implicit
feedback (Hu, Koren and Volinsky, ICDM 2008).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from causal_ranker.coldstart.model import WarmEmbeddings
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import EmptyError
from causal_ranker.seeds import stage_rng

__all__ = ["FactorConfig", "factorise"]

_BLOCK = 512


class FactorConfig(FrozenConfig):
    """Settings of the factorisation.

    Parameters
    ----------
    width : int
        Length of an embedding.
    weight : float
        A positive counts 1 + weight times as much as any other pair.
    l2 : float
        Penalty on each embedding, times the sum of its weights.
    rounds : int
        Each solves for users, then for items.
    seed : int
        Decides where it starts.
    """

    width: int = Field(default=64, ge=1)
    weight: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    l2: float = Field(default=0.01, gt=0, allow_inf_nan=False)
    rounds: int = Field(default=6, ge=1)
    seed: int = Field(default=0, ge=0)


def factorise(interactions: Audience, *, config: FactorConfig | None = None) -> WarmEmbeddings:
    """Learn embeddings whose product is near 1 for positives and 0 for all other pairs.

    ``min sum_ui (1 + w x_ui) (x_ui - p_u q_i)^2 + l2 (sum_u n_u |p_u|^2 + sum_i n_i |q_i|^2)``
    with ``n`` the sum of the weights in the row or column.

    Parameters
    ----------
    interactions : Audience
        Positives, shape (n_users, n_warm).
    config : FactorConfig, optional
        Settings.

    Returns
    -------
    WarmEmbeddings
        Users and items; zeros for a user or item without positives.

    Raises
    ------
    EmptyError
        If there is no positive.
    """
    config = config or FactorConfig()
    matrix = interactions.matrix
    if not matrix.nnz:
        raise EmptyError(
            expected="at least one pair of user and warm item",
            came="none",
            do="Check that the pairs are of warm items.",
        )
    columns = csr_array(matrix.T)
    items = stage_rng(config.seed, "factors").normal(
        scale=1 / np.sqrt(config.width), size=(matrix.shape[1], config.width)
    )
    for _ in range(config.rounds):
        users = _solve(matrix, items, config=config)
        items = _solve(columns, users, config=config)
    return WarmEmbeddings(users.astype(np.float32), items.astype(np.float32))


def _solve(
    matrix: csr_array, others: NDArray[np.float64], *, config: FactorConfig
) -> NDArray[np.float64]:
    """Solve for the embedding of each row of the matrix, the other side held."""
    width = config.width
    first, second = np.triu_indices(width)
    # The Gram matrix of a row's positives is a sum of outer products: one sparse product makes
    # those of a block of rows, upper halves only.
    outer = (others[:, first] * others[:, second]).astype(np.float32)
    shared = others.T @ others
    solved = np.zeros((matrix.shape[0], width))
    for start in range(0, matrix.shape[0], _BLOCK):
        part = matrix[start : start + _BLOCK]
        weights = matrix.shape[1] + config.weight * np.diff(part.indptr)
        gram = np.empty((part.shape[0], width, width))
        gram[:, first, second] = config.weight * (part.astype(np.float32) @ outer)
        gram[:, second, first] = gram[:, first, second]
        gram += shared
        gram[:, np.arange(width), np.arange(width)] += (config.l2 * weights)[:, None]
        right = (1 + config.weight) * (part @ others)
        solved[start : start + _BLOCK] = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
    return solved
