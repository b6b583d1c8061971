"""Where the features of a request come from: one question, one answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeatureLayout", "FeatureRows", "FeatureStore"]


@dataclass(frozen=True, eq=False)
class FeatureLayout:
    """What the columns of a store are.

    Parameters
    ----------
    users, items, pairs : tuple of str
        Names of the features of a user, of an item, and of the two together.
    default : ndarray of float64, shape (pair features,)
        Values of a pair that nothing is known of.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    pairs: tuple[str, ...]
    default: NDArray[np.float64]

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that differ where anything of the layout does."""
        default = [float(value).hex() for value in self.default]
        told = json.dumps([self.users, self.items, self.pairs, default])
        return hashlib.sha256(told.encode()).hexdigest()[:12]


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """What a store knows of one user and some items.

    Parameters
    ----------
    user : ndarray of float64, shape (user features,), or None
        The user's own features; ``None`` where the user is not known.
    items : ndarray of float64, shape (n, item features)
        Features of the items; NaN where an item is not known.
    pairs : ndarray of float64, shape (n, pair features)
        Features of the user with each item; the layout's default where there are none.
    known : ndarray of bool, shape (n,)
        Whether the store knows the item.
    """

    user: NDArray[np.float64] | None
    items: NDArray[np.float64]
    pairs: NDArray[np.float64]
    known: NDArray[np.bool_]

    def at(self, places: NDArray[np.intp]) -> FeatureRows:
        """Keep some of the items.

        Parameters
        ----------
        places : ndarray of int, shape (m,)
            Their places.

        Returns
        -------
        FeatureRows
            What is known of the same user and those m items.
        """
        return FeatureRows(self.user, self.items[places], self.pairs[places], self.known[places])


class FeatureStore(Protocol):
    """Anything that knows the features of users, items and pairs."""

    @property
    def layout(self) -> FeatureLayout:
        """What its columns are."""
        ...

    def read(self, user: int | str, items: Sequence[int | str]) -> FeatureRows:
        """Look up all that one request needs.

        Parameters
        ----------
        user : int or str
            The user's id.
        items : sequence of int or str
            Item ids, each once.

        Returns
        -------
        FeatureRows
            What is known; a user or an item that is not known is no error.

        Raises
        ------
        UpstreamError
            If a store elsewhere does not answer in time, or with something else.
        """
        ...
