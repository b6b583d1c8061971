"""Fill slots one after the other: who may stand in a slot, given those above and the rules.

All lists of a chunk are filled at the same time: one step per slot, whole matrices at each step.
Every list stands in base order, so that an item's place says its base rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CapLimit", "FloorNeed", "Frame", "best_of"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Takes the slot (from 0), who may stand there, shape (r, w), and the place of the first of the w
#: columns; returns a place for each list.
Pick = Callable[[int, Mask, int], IntArray]


@dataclass(frozen=True, eq=False)
class FloorNeed:
    """Protected items that the first slots must hold.

    Attributes
    ----------
    protected : ndarray of bool, shape (r, w)
        Which items count.
    required : ndarray of int64, shape (slots,)
        How many of them the first 1, 2, ... slots hold at least.
    in_base_order : bool
        Whether the first of them in base order takes a slot that needs one, whatever is picked by.
    """

    protected: Mask
    required: IntArray
    in_base_order: bool = False


@dataclass(frozen=True, eq=False)
class CapLimit:
    """Items of one group that the slots hold at most.

    Attributes
    ----------
    group : ndarray of int32, shape (r, w)
        Codes of the groups; -1 for an item without one.
    at_most : int
        Items of a group.
    """

    group: NDArray[np.int32]
    at_most: int


@dataclass(frozen=True, eq=False)
class Frame:
    """Lists of a chunk, and the rules that their slots are filled by.

    Attributes
    ----------
    real : ndarray of bool, shape (r, w)
        False where a list has no item.
    slots : int
        Slots to fill.
    max_moves : int or None
        Places that an item may stand above or below its base rank.
    floors : tuple of FloorNeed
        Floors, the more important ones first.
    caps : tuple of CapLimit
        Caps; where no item is left that all of them allow, none of them counts.
    """

    real: Mask
    slots: int
    max_moves: int | None = None
    floors: tuple[FloorNeed, ...] = ()
    caps: tuple[CapLimit, ...] = ()

    def take(self, chosen: NDArray[Any]) -> Frame:
        """Return some of the lists.

        Parameters
        ----------
        chosen : ndarray
            A mask or positions.

        Returns
        -------
        Frame
            Those lists, under the same rules.
        """
        return replace(
            self,
            real=self.real[chosen],
            floors=tuple(replace(f, protected=f.protected[chosen]) for f in self.floors),
            caps=tuple(CapLimit(c.group[chosen], c.at_most) for c in self.caps),
        )

    def fill(
        self, pick: Pick, *, keep_floors: Mask | None = None, keep_caps: Mask | None = None
    ) -> IntArray:
        """Fill the slots.

        In each slot: the one item that would move too far if it had to wait; else an item that a
        floor needs, as far as there is one; else one whose groups are below their caps, as far as
        there is one; else any that may stand there. `pick` chooses among those that are left.

        Parameters
        ----------
        pick : callable
            Chooses.
        keep_floors, keep_caps : ndarray of bool, shape (r,), optional
            Lists for which floors, and caps, count; all by default.

        Returns
        -------
        ndarray of int64, shape (r, slots)
            Places of the items, slot by slot; -1 behind the end of a list.
        """
        lists, width = self.real.shape
        waiting = self.real.copy()
        every = np.ones(lists, dtype=bool)
        bound = every if keep_floors is None else keep_floors
        capped = every if keep_caps is None else keep_caps
        blocked = self._blocked_at_first(capped)
        length = self.real.sum(axis=1)
        each = np.arange(lists)
        chosen = np.full((lists, self.slots), -1, dtype=np.int64)
        held = [np.zeros(lists, dtype=np.int64) for _ in self.floors]
        sure = self._sure_places()
        for slot in range(min(self.slots, width)):
            first, end = self._window(slot)
            able = waiting[:, first:end]
            free = able if blocked is None else able & ~blocked[:, first:end]
            needs = [
                self._needed(floor, slot, waiting, held=count, length=length) & bound
                for floor, count in zip(self.floors, held, strict=True)
            ]
            able = self._allowed(able, free, needs, window=slice(first, end))
            if self.max_moves is not None and slot >= self.max_moves:
                due = waiting[:, first]
                able = able & ~due[:, None]
                able[:, 0] |= due
            place = pick(slot, able, first)
            inside = slot < length
            waiting[each, place] = False
            chosen[inside, slot] = place[inside]
            for floor, count in zip(self.floors, held, strict=True):
                count += inside & floor.protected[each, place]
            if blocked is not None:
                where = capped & inside
                for cap in self.caps:
                    _block(blocked, cap, chosen, slot, sure=sure, where=where)
        return chosen

    def _allowed(self, able: Mask, free: Mask, needs: list[Mask], *, window: slice) -> Mask:
        """Leave those that floors need, and of them those that caps allow, as far as there are."""
        found = free
        if free is not able:
            without = np.logical_not(free.any(axis=1))
            found = np.where(without[:, None], able, free) if without.any() else free
        anywhere = np.zeros(able.shape[0], dtype=bool)
        for needed in needs:
            anywhere |= needed
        some = np.flatnonzero(anywhere)
        if some.size:
            found = found.copy()
            wanted = able[some]
            for floor, needed in zip(self.floors, needs, strict=True):
                wanted = _narrow(wanted, floor.protected[some][:, window], needed[some])
            everywhere = np.ones(some.size, dtype=bool)
            wanted = _narrow(wanted, free[some], everywhere)
            for floor, needed in zip(self.floors, needs, strict=True):
                if floor.in_base_order:
                    wanted = _first(wanted, floor.protected[some][:, window], needed[some])
            found[some] = wanted
        return found

    def _window(self, slot: int) -> tuple[int, int]:
        width = self.real.shape[1]
        if self.max_moves is None:
            return 0, width
        return max(0, slot - self.max_moves), min(width, slot + self.max_moves + 1)

    def _sure_places(self) -> Mask:
        """Mark the base places whose items must end up in the slots, as they may not fall below."""
        places = np.arange(self.real.shape[1])
        return places < (0 if self.max_moves is None else self.slots - self.max_moves)

    def _blocked_at_first(self, capped: Mask) -> Mask | None:
        """Mark the items of groups that will be at their cap by those that are sure to stand."""
        if not self.caps:
            return None
        blocked = np.zeros(self.real.shape, dtype=bool)
        # A list that ends before the last of these places has no other items that could be blocked.
        sure = self._sure_places()
        for cap in self.caps:
            counts = np.zeros(self.real.shape, dtype=np.int64)
            for place in np.flatnonzero(sure):
                mine = cap.group[:, place]
                counts += (cap.group == mine[:, None]) & (mine >= 0)[:, None]
            blocked |= (counts >= cap.at_most) & ~sure & capped[:, None]
        return blocked

    def _needed(
        self, floor: FloorNeed, slot: int, waiting: Mask, *, held: IntArray, length: IntArray
    ) -> Mask:
        """Say where a protected item must come now, or a floor further down is missed.

        Slots down to there that are not given to items with a deadline are free; where all of
        them are needed for the floor, so is this one.
        """
        if self.max_moves is None:
            missing: Mask = floor.required[slot] > held
            return missing
        ahead = np.arange(slot, self.slots)
        known = (ahead >= self.max_moves) & (ahead - self.max_moves < waiting.shape[1])
        at = np.where(known, ahead - self.max_moves, 0)
        due = waiting[:, at] & known
        free = ahead - slot + 1 - np.cumsum(due, axis=1)
        due &= floor.protected[:, at]
        need = floor.required[ahead] - held[:, None] - np.cumsum(due, axis=1)
        tight = (free > 0) & (need >= free) & (ahead < length[:, None])
        found: Mask = tight.any(axis=1)
        return found


def best_of(priority: Array) -> Pick:
    """Pick the item of the largest priority; of equal ones the first in base order.

    Parameters
    ----------
    priority : ndarray of float64, shape (r, w)
        Priorities, finite.

    Returns
    -------
    callable
        For `Frame.fill`.
    """

    def pick(_slot: int, able: Mask, first: int) -> IntArray:
        priorities = priority[:, first : first + able.shape[1]]
        found: IntArray = np.where(able, priorities, -np.inf).argmax(axis=1) + first
        return found

    return pick


def _block(
    blocked: Mask,
    cap: CapLimit,
    chosen: IntArray,
    slot: int,
    *,
    sure: Mask,
    where: Mask,
) -> None:
    """Block the groups that the slot's item brought to their cap."""
    rows = np.flatnonzero(where)
    places = chosen[rows, : slot + 1]
    above = np.take_along_axis(cap.group[rows], places, axis=1)
    mine = above[:, -1]
    # Those that are sure to stand count from the start, and not again when they do.
    later = np.flatnonzero(sure)
    groups = cap.group[rows[:, None], later]
    total = ((above == mine[:, None]) & ~sure[places]).sum(axis=1)
    total += (groups == mine[:, None]).sum(axis=1)
    full = (total >= cap.at_most) & (mine >= 0)
    rows, mine = rows[full], mine[full]
    blocked[rows] |= (cap.group[rows] == mine[:, None]) & ~sure


def _narrow(able: Mask, wanted: Mask, where: Mask) -> Mask:
    """Keep to the wanted items in the lists that say so and have any."""
    narrow = able & wanted
    use = where & narrow.any(axis=1)
    kept: Mask = np.where(use[:, None], narrow, able)
    return kept


def _first(able: Mask, wanted: Mask, where: Mask) -> Mask:
    """Keep to the first of the wanted items in the lists that say so and have any."""
    narrow = able & wanted
    alone = np.arange(able.shape[1]) == narrow.argmax(axis=1)[:, None]
    return _narrow(able, narrow & alone, where)
