"""Even draws from classes of pairs: shown and played, shown only, played only, neither."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError
from causal_ranker.uplift.collaborative.absent import AbsentPairs
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["ListedPairs", "Pairs", "Strata", "batches", "require_pairs", "strata_of"]

Codes = NDArray[np.int32]

#: Draws made in one go: enough to spare NumPy's overhead, few enough to stay near the processor.
_BATCH: Final = 2**16


class Pairs(Protocol):
    """A set of pairs to draw from."""

    @property
    def size(self) -> int:
        """How many pairs there are."""
        ...

    def draw(self, count: int, *, rng: np.random.Generator) -> tuple[Codes, Codes]:
        """Draw pairs evenly, with replacement.

        Parameters
        ----------
        count : int
            How many.
        rng : numpy.random.Generator
            Decides the draws.

        Returns
        -------
        user, item : ndarray of int32, shape (count,)
            The pairs drawn.
        """
        ...


@dataclass(frozen=True)
class ListedPairs:
    """Pairs that are given one by one.

    Parameters
    ----------
    user, item : ndarray of int32, shape (n,)
        Codes.
    """

    user: Codes
    item: Codes

    @classmethod
    def of(cls, interactions: Interactions, chosen: NDArray[np.bool_]) -> ListedPairs:
        """Take some of the pairs.

        Parameters
        ----------
        interactions : Interactions
            All pairs.
        chosen : ndarray of bool, shape (n,)
            Which.

        Returns
        -------
        ListedPairs
            Those chosen, in their order.
        """
        return cls(interactions.user[chosen], interactions.item[chosen])

    @property
    def size(self) -> int:
        """How many pairs there are."""
        return self.user.size

    def draw(self, count: int, *, rng: np.random.Generator) -> tuple[Codes, Codes]:
        """Draw pairs evenly, with replacement.

        Parameters
        ----------
        count : int
            How many.
        rng : numpy.random.Generator
            Decides the draws.

        Returns
        -------
        user, item : ndarray of int32, shape (count,)
            The pairs drawn.
        """
        at = rng.integers(self.size, size=count)
        return self.user[at], self.item[at]


class Strata:
    """Draws a class first, by its share, then a pair of it evenly.

    Parameters
    ----------
    pairs : sequence of Pairs
        Classes.
    shares : sequence of float
        Share of draws of each class. An empty class gives its share to the others, in proportion.
    """

    def __init__(self, pairs: Sequence[Pairs], *, shares: Sequence[float]) -> None:
        self._pairs = tuple(pairs)
        here = np.where([each.size > 0 for each in pairs], shares, 0.0)
        self._ends = np.cumsum(here / here.sum())
        # The last class that has pairs ends at 1, whatever the sum was rounded to.
        self._ends[np.flatnonzero(here)[-1] :] = 1.0

    def draw(
        self, count: int, *, rng: np.random.Generator
    ) -> tuple[Codes, Codes, NDArray[np.intp]]:
        """Draw pairs, with replacement.

        Parameters
        ----------
        count : int
            How many.
        rng : numpy.random.Generator
            Decides the draws.

        Returns
        -------
        user, item : ndarray of int32, shape (count,)
            The pairs drawn.
        stratum : ndarray of int, shape (count,)
            The class of each, by its place in the sequence.
        """
        stratum = np.searchsorted(self._ends, rng.random(count), side="right")
        user, item = np.empty((2, count), dtype=np.int32)
        for number, pairs in enumerate(self._pairs):
            at = np.flatnonzero(stratum == number)
            if at.size:
                user[at], item[at] = pairs.draw(at.size, rng=rng)
        return user, item, stratum


def strata_of(interactions: Interactions) -> tuple[Pairs, Pairs, Pairs, Pairs]:
    """Split all pairs by what happened to them.

    Parameters
    ----------
    interactions : Interactions
        Who was shown and who played what.

    Returns
    -------
    tuple of Pairs
        Shown and played, shown only, played only, and neither: R-P, R-NP, NR-P and NR-NP in the
        papers.
    """
    t, y = interactions.exposed, interactions.played
    shown_played, shown_only, played_only = (
        ListedPairs.of(interactions, chosen) for chosen in (t & y, t & ~y, ~t & y)
    )
    neither = AbsentPairs(
        interactions.keys, n_users=interactions.n_users, n_items=interactions.n_items
    )
    return shown_played, shown_only, played_only, neither


def require_pairs(pairs: Pairs, *, what: str, by: str) -> None:
    """Refuse a class that a method cannot do without.

    Parameters
    ----------
    pairs : Pairs
        The class.
    what : str
        What its pairs are.
    by : str
        The method.

    Raises
    ------
    EmptyError
        If it has no pairs.
    """
    if not pairs.size:
        raise EmptyError(
            expected=f"pairs that were {what}, which {by} learns from",
            came="none",
            do="Give more logs, or take a method that does without.",
        )


def batches(total: int) -> Iterator[slice]:
    """Cut an epoch into parts.

    Parameters
    ----------
    total : int
        Draws of the epoch.

    Yields
    ------
    slice
        Places of the draws of a part.
    """
    for start in range(0, total, _BATCH):
        yield slice(start, min(start + _BATCH, total))
