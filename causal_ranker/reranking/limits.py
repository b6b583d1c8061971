"""Floors and caps: what the first slots must hold, and what they may not hold."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.reranking.lists import CandidateLists, group_codes, level_code
from causal_ranker.reranking.slots import CapLimit, FloorNeed, Frame

__all__ = ["Cap", "Floor", "Limits"]

IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Floor(FrozenConfig):
    """Slots for protected items: of the first s slots, ``floor(share * s)``, for every s.

    Parameters
    ----------
    column : str
        Column of the protected items.
    share : float
        Share of the slots, in (0, 1].
    level : str or int, optional
        Level of a category that is protected; None for a column of numbers, where it is what lies
        above 0. An item without a value (NaN) is not protected.
    order : {"policy", "base"}
        Which protected item takes a slot that would miss the floor without it: the policy's best,
        or the first in base order. New items are protected by their base scores where those come
        from a cold-start model that was made fair. Drawn lists draw it among all protected items.
    """

    column: str
    share: Annotated[float, Field(gt=0, le=1)]
    level: str | int | None = None
    order: Literal["policy", "base"] = "policy"


class Cap(FrozenConfig):
    """At most so many items of any one group.

    Parameters
    ----------
    column : str
        Column of the groups. Items without one (NaN) are not counted.
    at_most : int
        Items of a group in the slots.
    """

    column: str
    at_most: Annotated[int, Field(ge=1)]


class Limits:
    """Floors and caps, for the candidates of some lists.

    Parameters
    ----------
    floors : tuple of Floor
        The floors.
    caps : tuple of Cap
        The caps.
    slots : int
        Slots in which they hold.
    lists : CandidateLists
        The candidates.

    Raises
    ------
    SchemaError
        If a column is missing.
    ConfigError
        If a floor names a level that its column does not have, or names none of a category.
    """

    def __init__(
        self,
        *,
        floors: tuple[Floor, ...],
        caps: tuple[Cap, ...],
        slots: int,
        lists: CandidateLists,
    ) -> None:
        self._floors, self._caps, self._slots = floors, caps, slots
        self._protected = [_protected(floor, lists) for floor in floors]
        self._required = [_required(floor.share, slots=slots) for floor in floors]
        self._groups = [group_codes(lists.column(cap.column).values) for cap in caps]

    def frame(
        self, rows: IntArray, real: Mask, *, max_moves: int | None, drawn: bool = False
    ) -> Frame:
        """Lay the columns out as the lists are.

        Parameters
        ----------
        rows, real : ndarray, shape (r, w)
            A chunk of `BaseOrder.chunks`.
        max_moves : int or None
            Bound on moves.
        drawn : bool
            Items are drawn, so that a floor says among which ones, and not which one.

        Returns
        -------
        Frame
            Ready to be filled.
        """
        return Frame(
            real=real,
            slots=self._slots,
            max_moves=max_moves,
            floors=tuple(
                FloorNeed(mask[rows], need, in_base_order=floor.order == "base" and not drawn)
                for floor, mask, need in zip(
                    self._floors, self._protected, self._required, strict=True
                )
            ),
            caps=tuple(
                CapLimit(group[rows], cap.at_most)
                for group, cap in zip(self._groups, self._caps, strict=True)
            ),
        )

    def broken(self, chosen: IntArray) -> dict[str, Mask]:
        """Say which lists break a floor, and which a cap.

        Parameters
        ----------
        chosen : ndarray of int64, shape (r, slots)
            Rows in the slots; -1 behind the end of a list.

        Returns
        -------
        dict of str to ndarray of bool, shape (r,)
            By "floors" and "caps", where the rule has them.
        """
        there = chosen >= 0
        kept = np.zeros(chosen.shape[0], dtype=bool)
        found: dict[str, Mask] = {}
        for mask, need in zip(self._protected, self._required, strict=True):
            short = (np.cumsum(mask[chosen] & there, axis=1) < need) & there
            found["floors"] = found.get("floors", kept) | short.any(axis=1)
        for group, cap in zip(self._groups, self._caps, strict=True):
            mine = np.where(there, group[chosen], -1)
            same = (mine[:, :, None] == mine[:, None, :]) & (mine >= 0)[:, :, None]
            over = same.sum(axis=2) > cap.at_most
            found["caps"] = found.get("caps", kept) | over.any(axis=1)
        return found


def _protected(floor: Floor, lists: CandidateLists) -> Mask:
    """Mark the candidates that a floor protects."""
    column = lists.column(floor.column)
    _check_level(floor, column.levels)
    values = np.asarray(column.values)
    if floor.level is None:
        found: Mask = values > 0
        return found
    at_level: Mask = values == level_code(column, floor.level, name=floor.column)
    return at_level


def _check_level(floor: Floor, levels: Sequence[str | int] | None) -> None:
    """Refuse a floor on a category that does not say which level it protects."""
    if floor.level is None and levels is not None:
        raise ConfigError(
            expected=f"the level of '{floor.column}' that the floor protects",
            came="none, and the column is a category",
            do=f"Name one of {', '.join(map(repr, list(levels)[:10]))}.",
        )


def _required(share: float, *, slots: int) -> IntArray:
    """Return ``floor(share * s)`` for the first 1, 2, ... slots, exact in the decimal share."""
    exact = Fraction(repr(share))
    return np.array([int(exact * slot) for slot in range(1, slots + 1)], dtype=np.int64)
