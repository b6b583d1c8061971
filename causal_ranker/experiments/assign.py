"""Sticky assignment: the same user is in the same arm, on every machine, without a table.

A user's place is a salted hash of the id (`causal_ranker.stats.hashing`), so that an assignment
can be made again, exactly, from names and shares alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, RowError
from causal_ranker.stats._arrays import same_size
from causal_ranker.stats.hashing import uniform_hash

__all__ = ["Layer", "assign_arms", "assign_within_strata", "enrolled"]


class Layer(FrozenConfig):
    """Experiments that share no user; those of two layers are independent of each other.

    Parameters
    ----------
    name : str
        Names the layer, and salts it.
    slots : dict of str to tuple of float
        By experiment: its part ``[from, to)`` of the layer, in [0, 1]. What is left over is for
        experiments to come: a slot can be given away without moving anybody in the others.
    holdout : float
        Share of users in no experiment of any layer of this holdout.
    holdout_name : str
        Salts the holdout: layers of one name and share hold out the same users.

    Raises
    ------
    ConfigError
        If a slot is not a part of [0, 1], or two overlap.
    """

    name: str
    slots: dict[str, tuple[float, float]]
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    holdout_name: str = "holdout"

    @model_validator(mode="after")
    def _apart(self) -> Self:
        last, before = 0.0, "the layer's edge"
        for name, (start, stop) in sorted(self.slots.items(), key=lambda slot: slot[1]):
            if not last <= start < stop <= 1 or name in {"", "holdout"}:
                raise ConfigError(
                    expected="slots [from, to) of [0, 1] that do not overlap, of named experiments",
                    came=f"{name!r} from {start} to {stop} after {before!r} up to {last}",
                    do="Give each experiment a part of its own.",
                )
            last, before = stop, name
        return self

    def experiment_of(self, users: ArrayLike) -> NDArray[np.str_]:
        """Say which experiment of the layer each user is offered to.

        Parameters
        ----------
        users : array_like of int or str, shape (n,)
            Ids.

        Returns
        -------
        ndarray of str, shape (n,)
            The experiment's name, "holdout", or "" for nobody's slot.

        Raises
        ------
        SchemaError, RowError
            If ids are missing, or neither integers nor strings.
        """
        place = uniform_hash(users, salt=f"layer|{self.name}")
        held = uniform_hash(users, salt=f"holdout|{self.holdout_name}") < self.holdout
        inside = [(place >= start) & (place < stop) for start, stop in self.slots.values()]
        return np.select([held, *inside], ["holdout", *self.slots], default="")


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
        Share of each arm, in order; they sum to 1.

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
    return _arms(uniform_hash(users, salt=_salt(experiment)), shares)


def assign_within_strata(
    users: ArrayLike, strata: ArrayLike, *, experiment: str, shares: Mapping[str, float]
) -> NDArray[np.str_]:
    """Assign a fixed list of users so that each stratum has the arms' shares, to within a user.

    Users of a stratum stand in the order of their hashes, and arms take turns along it. The order
    of the list does not matter, but who is on it does: for users who come one by one, assign by
    hash alone and stratify when reading (`ReadoutConfig.strata`), which is as good in large
    strata.

    Parameters
    ----------
    users : array_like of int or str, shape (n,)
        Ids, each once.
    strata : array_like of int or str, shape (n,)
        What each user's stratum was before the test.
    experiment : str
        Name of the experiment, which is the salt.
    shares : mapping of str to float
        Share of each arm, in order; they sum to 1. Each user has an arm with its share as chance.

    Returns
    -------
    ndarray of str, shape (n,)
        Each user's arm.

    Raises
    ------
    ConfigError
        If the shares are not positive or do not sum to 1.
    SchemaError, RowError
        If ids are missing, twice there, or neither integers nor strings.
    """
    place = uniform_hash(users, salt=_salt(experiment))
    ids = np.asarray(users)
    if (repeats := ids.size - np.unique(ids).size) > 0:
        raise RowError(
            expected="each user once", came=f"{repeats} repeats", do="Drop the duplicates."
        )
    names, code, count = np.unique(np.asarray(strata), return_inverse=True, return_counts=True)
    same_size(ids.size, strata=code)
    order = np.lexsort((place, code))
    rank = np.empty(ids.size)
    rank[order] = np.arange(ids.size) - np.repeat(np.cumsum(count) - count, count)
    # Strata round in directions of their own, so that small ones do not all favour one arm.
    start = uniform_hash(names, salt=f"{_salt(experiment)}|strata")
    return _arms((rank + start[code]) / count[code], shares)


def enrolled(
    users: ArrayLike, strata: ArrayLike, *, experiment: str, shares: Mapping[str, float]
) -> NDArray[np.bool_]:
    """Say who takes part where strata, such as countries, enter with shares of their own.

    Parameters
    ----------
    users : array_like of int or str, shape (n,)
        Ids.
    strata : array_like of str, shape (n,)
        Each user's stratum.
    experiment : str
        Name of the experiment, which is the salt; arms are independent of it.
    shares : mapping of str to float
        By stratum: share of its users that take part; nobody of a stratum that is not named.

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether the user takes part. Raising a share takes users in and none out.

    Raises
    ------
    ConfigError
        If a share is not in [0, 1].
    SchemaError, RowError
        If ids are missing, or neither integers nor strings.
    """
    if not all(0 <= share <= 1 for share in shares.values()):
        raise ConfigError(
            expected="shares of strata in [0, 1]",
            came=", ".join(f"{name}: {share:g}" for name, share in shares.items()),
            do="Give the share of each stratum's users that take part.",
        )
    place = uniform_hash(users, salt=f"enrolled|{experiment}")
    names, code = np.unique(np.asarray(strata), return_inverse=True)
    same_size(place.size, strata=code)
    return np.asarray(place < np.array([shares.get(str(name), 0.0) for name in names])[code])


def _salt(experiment: str) -> str:
    return f"arm|{experiment}"


def _arms(place: NDArray[np.float64], shares: Mapping[str, float]) -> NDArray[np.str_]:
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise ConfigError(
            expected="positive shares of the arms that sum to 1",
            came=", ".join(f"{arm}: {share:g}" for arm, share in shares.items()) or "no arm",
            do="Give what is left over to a control arm.",
        )
    edges = np.cumsum(list(shares.values()))[:-1]
    return np.array(list(shares))[np.searchsorted(edges, place, side="right")]
