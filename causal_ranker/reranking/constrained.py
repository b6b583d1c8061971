"""Constrained lists: close to the base list, fair to new items, and not all of one group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.reranking.budget import BaseBudget, undominated
from causal_ranker.reranking.limits import Cap, Floor, Limits
from causal_ranker.reranking.lists import BaseOrder, CandidateLists, check_finite
from causal_ranker.reranking.ranks import rank_within
from causal_ranker.reranking.slots import best_of

__all__ = ["Arranged", "Constrained"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Constrained(FrozenConfig):
    """Keep rules in the first slots, and else the order that comes in.

    Slot after slot, the best item that the rules allow comes next. Rules that contradict each
    other give way in this order, the last first: `max_moves`, `max_base_loss`, `floors` (as they
    are listed), `caps` (all at once). The first two are never broken, as the base list
    keeps them. Floors and caps give way in a slot where nothing else is left, or where the first
    two leave no choice; in a request whose base loss stays too large with them, caps are given up
    as a whole, and then floors. What gave way is told (`Arranged.relaxed`).

    Slots are filled one after the other. With one floor alone, one cap alone, or `max_moves` with
    or without one cap, nothing gives way in a list that could keep the rules. Where a floor meets
    a cap, another floor or `max_moves`, another list might have kept both: so it is in one of
    fifty random lists of six items.

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

    def limits(self, lists: CandidateLists) -> Limits:
        """Return floors and caps, for some candidates.

        Parameters
        ----------
        lists : CandidateLists
            The candidates.

        Returns
        -------
        Limits
            Their floors and caps.

        Raises
        ------
        SchemaError
            If a column is missing.
        ConfigError
            If a floor names no level, or one that its column does not have.
        """
        return Limits(floors=self.floors, caps=self.caps, slots=self.slots, lists=lists)

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
        limits = self.limits(lists)
        chosen = np.full((order.counts.size, self.slots), -1, dtype=np.int64)
        relaxed = {
            name: np.zeros(order.counts.size, dtype=bool)
            for name, rules in (("floors", self.floors), ("caps", self.caps))
            if rules
        }
        budget = None
        if self.max_base_loss is not None:
            budget = BaseBudget(
                self.max_base_loss, slots=self.slots, base_score=lists.base_score, order=order
            )
        check_finite(score)
        width = None if self.max_moves is None else self.slots + self.max_moves
        for requests, rows, real in order.chunks(width=width):
            if budget is not None and width is None and not self.columns:
                rows, real = undominated(score[rows], rows, real, slots=self.slots)
            frame = limits.frame(rows, real, max_moves=self.max_moves)
            places = frame.fill(best_of(score[rows]))
            if budget is not None:
                places = budget.keep(places, frame, score[rows], rows, requests=requests)
            found = np.where(places < 0, -1, np.take_along_axis(rows, np.maximum(places, 0), 1))
            chosen[requests] = found
            for name, broken in limits.broken(found).items():
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
