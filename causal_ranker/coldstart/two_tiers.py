"""A list in two tiers: the first places for the user, the places behind them for the items.

Utility is made at the head of a list, and most of what an item lacks is to be found at all. The
head stays as it was. Behind it items come by how much they like the user, so to speak: the user's
score for the item, standardised over all users. Every item then has the same share of users for
whom it comes first, whatever the level of its scores, and finds them among those who score it
highest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.ranking import ranks_of, rows_at_once
from causal_ranker.coldstart.scores import Scores
from causal_ranker.errors import ConfigError

__all__ = ["TwoTiers", "two_tiers"]


@dataclass(frozen=True)
class TwoTiers:
    """Scores whose order is that of the two tiers.

    Parameters
    ----------
    scores : Scores
        What the head is ordered by.
    head : int
        Its length.
    mean, spread : numpy.ndarray
        Shape (n_items,): mean and standard deviation of each item's scores over users.
    """

    scores: Scores
    head: int
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return self.scores.shape

    def block(self, start: int, stop: int) -> NDArray[np.float32]:
        """Score every item for some users.

        Parameters
        ----------
        start, stop : int
            The first user, and the one behind the last.

        Returns
        -------
        numpy.ndarray
            Shape (stop - start, n_items): minus the rank, a whole number.
        """
        scores = self.scores.block(start, stop)
        ranks = ranks_of(scores, first_user=start)
        behind = ranks_of(((scores - self.mean) / self.spread).astype(np.float32))
        # All of the head is before all that is behind it.
        place = np.where(ranks <= self.head, ranks, scores.shape[1] + behind)
        return (-place).astype(np.float32)


def two_tiers(scores: Scores, *, head: int = 30) -> TwoTiers:
    """Keep the head of each list, and let the items choose behind it.

    Parameters
    ----------
    scores : Scores
        Of any recommender, made fairer before or not.
    head : int
        Length of the head: lists up to this length stay as they are.

    Returns
    -------
    TwoTiers
        Scores in the new order. An item that all users score alike has no preference, and stands
        behind the head as if it were of average interest to everybody.

    Raises
    ------
    ConfigError
        If the head is negative, or there are more items than single precision tells apart.
    RowError
        If a score is NaN or infinite.
    """
    n_users, n_items = scores.shape
    if not (head >= 0 and 2 * n_items < 1 << 24):
        raise ConfigError(
            expected="a head of length 0 or more, and fewer than 8 million items",
            came=f"a head of {head}, and {n_items} items",
            do="Choose for example 30, and rank candidates rather than a whole catalogue.",
        )
    total, squares = np.zeros(n_items), np.zeros(n_items)
    first = scores.block(0, 1)[0].astype(np.float64)  # near the mean: squares stay precise
    step = rows_at_once(n_items)
    for start in range(0, n_users, step):
        apart = scores.block(start, start + step) - first
        total += apart.sum(axis=0)
        squares += np.square(apart).sum(axis=0)
    mean = total / n_users
    spread = np.sqrt(np.maximum(squares / n_users - mean**2, 0))
    spread[spread == 0] = 1.0
    return TwoTiers(scores, head, mean + first, spread)
