"""Exploration: lists that are drawn, each slot with the chance that its item had.

A slot's *conditional* propensity is the probability of its item given the items above; it comes
with every decision. The product over the slots is the probability of the whole list. Draws depend
on the seed and the decision's id alone, so that a decision can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, RowError
from causal_ranker.reranking.chained import ChainedPolicy, ListPolicy, score_lists
from causal_ranker.reranking.constrained import Arranged, Constrained
from causal_ranker.reranking.draws import Draw, Thompson, drawer
from causal_ranker.reranking.lists import BaseOrder, CandidateLists, check_finite
from causal_ranker.reranking.policies import UpliftPolicy
from causal_ranker.reranking.slots import Frame
from causal_ranker.stats.hashing import uniform_hash, uniform_stream

__all__ = ["Exploration", "Explored", "check_exploration", "explore", "in_holdout"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Exploration(FrozenConfig):
    """How lists are drawn, and who always gets the base list.

    Parameters
    ----------
    draw : PlackettLuce, UniformSwaps or Thompson
        How the item of a slot is drawn.
    slots : int
        Slots that are drawn; behind them the list goes on as the policy orders it.
    holdout_share : float
        Share of the users, in [0, 1), who always get the base list.
    holdout_salt : str
        Which users those are; another salt, other users.
    """

    draw: Draw
    slots: Annotated[int, Field(ge=1)]
    holdout_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    holdout_salt: str = "holdout"


@dataclass(frozen=True, eq=False)
class Explored:
    """Drawn lists.

    Attributes
    ----------
    rank : ndarray of int64, shape (n,)
        Rank of each candidate within its request, from 1.
    chosen : ndarray of int64, shape (requests, slots)
        Rows of the candidates in the slots, requests in ascending order; -1 behind the end of a
        list.
    propensity : ndarray of float64, shape (requests, slots)
        Probability of each slot's item given those above: exact for `PlackettLuce` and
        `UniformSwaps`, by numerical integration for `Thompson`; 1 in a holdout list, which is not
        drawn. NaN behind the end of a list.
    error : ndarray of float64, shape (requests, slots)
        Bounds of the integration's errors; 0 elsewhere.
    holdout : ndarray of bool, shape (requests,)
        Requests of holdout users: they have the base list.
    relaxed : dict of str to ndarray of bool, shape (requests,)
        As in `causal_ranker.reranking.chained.RankedLists`; False in a holdout list, for which no
        rule is meant.
    """

    rank: IntArray
    chosen: IntArray
    propensity: Array
    error: Array
    holdout: Mask
    relaxed: dict[str, Mask]


def explore(
    policy: ListPolicy,
    lists: CandidateLists,
    exploration: Exploration,
    *,
    decisions: ArrayLike,
    users: ArrayLike,
    seed: int,
) -> Explored:
    """Draw the list of each request.

    Rules of the policy hold as they do without exploration: an item is drawn among those that they
    leave for the slot. Another request beside it changes nothing of a drawn list.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        Scores the candidates, and says which rules hold.
    lists : CandidateLists
        The candidates.
    exploration : Exploration
        How to draw.
    decisions : array_like of int or str, shape (requests,)
        Ids of the decisions, requests in ascending order; each its own draws.
    users : array_like of int or str, shape (requests,)
        Whom they are for.
    seed : int
        Another seed, other draws.

    Returns
    -------
    Explored
        The lists, with conditional propensities.

    Raises
    ------
    ConfigError
        If the policy bounds the base loss, which a drawn list cannot promise, or its rules hold in
        another number of slots; or if Thompson draws meet a policy that is not by uplift, or a
        model without intervals.
    RowError
        If there is not one decision and one user for each request, a score is not finite, or an
        interval has no width.
    """
    check_exploration(policy, exploration)
    order = BaseOrder.of(lists)
    score = score_lists(policy, lists, order=order)
    check_finite(score)
    ids, whose = np.asarray(decisions), np.asarray(users)
    if not ids.shape == whose.shape == order.counts.shape:
        raise RowError(
            expected=f"a decision and a user for each of {order.counts.size} requests",
            came=f"decisions of shape {ids.shape} and users of shape {whose.shape}",
            do="Give one of each, requests in ascending order.",
        )
    rule = policy.rules[-1] if isinstance(policy, ChainedPolicy) else None
    rule = rule if isinstance(rule, Constrained) else None
    limits = None if rule is None else rule.limits(lists)
    shape = (order.counts.size, exploration.slots)
    chosen = np.full(shape, -1, dtype=np.int64)
    propensity, error = np.full(shape, np.nan), np.zeros(shape)
    holdout = in_holdout(whose, exploration)
    bound = None if rule is None else rule.max_moves
    width = None if bound is None else exploration.slots + bound
    for requests, rows, real in order.chunks(width=width):

        def uniforms(
            slot: int, first: int, end: int, ids: NDArray[np.generic] = ids[requests]
        ) -> Array:
            counters = (slot << 32) + np.arange(first, end)
            return uniform_stream(ids, counters, salt=f"explore-{seed}")

        frame = Frame(real, exploration.slots)
        if limits is not None:
            frame = limits.frame(rows, real, max_moves=bound, drawn=True)
        interval = None
        if lists.interval is not None:
            interval = (lists.interval[0][rows], lists.interval[1][rows])
        drawn = drawer(
            exploration.draw,
            score[rows],
            real=real,
            interval=interval,
            uniforms=uniforms,
            slots=exploration.slots,
            ruled=limits is not None,
        )
        places = frame.fill(drawn.pick)
        there = places >= 0
        chosen[requests] = np.where(
            there, np.take_along_axis(rows, np.where(there, places, 0), axis=1), -1
        )
        told = len(drawn.chances)
        propensity[requests, :told] = np.where(
            there[:, :told], np.stack(drawn.chances, axis=1), np.nan
        )
        error[requests, :told] = np.where(there[:, :told], np.stack(drawn.errors, axis=1), 0.0)
    relaxed = {} if limits is None else limits.broken(chosen)
    return _with_holdout(
        lists,
        order,
        Explored(
            rank=Arranged(chosen, relaxed).ranks(
                lists, score if bound is None else lists.base_score, k=None
            ),
            chosen=chosen,
            propensity=propensity,
            error=error,
            holdout=holdout,
            relaxed=relaxed,
        ),
    )


def check_exploration(policy: ListPolicy, exploration: Exploration) -> None:
    """Refuse exploration that does not go with a policy, before any request comes.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        Scores the candidates, and says which rules hold.
    exploration : Exploration
        How to draw.

    Raises
    ------
    ConfigError
        If the policy bounds the base loss, its rules hold in another number of slots, or Thompson
        draws meet a policy that is not by uplift.
    """
    rules = policy.rules if isinstance(policy, ChainedPolicy) else ()
    for rule in rules:
        if not isinstance(rule, Constrained):
            continue
        if rule.max_base_loss is not None:
            raise ConfigError(
                expected="a policy without max_base_loss, which no drawn list can promise",
                came=f"max_base_loss = {rule.max_base_loss}",
                do="Bound max_moves instead, or do not explore.",
            )
        if rule.slots != exploration.slots:
            raise ConfigError(
                expected=f"exploration in the {rule.slots} slots in which the policy's rules hold",
                came=f"slots = {exploration.slots}",
                do="Give both the same number of slots.",
            )
    by_uplift = not rules and isinstance(policy, UpliftPolicy)
    if isinstance(policy, ChainedPolicy):
        by_uplift = isinstance(policy.scorer, UpliftPolicy) and len(policy.rules) == 1
        by_uplift = by_uplift and isinstance(policy.rules[0], Constrained)
    if isinstance(exploration.draw, Thompson) and not by_uplift:
        raise ConfigError(
            expected="the scorer 'uplift', and no rule but 'constrained', for the draw 'thompson'",
            came=repr(policy),
            do="Draw by 'plackett_luce' or 'uniform_swaps'.",
        )


def in_holdout(users: ArrayLike, exploration: Exploration) -> Mask:
    """Say which users always get the base list: the same ones in every process.

    Parameters
    ----------
    users : array_like of int or str, shape (n,)
        Users.
    exploration : Exploration
        Share and salt.

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether they do.
    """
    drawn = uniform_hash(users, salt=f"holdout-{exploration.holdout_salt}")
    held: Mask = drawn < exploration.holdout_share
    return held


def _with_holdout(lists: CandidateLists, order: BaseOrder, drawn: Explored) -> Explored:
    held = np.flatnonzero(drawn.holdout)
    if not held.size:
        return drawn
    places = np.arange(drawn.chosen.shape[1])
    there = places < order.counts[held][:, None]
    at = order.starts[held][:, None] + np.where(there, places, 0)
    drawn.chosen[held] = np.where(there, order.rows[at], -1)
    drawn.propensity[held] = np.where(there, 1.0, np.nan)
    drawn.error[held] = 0.0
    for broken in drawn.relaxed.values():
        broken[held] = False
    place = np.empty(len(lists), dtype=np.int64)
    place[order.rows] = np.arange(len(lists)) - np.repeat(order.starts, order.counts) + 1
    mine = np.zeros(len(lists), dtype=bool)
    mine[order.rows] = np.repeat(drawn.holdout, order.counts)
    drawn.rank[mine] = place[mine]
    return drawn
