"""Which households and items of a shopping log have enough weeks to estimate probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError
from causal_ranker.worlds.semisynthetic.shopping import PairCounts, ShoppingLog

__all__ = ["enough_weeks"]


def enough_weeks(
    log: ShoppingLog, counts: PairCounts, *, weeks: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which households and items to keep.

    A household needs `weeks` weeks with purchases and one week in which it was exposed to a kept
    item. An item needs `weeks` weeks in which kept households bought it, and of them one exposed
    and one unexposed purchase. What one rule drops can make another fail, so they are applied until
    nothing more falls.

    Parameters
    ----------
    log : ShoppingLog
        The log.
    counts : PairCounts
        Its counts (see `count_pairs`).
    weeks : int
        Least number of weeks with purchases.

    Returns
    -------
    households : ndarray of bool, shape (n_households,)
        Kept ones.
    items : ndarray of bool, shape (n_items,)
        Kept ones.

    Raises
    ------
    EmptyError
        If no household or no item is left.
    """
    households = counts.visits >= weeks
    items = np.ones(len(log.items), dtype=np.bool_)
    while True:
        kept = log.purchases[households[log.purchases[:, 1]]]
        bought = np.zeros((log.n_weeks, len(items)), dtype=np.bool_)
        bought[kept[:, 0], kept[:, 2]] = True
        enough = (
            (bought.sum(axis=0) >= weeks)
            & (counts.exposed_purchases[households] > 0).any(axis=0)
            & (counts.unexposed_purchases[households] > 0).any(axis=0)
        )
        exposed = (counts.exposed[:, items & enough] > 0).any(axis=1)
        if not (items & ~enough).any() and not (households & ~exposed).any():
            break
        items, households = items & enough, households & exposed
    if not households.any() or not items.any():
        raise EmptyError(
            expected=f"households and items with {weeks} weeks of purchases, with and without "
            "a mailer",
            came=f"{int(households.sum())} of {len(households)} households and {int(items.sum())} "
            f"of {len(items)} items",
            do="Lower weeks, or read more households.",
        )
    return households, items
