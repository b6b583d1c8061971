"""Who could see what in the mailers of the stores they visited, and what they bought, by weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PairCounts", "ShoppingLog", "count_pairs"]


@dataclass(frozen=True)
class ShoppingLog:
    """Visits, purchases and mailers, as codes from 0; each row once.

    Parameters
    ----------
    households : ndarray of int64, shape (n_households,)
        Ids, by code.
    items : ndarray of object, shape (n_items,)
        Names, by code.
    n_stores, n_weeks : int
        How many codes of stores and of weeks there are.
    visits : ndarray of int64, shape (n_visits, 3)
        (week, household, store).
    purchases : ndarray of int64, shape (n_purchases, 3)
        (week, household, item) bought in a visited store of `visits`.
    mailers : ndarray of int64, shape (n_mailers, 3)
        (week, store, item) in the mailer.
    """

    households: NDArray[np.int64]
    items: NDArray[np.object_]
    n_stores: int
    n_weeks: int
    visits: NDArray[np.int64]
    purchases: NDArray[np.int64]
    mailers: NDArray[np.int64]


@dataclass(frozen=True)
class PairCounts:
    """Weeks of each pair. A household's week counts once, however many stores it visited.

    Parameters
    ----------
    visits : ndarray of int64, shape (n_households,)
        Weeks with a visit.
    exposed : ndarray of int16, shape (n_households, n_items)
        Weeks in which the item was in the mailer of a store that the household visited.
    exposed_purchases, unexposed_purchases : ndarray of int16, shape (n_households, n_items)
        Weeks in which it was bought, by whether it was exposed.
    """

    visits: NDArray[np.int64]
    exposed: NDArray[np.int16]
    exposed_purchases: NDArray[np.int16]
    unexposed_purchases: NDArray[np.int16]

    @property
    def unexposed(self) -> NDArray[np.int64]:
        """Weeks with a visit in which the item was in no mailer; shape (n_households, n_items)."""
        return self.visits[:, None] - self.exposed

    def only(self, households: NDArray[np.bool_], items: NDArray[np.bool_]) -> PairCounts:
        """Return the counts of some households and items.

        Parameters
        ----------
        households : ndarray of bool, shape (n_households,)
            Which to keep.
        items : ndarray of bool, shape (n_items,)
            Which to keep.

        Returns
        -------
        PairCounts
            Copies.
        """
        pairs = np.ix_(households, items)
        return PairCounts(
            visits=self.visits[households],
            exposed=self.exposed[pairs],
            exposed_purchases=self.exposed_purchases[pairs],
            unexposed_purchases=self.unexposed_purchases[pairs],
        )


def count_pairs(log: ShoppingLog) -> PairCounts:
    """Count weeks of exposure and of purchases for every household and item.

    Parameters
    ----------
    log : ShoppingLog
        The log.

    Returns
    -------
    PairCounts
        Of all households and items of the log.
    """
    shape = (len(log.households), len(log.items))
    visits = np.zeros(shape[0], dtype=np.int64)
    exposed, bought_exposed, bought_unexposed = (np.zeros(shape, dtype=np.int16) for _ in range(3))
    for week in range(log.n_weeks):
        visited = np.zeros((shape[0], log.n_stores), dtype=np.float32)
        visited[_of_week(log.visits, week)] = 1
        mailed = np.zeros((log.n_stores, shape[1]), dtype=np.float32)
        mailed[_of_week(log.mailers, week)] = 1
        seen = visited @ mailed > 0
        bought = np.zeros(shape, dtype=np.bool_)
        bought[_of_week(log.purchases, week)] = True
        visits += visited.any(axis=1)
        exposed += seen
        bought_exposed += bought & seen
        bought_unexposed += bought & ~seen
    return PairCounts(visits, exposed, bought_exposed, bought_unexposed)


def _of_week(rows: NDArray[np.int64], week: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    found = rows[rows[:, 0] == week]
    return found[:, 1], found[:, 2]
