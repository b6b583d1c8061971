"""Pairs of users and items that were shown, played, or both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interactions", "from_dense"]


@dataclass(frozen=True)
class Interactions:
    """Pairs that were shown, or played, or both; every other pair was neither.

    Parameters
    ----------
    user, item : ndarray of int32, shape (n,)
        Codes from 0.
    exposed, played : ndarray of bool, shape (n,)
        T and Y.
    propensity : ndarray of float64, shape (n,)
        P(T=1), in (0, 1); NaN throughout where unknown.
    n_users, n_items : int
        How many codes there are.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    exposed: NDArray[np.bool_]
    played: NDArray[np.bool_]
    propensity: NDArray[np.float64]
    n_users: int
    n_items: int


def from_dense(
    exposed: NDArray[np.bool_],
    played: NDArray[np.bool_],
    *,
    propensity: NDArray[np.floating] | None = None,
) -> Interactions:
    """List the pairs of two matrices.

    Parameters
    ----------
    exposed, played : ndarray of bool, shape (n_users, n_items)
        T and Y.
    propensity : ndarray, shape (n_users, n_items), optional
        P(T=1).

    Returns
    -------
    Interactions
        The pairs that were shown or played.
    """
    user, item = np.nonzero(exposed | played)
    known = np.full(user.size, np.nan) if propensity is None else propensity[user, item]
    return Interactions(
        user.astype(np.int32),
        item.astype(np.int32),
        exposed[user, item],
        played[user, item],
        np.asarray(known, dtype=np.float64),
        exposed.shape[0],
        exposed.shape[1],
    )
