"""Constrained lists: close to the base list, fair to new items, and not all of one group."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, RowError
from causal_ranker.reranking.lists import BaseOrder, CandidateLists, group_codes, level_code
from causal_ranker.reranking.ranks import rank_within
from causal_ranker.reranking.slots import CapLimit, FloorNeed, Frame, best_of

__all__ = ["Arranged", "Cap", "Constrained", "Floor"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: The weight on the base score is found to 2 ** -16.
_HALVINGS: Final = 16
#: For so few lists, so many halvings are tried at a time.
_FEW, _AHEAD = 32, 4


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
    """

    column: str
    share: Annotated[float, Field(gt=0, le=1)]
    level: str | int | None = None


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


class Constrained(FrozenConfig):
    """Keep rules in the first slots, and else the order that comes in.

    Slot after slot, the best item that the rules allow comes next. Rules that contradict each
    other give way in this order, the last first: `max_moves`, `max_base_loss`, `floors` (as they
    are listed), `caps` (all at once). The first two are never broken, as the base list
    keeps them. Floors and caps give way in a slot where nothing else is left, or where the first
    two leave no choice; in a request whose base loss stays too large with them, caps are given up
    as a whole, and then floors. What gave way is told (`Arranged.relaxed`).

    Without `max_moves`, the list goes on behind the slots in the order that came in; with it, in
    base order, which keeps every item within its bound to the end of the list.

    Parameters
    ----------
    kind : "constrained"
        The rule's name.
    slots : int
        Slots in which the rules hold.
    max_moves : int, optional
        Places that any item may stand above or below its base rank.
    max_base_loss : float, optional
        Largest loss of base score in the first slots, as a share of the largest loss that this
        request allows: ``(best - got) / (best - worst)``, where `best`, `worst` and `got` are the
        sums over the slots of the base list, of the lowest base scores and of the list. Where the
        list loses more, priorities become ``(1 - w) * score + w * base_score``, each from 0 to 1
        over the items that may come into the slots, with the smallest w (to 2e-5, by bisection)
        that loses no more.
    floors : tuple of Floor
        Slots for protected items.
    caps : tuple of Cap
        Items of one group.
    """

    kind: Literal["constrained"] = "constrained"
    slots: Annotated[int, Field(ge=1)]
    max_moves: Annotated[int, Field(ge=0)] | None = None
    max_base_loss: Annotated[float, Field(ge=0, le=1)] | None = None
    floors: tuple[Floor, ...] = ()
    caps: tuple[Cap, ...] = ()

    @model_validator(mode="after")
    def _check_any(self) -> Constrained:
        if self.max_moves is None and self.max_base_loss is None and not self.columns:
            raise ConfigError(
                expected="max_moves, max_base_loss, floors or caps in a constrained list",
                came="none of them",
                do="Set one, or leave the rule out.",
            )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the rule reads."""
        names = [floor.column for floor in self.floors] + [cap.column for cap in self.caps]
        return tuple(dict.fromkeys(names))

    def arrange(self, lists: CandidateLists, score: Array, *, order: BaseOrder) -> Arranged:
        """Fill the slots of every list.

        Parameters
        ----------
        lists : CandidateLists
            The candidates.
        score : ndarray of float64, shape (n,)
            What they are ordered by where the rules leave it open, finite.
        order : BaseOrder
            Their base order.

        Returns
        -------
        Arranged
            Who stands in the slots, and what gave way.

        Raises
        ------
        RowError
            If a score is not finite.
        SchemaError
            If a column that the rule reads is missing.
        """
        sides = Sides(self, lists)
        chosen = np.full((order.counts.size, self.slots), -1, dtype=np.int64)
        relaxed = {
            name: np.zeros(order.counts.size, dtype=bool)
            for name, rules in (("floors", self.floors), ("caps", self.caps))
            if rules
        }
        budget = None if self.max_base_loss is None else _Budget(self, lists.base_score, order)
        check_finite(score)
        width = None if self.max_moves is None else self.slots + self.max_moves
        for requests, rows, real in order.chunks(width=width):
            if budget is not None and width is None and not self.columns:
                rows, real = _undominated(score[rows], rows, real, slots=self.slots)
            frame = sides.frame(rows, real)
            places = frame.fill(best_of(score[rows]))
            if budget is not None:
                places = budget.keep(places, frame, score[rows], rows, requests=requests)
            found = np.where(places < 0, -1, np.take_along_axis(rows, np.maximum(places, 0), 1))
            chosen[requests] = found
            for name, broken in sides.broken(found).items():
                relaxed[name][requests] = broken
        return Arranged(chosen=chosen, relaxed=relaxed)


@dataclass(frozen=True, eq=False)
class Arranged:
    """What stands in the first slots of every list.

    Attributes
    ----------
    chosen : ndarray of int64, shape (requests, slots)
        Rows of the candidates, slot by slot; -1 behind the end of a list.
    relaxed : dict of str to ndarray of bool, shape (requests,)
        By "floors" and "caps", where the policy has them: requests whose list breaks one.
    """

    chosen: IntArray
    relaxed: dict[str, Mask]

    def ranks(self, lists: CandidateLists, behind: Array, *, k: int | None) -> IntArray:
        """Return the rank of every candidate.

        Parameters
        ----------
        lists : CandidateLists
            The candidates.
        behind : ndarray of float64, shape (n,)
            What the rest of each list is sorted by; equal ones by base rank.
        k : int, optional
            Rows to tell apart; all by default.

        Returns
        -------
        ndarray of int64, shape (n,)
            Ranks 1 to m within each request of m rows; k + 1 for all behind the first k.
        """
        slots = self.chosen.shape[1]
        rank = np.full(len(lists), slots + 1 if k is None else k + 1, dtype=np.int64)
        told = self.chosen if k is None else self.chosen[:, :k]
        placed = told >= 0
        rank[told[placed]] = np.nonzero(placed)[1] + 1
        if k is None or k > slots:
            rest = np.ones(len(lists), dtype=bool)
            rest[told[placed]] = False
            after = rank_within(lists.request[rest], behind[rest], tie_break=lists.base_rank[rest])
            after += slots  # a list that goes on has filled them all
            rank[rest] = after if k is None else np.minimum(after, k + 1)
        return rank


class Sides:
    """The side columns of a rule, for the candidates of some lists.

    Parameters
    ----------
    rule : Constrained
        The rule.
    lists : CandidateLists
        The candidates.

    Raises
    ------
    SchemaError
        If a column is missing.
    ConfigError
        If a floor names a level that its column does not have, or names none of a category.
    """

    def __init__(self, rule: Constrained, lists: CandidateLists) -> None:
        self._rule = rule
        self._protected = [protected(floor, lists) for floor in rule.floors]
        self._required = [required(floor.share, slots=rule.slots) for floor in rule.floors]
        self._groups = [group_codes(lists.column(cap.column).values) for cap in rule.caps]

    def frame(self, rows: IntArray, real: Mask) -> Frame:
        """Lay the columns out as the lists are.

        Parameters
        ----------
        rows, real : ndarray, shape (r, w)
            A chunk of `BaseOrder.chunks`.

        Returns
        -------
        Frame
            Ready to be filled.
        """
        return Frame(
            real=real,
            slots=self._rule.slots,
            max_moves=self._rule.max_moves,
            floors=tuple(
                FloorNeed(mask[rows], need)
                for mask, need in zip(self._protected, self._required, strict=True)
            ),
            caps=tuple(
                CapLimit(group[rows], cap.at_most)
                for group, cap in zip(self._groups, self._rule.caps, strict=True)
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
        for group, cap in zip(self._groups, self._rule.caps, strict=True):
            mine = np.where(there, group[chosen], -1)
            same = (mine[:, :, None] == mine[:, None, :]) & (mine >= 0)[:, :, None]
            over = same.sum(axis=2) > cap.at_most
            found["caps"] = found.get("caps", kept) | over.any(axis=1)
        return found


class _Budget:
    """Lists that lose no more base score than they may."""

    def __init__(self, rule: Constrained, base_score: Array, order: BaseOrder) -> None:
        self._rule, self._base = rule, base_score
        self._share = float(rule.max_base_loss or 0.0)
        places = np.arange(rule.slots)
        there = places < order.counts[:, None]
        ends = order.starts + order.counts - 1
        best = order.rows[np.where(there, order.starts[:, None] + places, 0)]
        worst = order.rows[np.where(there, ends[:, None] - places, 0)]
        self._best = _sums(np.where(there, base_score[best], 0.0))
        self._range = self._best - _sums(np.where(there, base_score[worst], 0.0))

    def keep(
        self,
        places: IntArray,
        frame: Frame,
        score: Array,
        rows: IntArray,
        *,
        requests: IntArray,
    ) -> IntArray:
        """Give the base score as little weight as does, in the lists that lose too much."""
        base = self._base[rows]
        over = np.flatnonzero(self._too_much(places, base, requests))
        if not over.size:
            return places
        frame, base, requests = frame.take(over), base[over], requests[over]
        wish, safe = _unit(score[over], frame.real), _unit(base, frame.real)
        caps = np.ones(over.size, dtype=bool)
        floors = np.ones(over.size, dtype=bool)
        each = np.arange(over.size)

        def filled(weight: Array, at: IntArray) -> tuple[IntArray, Mask]:
            mixed = (1.0 - weight)[:, None] * wish[at] + weight[:, None] * safe[at]
            some = frame if at is each else frame.take(at)
            found = some.fill(best_of(mixed), keep_floors=floors[at], keep_caps=caps[at])
            return found, self._too_much(found, base[at], requests[at])

        ones = np.ones(over.size)
        kept, lost = filled(ones, each)
        for given_up, rules in ((caps, self._rule.caps), (floors, self._rule.floors)):
            if rules and lost.any():
                given_up[lost] = False
                kept, lost = filled(ones, each)
        low, high = np.zeros(over.size), ones
        # Few lists are as quick to fill at once for all weights that the next halvings may ask for.
        ahead = _AHEAD if over.size <= _FEW else 1
        parts = 1 << ahead
        inner = np.arange(1, parts) / parts
        for _ in range(_HALVINGS // ahead):
            weights = low[:, None] + (high - low)[:, None] * inner
            at = each if ahead == 1 else np.repeat(each, inner.size)
            tried, lost = filled(weights.ravel(), at)
            below, above = np.zeros(over.size, dtype=np.int64), np.full(over.size, parts)
            for _ in range(ahead):
                middle = (below + above) // 2
                cell = each * inner.size + middle - 1
                bad = lost[cell]
                kept[~bad] = tried[cell[~bad]]
                below, above = np.where(bad, middle, below), np.where(bad, above, middle)
            low, high = low + (high - low) * below / parts, low + (high - low) * above / parts
        result = places.copy()
        result[over] = kept
        return result

    def _too_much(self, places: IntArray, base: Array, requests: IntArray) -> Mask:
        # in base order, so that the base list's own items lose nothing at all
        width = base.shape[1]
        at = np.sort(np.where(places < 0, width, places), axis=1)
        there = at < width
        got = _sums(np.where(there, np.take_along_axis(base, np.where(there, at, 0), 1), 0.0))
        lost: Mask = self._best[requests] - got > self._share * self._range[requests]
        return lost


def protected(floor: Floor, lists: CandidateLists) -> Mask:
    """Mark the candidates that a floor protects."""
    column = lists.column(floor.column)
    check_level(floor, column.levels)
    values = np.asarray(column.values)
    if floor.level is None:
        found: Mask = values > 0
        return found
    at_level: Mask = values == level_code(column, floor.level, name=floor.column)
    return at_level


def check_level(floor: Floor, levels: Any) -> None:
    """Refuse a floor on a category that does not say which level it protects."""
    if floor.level is None and levels is not None:
        raise ConfigError(
            expected=f"the level of '{floor.column}' that the floor protects",
            came="none, and the column is a category",
            do=f"Name one of {', '.join(map(repr, list(levels)[:10]))}.",
        )


def required(share: float, *, slots: int) -> IntArray:
    """Return ``floor(share * s)`` for the first 1, 2, ... slots, exact in the decimal share."""
    exact = Fraction(repr(share))
    return np.array([int(exact * slot) for slot in range(1, slots + 1)], dtype=np.int64)


def check_finite(score: Array) -> None:
    """Refuse scores that cannot be mixed or compared."""
    if not np.isfinite(score).all():
        raise RowError(
            expected="finite scores to arrange lists by",
            came=f"{int((~np.isfinite(score)).sum())} of {score.size} that are not",
            do="Repair the rows whose uplift or base score is not finite.",
        )


def _sums(values: Array) -> Array:
    # one after the other, so that empty slots at the end change no digit
    total: Array = np.cumsum(values, axis=1)[:, -1]
    return total


def _unit(values: Array, real: Mask) -> Array:
    """Map the values of each list to 0 .. 1; equal ones to 0."""
    low = np.where(real, values, np.inf).min(axis=1, keepdims=True)
    extent = np.where(real, values, -np.inf).max(axis=1, keepdims=True) - low
    return np.where(real, values - low, 0.0) / np.where(extent > 0, extent, 1.0)


def _undominated(score: Array, rows: IntArray, real: Mask, *, slots: int) -> tuple[IntArray, Mask]:
    """Leave out items that no mix of score and base score brings into the slots.

    In base order, an item below as many items of at least its score stays behind all of them,
    whatever the weight. Of places 2^j to 2^(j+1) times the slots, those are left out that do not
    beat the slots-th best score above.
    """
    score = np.where(real, score, -np.inf)
    keep = real.copy()
    width = score.shape[1]
    first = slots
    while first < width:
        above = score[:, :first]
        bar = np.partition(above, first - slots, axis=1)[:, first - slots, None]
        keep[:, first : 2 * first] &= score[:, first : 2 * first] > bar
        first *= 2
    counts = keep.sum(axis=1)
    there = np.arange(int(counts.max())) < counts[:, None]
    places = np.zeros(there.shape, dtype=np.int64)
    places[there] = np.nonzero(keep)[1]
    return np.take_along_axis(rows, places, axis=1), there
