"""Touch models: how one play's credit is shared among its impressions.

Each model is a window expression over the eligible pairs of one play. Impressions at the same
time are told apart by their id, so that every engine gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import ibis

from causal_ranker.columns import Columns as C

__all__ = ["TOUCH_MODELS", "first_touch", "last_touch", "linear_touch"]


def last_touch(pairs: ibis.Table) -> ibis.Table:
    """Give the whole credit to the latest impression before the play.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``.

    Returns
    -------
    ibis.Table
        The credited pairs, with ``credit`` 1; at most one per play.
    """
    return _one(pairs, pairs[C.T0].desc(), pairs[C.IMPRESSION].desc())


def first_touch(pairs: ibis.Table) -> ibis.Table:
    """Give the whole credit to the earliest impression in the window.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``.

    Returns
    -------
    ibis.Table
        The credited pairs, with ``credit`` 1; at most one per play.
    """
    return _one(pairs, pairs[C.T0].asc(), pairs[C.IMPRESSION].asc())


def linear_touch(pairs: ibis.Table) -> ibis.Table:
    """Share the credit equally: each of a play's n eligible impressions gets 1/n.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``.

    Returns
    -------
    ibis.Table
        All pairs, with ``credit``; a play's credits sum to 1.
    """
    of_play = ibis.window(group_by=pairs[C.PLAY])
    return pairs.mutate(**{C.CREDIT: 1.0 / pairs.count().over(of_play)})


def _one(pairs: ibis.Table, *order: ibis.Value) -> ibis.Table:
    # row_number counts from 0.
    place = ibis.row_number().over(ibis.window(group_by=pairs[C.PLAY], order_by=order))
    placed = pairs.mutate(place=place)
    kept = placed.filter(placed.place == 0)
    # A bare literal 1.0 would be a decimal on some engines.
    return kept.mutate(**{C.CREDIT: (kept.place + 1).cast("float64")}).drop("place")


TOUCH_MODELS: Final[dict[str, Callable[[ibis.Table], ibis.Table]]] = {
    "first": first_touch,
    "last": last_touch,
    "linear": linear_touch,
}
