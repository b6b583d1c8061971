"""Ranking metrics where the truth tau = Y(1) - Y(0) is known, as in the simulated worlds.

With logs only see `causal_ranker.stats.logged_ranking`, which puts an estimate in place of tau.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.stats._arrays import float_vector, same_size
from causal_ranker.stats._codes import rank_vector, request_codes
from causal_ranker.stats.curves import uplift_at_k

__all__ = ["car", "cdcg", "cp_at_k"]


def cp_at_k(tau: ArrayLike, rank: ArrayLike, request: ArrayLike, *, k: int) -> float:
    """Return the causal precision ``CP@K = (1/U) sum_u sum_{rank <= K} tau_ui / K``.

    Source: Sato et al., RecSys 2020.

    Parameters
    ----------
    tau : array_like, shape (n,)
        Uplift of each row, in plays per exposure.
    rank : array_like, shape (n,)
        Rank within the request, from 1.
    request : array_like of int, shape (n,)
        Codes 0 .. U-1 of the requests (or users), each with a row.
    k : int
        Slots, K.

    Returns
    -------
    float
        Extra plays per slot.

    Raises
    ------
    ConfigError
        If k is not a whole number of at least 1, or is above every rank.
    RowError
        If a rank is below 1 or used twice, or a request code has no row.
    """
    return float(uplift_at_k(rank, tau, request, k=k).mean())


def cdcg(tau: ArrayLike, rank: ArrayLike, request: ArrayLike) -> float:
    """Return the causal DCG ``(1/U) sum_u sum_i tau_ui / log2(1 + rank_ui)``.

    The sum runs over the whole ranking. Source: Sato et al., RecSys 2020.

    Parameters
    ----------
    tau, rank, request
        As in `cp_at_k`.

    Returns
    -------
    float
        Discounted extra plays per request.

    Raises
    ------
    RowError
        If a rank is below 1, or a request code has no row.
    """
    values, ranks = float_vector(tau, name="tau"), rank_vector(rank)
    codes, count = request_codes(request)
    same_size(values.size, rank=ranks, request=codes)
    return float((values / np.log2(1.0 + ranks)).sum() / count)


def car(tau: ArrayLike, rank: ArrayLike) -> float:
    """Return the causal average rank ``mean(tau * rank)``; lower is better.

    Source: Sato et al., RecSys 2020.

    Parameters
    ----------
    tau, rank
        As in `cp_at_k`.

    Returns
    -------
    float
        In plays times ranks, per row.

    Raises
    ------
    RowError
        If a rank is below 1.
    """
    values, ranks = float_vector(tau, name="tau"), rank_vector(rank)
    same_size(values.size, rank=ranks)
    return float((values * ranks).mean())
