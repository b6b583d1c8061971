"""Sticky assignment: the same user is in the same arm, on every machine, without a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError
from causal_ranker.stats.hashing import uniform_hash

__all__ = ["assign_arms", "in_layer"]


def assign_arms(
    users: ArrayLike, *, experiment: str, shares: Mapping[str, float]
) -> NDArray[np.str_]:
    """Assign each user to an arm by a salted hash of the id.

    Parameters
    ----------
    users : array_like of int or str, shape (n,)
        Ids.
    experiment : str
        Name of the experiment, which is the salt: other experiments are independent of it.
    shares : mapping of str to float
        Share of each arm, in order; they sum to 1. A holdout is an arm like any other.

    Returns
    -------
    ndarray of str, shape (n,)
        Each user's arm. Raising the first arm's share moves users into it and none out of it.

    Raises
    ------
    ConfigError
        If the shares are not positive or do not sum to 1.
    SchemaError, RowError
        If ids are missing, or neither integers nor strings.
    """
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise ConfigError(
            expected="positive shares of the arms that sum to 1",
            came=", ".join(f"{arm}: {share:g}" for arm, share in shares.items()) or "no arm",
            do="Give what is left over to a control arm.",
        )
    edges = np.cumsum(list(shares.values()))[:-1]
    at = np.searchsorted(edges, uniform_hash(users, salt=f"arm|{experiment}"), side="right")
    return np.array(list(shares))[at]


def in_layer(users: ArrayLike, *, layer: str, slot: tuple[float, float]) -> NDArray[np.bool_]:
    """Say which users a layer offers to one of its mutually exclusive experiments.

    Parameters
    ----------
    users : array_like of int or str, shape (n,)
        Ids.
    layer : str
        Name of the layer: experiments of one layer share no user, those of two are independent.
    slot : tuple of float
        The experiment's part ``[from, to)`` of the layer, in [0, 1].

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether the user is offered to it.

    Raises
    ------
    ConfigError
        If the slot is not a part of [0, 1].
    SchemaError, RowError
        If ids are missing, or neither integers nor strings.
    """
    start, stop = slot
    if not 0 <= start < stop <= 1:
        raise ConfigError(
            expected="a slot (from, to) with 0 <= from < to <= 1",
            came=f"{slot}",
            do="Choose a part.",
        )
    place = uniform_hash(users, salt=f"layer|{layer}")
    return np.asarray((place >= start) & (place < stop))
