"""Pairs of users and items that were shown, played, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Interactions", "from_dense"]

_TYPES: Final = {
    "user": np.dtype(np.int32),
    "item": np.dtype(np.int32),
    "exposed": np.dtype(np.bool_),
    "played": np.dtype(np.bool_),
    "propensity": np.dtype(np.float64),
}


@dataclass(frozen=True)
class Interactions:
    """Pairs that were shown, or played, or both; every other pair was neither.

    The order of pairs is kept: with equal seeds, models of the same pairs in the same order are
    equal to the last byte.

    Parameters
    ----------
    user, item : ndarray of int32, shape (n,)
        Codes, 0 .. n_users - 1 and 0 .. n_items - 1. Codes without a pair may be.
    exposed, played : ndarray of bool, shape (n,)
        T, the item was shown to the user; Y, the user played it.
    propensity : ndarray of float64, shape (n,)
        P(T = 1), strictly between 0 and 1; NaN where unknown. Methods that need one refuse NaN.
    n_users, n_items : int
        How many codes there are.

    Raises
    ------
    SchemaError
        If an array is of another type, or they differ in length.
    ConfigError
        If there are no users or no items.
    RowError
        If a code is out of range, a pair comes twice, or was neither shown nor played, or a
        propensity is known and not strictly between 0 and 1.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    exposed: NDArray[np.bool_]
    played: NDArray[np.bool_]
    propensity: NDArray[np.float64]
    n_users: int
    n_items: int

    def __post_init__(self) -> None:
        self._check_types()
        for name, codes, count in (
            ("user", self.user, self.n_users),
            ("item", self.item, self.n_items),
        ):
            _refuse(
                (codes < 0) | (codes >= count),
                codes,
                expected=f"{name} codes from 0 to {count - 1}",
                do=f"Code the {name}s anew, or raise n_{name}s.",
            )
        p = self.propensity
        _refuse(
            ~(np.isnan(p) | ((p > 0) & (p < 1))),
            p,
            expected="propensities strictly between 0 and 1, or NaN where unknown",
            do="Check how they were logged or estimated: no weight makes up for an arm that "
            "cannot be.",
        )
        _refuse(
            ~(self.exposed | self.played),
            self.user,
            expected="pairs that were shown, played, or both",
            do="Leave the others out: what is not listed was neither.",
        )
        order = np.argsort(self.keys, kind="stable")
        again = np.zeros(len(self), dtype=np.bool_)
        again[order[1:]] = self.keys[order[1:]] == self.keys[order[:-1]]
        _refuse(
            again,
            self.user,
            expected="each pair of user and item once",
            do="Put the rows of a pair together: shown if any was, played if any was.",
        )

    def __len__(self) -> int:
        return len(self.user)

    @property
    def keys(self) -> NDArray[np.int64]:
        """One number for each pair, ``user * n_items + item``, shape (n,)."""
        return self.user.astype(np.int64) * self.n_items + self.item

    def matrix(self, chosen: NDArray[np.bool_]) -> csr_array:
        """Put 1 where the chosen pairs are.

        Parameters
        ----------
        chosen : ndarray of bool, shape (n,)
            Which of the pairs.

        Returns
        -------
        scipy.sparse.csr_array
            Of float32, shape (n_users, n_items).
        """
        from scipy.sparse import csr_array

        ones = np.ones(int(chosen.sum()), dtype=np.float32)
        places = self.user[chosen], self.item[chosen]
        return csr_array((ones, places), shape=(self.n_users, self.n_items))

    def _check_types(self) -> None:
        for name, dtype in _TYPES.items():
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != dtype:
                raise SchemaError(
                    expected=f"an array of {dtype} as '{name}' of interactions",
                    came=str(getattr(array, "dtype", type(array).__name__)),
                    do=f"Convert it: np.asarray({name}, dtype=np.{dtype.name}).",
                )
            if array.shape != self.user.shape or array.ndim != 1:
                raise SchemaError(
                    expected=f"one value of '{name}' a pair, as there are {self.user.size} users",
                    came=f"shape {array.shape}",
                    do="Give arrays of one length.",
                )
        for name in ("n_users", "n_items"):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
                raise ConfigError(
                    expected=f"a whole number of at least 1 as {name}",
                    came=repr(count),
                    do="Count the codes, those without a pair among them.",
                )


def from_dense(
    exposed: NDArray[np.bool_],
    played: NDArray[np.bool_],
    *,
    propensity: NDArray[np.floating[Any]] | None = None,
) -> Interactions:
    """List the pairs of matrices.

    Parameters
    ----------
    exposed, played : ndarray of bool, shape (n_users, n_items)
        T and Y of every pair.
    propensity : ndarray of float, shape (n_users, n_items), optional
        P(T = 1) of every pair; unknown by default.

    Returns
    -------
    Interactions
        The pairs that were shown or played, by user, then by item.

    Raises
    ------
    SchemaError
        If the matrices differ in shape, or T and Y are not of type bool.
    RowError
        If a listed propensity is not strictly between 0 and 1.
    """
    shapes = {
        "exposed": np.shape(exposed),
        "played": np.shape(played),
        "propensity": np.shape(exposed if propensity is None else propensity),
    }
    if len(set(shapes.values())) > 1 or np.ndim(exposed) != 2:
        raise SchemaError(
            expected="matrices of one shape, users by items",
            came=str(shapes),
            do="Give a row for each user, and a column for each item.",
        )
    user, item = np.nonzero(exposed | played)
    known = np.full(user.size, np.nan) if propensity is None else propensity[user, item]
    return Interactions(
        user.astype(np.int32),
        item.astype(np.int32),
        exposed[user, item],
        played[user, item],
        np.asarray(known, dtype=np.float64),
        *exposed.shape,
    )


def _refuse(bad: NDArray[np.bool_], values: NDArray[Any], *, expected: str, do: str) -> None:
    if bad.any():
        first = np.flatnonzero(bad)[:3]
        raise RowError(
            expected=expected,
            came=f"{int(bad.sum())} of {bad.size} pairs without, e.g. {values[first].tolist()} in "
            f"rows {first.tolist()}",
            do=do,
        )
