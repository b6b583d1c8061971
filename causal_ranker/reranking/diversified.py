"""Diversified lists: plays that items of one group would take from each other count once."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.reranking.lists import BaseOrder, CandidateLists, group_codes

__all__ = ["Diversified"]


class Diversified(FrozenConfig):
    """Count an item's uplift less for each item of the same group above it.

    Slot after slot, the item with the largest ``uplift * (1 - share) ** above`` comes next, where
    `above` is the number of items of its group that stand already. Within a group items are taken
    in order of uplift, so the j-th of a group stands, whatever happens in other groups, with
    ``above = j - 1``: the greedy list is one sort by these values. An uplift of 0 or below, which
    no neighbour can take away, stays as it is.

    Parameters
    ----------
    kind : "diversified"
        The rule's name.
    group : str
        Column of the groups. An item without one (NaN) is alone in its group.
    share : float
        Share of an item's uplift that each item of its group above it takes, in [0, 1]: 0 is the
        order of uplift, 1 lets only the first of each group count.
    """

    kind: Literal["diversified"] = "diversified"
    group: str
    share: Annotated[float, Field(ge=0, le=1)]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the rule reads."""
        return (self.group,)

    def rescore(
        self, lists: CandidateLists, score: NDArray[np.float64], *, order: BaseOrder
    ) -> NDArray[np.float64]:
        """Take off what items of the same group above take away.

        Parameters
        ----------
        lists : CandidateLists
            The candidates.
        score : ndarray of float64, shape (n,)
            Uplifts, in plays per impression.
        order : BaseOrder
            Their base order, which decides between equal uplifts.

        Returns
        -------
        ndarray of float64, shape (n,)
            What each item adds at its place in the greedy list.
        """
        group = group_codes(lists.column(self.group).values)
        value = score.copy()
        for _, rows, real in order.chunks():
            uplift = np.where(real, score[rows], -np.inf)
            falling = _falling(uplift)
            ordered = np.take_along_axis(rows, falling, axis=1)
            counted = np.take_along_axis(uplift, falling, axis=1) > 0
            above = _earlier(np.where(counted, group[ordered], -1))
            factor = (1.0 - self.share) ** above
            changed = counted & (above > 0)
            value[ordered[changed]] *= factor[changed]
        return value


def _falling(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sort each row, largest first; equal values keep their order."""
    negative = -values
    order = np.argsort(negative, axis=1)
    ordered = np.take_along_axis(negative, order, axis=1)
    # A stable sort takes three times as long, and matters only where values are equal.
    tied = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    order[tied] = np.argsort(negative[tied], axis=1, kind="stable")
    return order


def _earlier(group: NDArray[np.int32]) -> NDArray[np.int64]:
    """Count, for each place of each row, the earlier places of the same group; 0 without one."""
    small = group.astype(np.int16) if group.max(initial=0) < 1 << 15 else group
    together = np.argsort(small, axis=1, kind="stable")
    sorted_group = np.take_along_axis(group, together, axis=1)
    places = np.arange(group.shape[1])
    begins = np.ones(group.shape, dtype=bool)
    begins[:, 1:] = sorted_group[:, 1:] != sorted_group[:, :-1]
    run = places - np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    earlier = np.empty(group.shape, dtype=np.int64)
    np.put_along_axis(earlier, together, np.where(sorted_group < 0, 0, run), axis=1)
    return earlier
