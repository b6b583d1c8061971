"""CP@K and CDCG of a ranking of every item, estimated from pairs that were shown or played.

The truth tau of `causal_ranker.stats.rank_metrics` is replaced by ``Y (T/p - (1 - T)/(1 - p))``,
as in `causal_ranker.stats.logged_ranking`. What was not played has Y = 0 and adds nothing, so that
only the places of the plays are looked up: users come in blocks, and a matrix of all
users and items is never in memory. Source: Sato et al., RecSys 2020.

Where p is 1 but for a millionth, pairs that were not shown, with their weights of a million, are
expected and never seen: the plays of those that were shown then count in full, effect or not, in
nearly every sample. A cap does not mend that; leaving such pairs out of the metric does: `overlap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, OverlapError, RowError, SchemaError
from causal_ranker.stats._arrays import positive_count
from causal_ranker.stats._codes import reject_empty_slots
from causal_ranker.stats.logged_ranking import logged_effects
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = [
    "EstimatedMetric",
    "EstimatedRanking",
    "ScoreUsers",
    "estimated_cdcg",
    "estimated_ranking",
]

Array = NDArray[np.float64]
#: Scores of every item for some users, by code: shape (len(user), n_items), larger is shown first.
ScoreUsers = Callable[[NDArray[np.int64]], NDArray[np.floating[Any]]]

_CELLS: Final = 2**20  # scores looked at in one go


@dataclass(frozen=True)
class EstimatedMetric:
    """An estimated metric, with what each user adds.

    Parameters
    ----------
    value : float
        In the unit of the metric; may be negative.
    by_user : ndarray of float64, shape (n_users,)
        Values whose mean is `value`, and whose spread is its error: their differences between two
        rankings, on the same pairs, give the paired interval.
    share_capped : float
        Share of the plays that count whose weight the cap lowered; above 0, the estimate leans.
    """

    value: float
    by_user: Array
    share_capped: float


@dataclass(frozen=True)
class EstimatedRanking:
    """Where played pairs stand in a ranking; made by `estimated_ranking`.

    Parameters
    ----------
    user : ndarray of int64, shape (n,)
        Code of the user of each pair.
    rank : ndarray of int64, shape (n,)
        Rank of the item among all items, from 1.
    effect : ndarray of float64, shape (n,)
        ``T/p - (1 - T)/(1 - p)``, capped.
    capped : ndarray of bool, shape (n,)
        Whether the cap lowered the weight.
    n_users, n_items : int
        Users that the metrics are means over, and items that each of them ranks.
    share_without_overlap : float
        Share of the plays that is not here for want of overlap.
    """

    user: NDArray[np.int64]
    rank: NDArray[np.int64]
    effect: Array
    capped: NDArray[np.bool_]
    n_users: int
    n_items: int
    share_without_overlap: float

    def cp(self, k: int) -> EstimatedMetric:
        """Estimate ``CP@K = (1/U) sum_u sum_{rank <= K} tau_ui / K``, extra plays per slot.

        Parameters
        ----------
        k : int
            Slots, K.

        Returns
        -------
        EstimatedMetric
            Over the first K items of each user.

        Raises
        ------
        ConfigError
            If k is not a whole number of at least 1, or there are fewer items.
        """
        slots = positive_count(k, name="k")
        reject_empty_slots(slots, longest=self.n_items)
        return self._estimate(np.where(self.rank <= slots, 1 / slots, 0.0))

    def cdcg(self) -> EstimatedMetric:
        """Estimate ``CDCG = (1/U) sum_u sum_i tau_ui / log2(1 + rank_ui)`` over the whole ranking.

        Returns
        -------
        EstimatedMetric
            Discounted extra plays per user.
        """
        return self._estimate(1 / np.log2(1.0 + self.rank))

    def _estimate(self, gain: Array) -> EstimatedMetric:
        """Sum gains times effects."""
        by_user = np.zeros(self.n_users)
        np.add.at(by_user, self.user, gain * self.effect)
        counts = gain > 0
        return EstimatedMetric(
            value=float(by_user.mean()),
            by_user=by_user,
            share_capped=float(self.capped[counts].mean()) if counts.any() else 0.0,
        )


def estimated_ranking(
    score_users: ScoreUsers,
    interactions: Interactions,
    *,
    cap: float | None = None,
    overlap: float = 0.0,
) -> EstimatedRanking:
    """Look up where the played pairs stand in a ranking of all items.

    Parameters
    ----------
    score_users : callable
        Scores of every item for users given by code, as `PairModel.score_users`. Among equal
        scores the item with the lower code comes first.
    interactions : Interactions
        Pairs that the ranking was not learned from, with propensities.
    cap : float, optional
        Largest inverse propensity, above 1. None is capped without it.
    overlap : float
        Leave the effects of pairs out of the metric whose propensity is nearer to 0 or 1 than
        this, below 0.5: they keep their places, and add nothing.

    Returns
    -------
    EstimatedRanking
        Which answers with any of the metrics.

    Raises
    ------
    EmptyError
        If nothing was played.
    OverlapError
        If nothing was shown, or no play has overlap.
    RowError
        If the propensity of a play is missing, or a score is NaN.
    SchemaError
        If the scores are not one number per user and item.
    ConfigError
        If the cap is not above 1, or the overlap not from 0 to below 0.5.
    """
    _reject_one_sided(interactions)
    plays = np.flatnonzero(interactions.played)
    plays = plays[np.argsort(interactions.user[plays], kind="stable")]
    p = interactions.propensity[plays]
    effects = logged_effects(
        interactions.played[plays], interactions.exposed[plays], propensity=p, cap=cap
    )
    kept = _with_overlap(p, overlap)
    user, item = interactions.user[plays[kept]].astype(np.int64), interactions.item[plays[kept]]
    rank = np.empty(user.size, dtype=np.int64)
    for rows in _blocks(user, users=max(1, _CELLS // interactions.n_items)):
        codes, place = np.unique(user[rows], return_inverse=True)
        scores = _checked(score_users(codes), users=codes, n_items=interactions.n_items)
        rank[rows] = _ranks(scores)[place, item[rows]]
    return EstimatedRanking(
        user=user,
        rank=rank,
        effect=np.where(effects.treated, effects.weight, -effects.weight)[kept],
        capped=effects.capped[kept],
        n_users=interactions.n_users,
        n_items=interactions.n_items,
        share_without_overlap=float(1 - kept.mean()),
    )


def estimated_cdcg(
    score_users: ScoreUsers,
    interactions: Interactions,
    *,
    cap: float | None = None,
    overlap: float = 0.0,
) -> float:
    """Estimate the causal DCG, discounted extra plays per user.

    Parameters
    ----------
    score_users, interactions, cap, overlap
        As in `estimated_ranking`.

    Returns
    -------
    float
        In plays per user.
    """
    ranking = estimated_ranking(score_users, interactions, cap=cap, overlap=overlap)
    return ranking.cdcg().value


def _reject_one_sided(interactions: Interactions) -> None:
    if not interactions.played.any():
        raise EmptyError(
            expected="plays to estimate effects from",
            came=f"none in {interactions.played.size} pairs",
            do="Judge on more users, or a longer time.",
        )
    if not interactions.exposed.any():
        raise OverlapError(
            expected="pairs that were shown",
            came=f"none in {interactions.exposed.size} pairs",
            do="Judge on logs with exposures; without them nothing says what showing changes.",
        )


def _with_overlap(p: Array, overlap: float) -> NDArray[np.bool_]:
    if not 0 <= overlap < 0.5:
        raise ConfigError(
            expected="overlap from 0 to below 0.5",
            came=f"overlap = {overlap!r}",
            do="Give the least propensity, of either arm, of pairs that are to count.",
        )
    kept: NDArray[np.bool_] = np.minimum(p, 1 - p) >= overlap
    if not kept.any():
        raise OverlapError(
            expected=f"plays with propensities from {overlap:g} to {1 - overlap:g}",
            came=f"none of {p.size}",
            do="Ask for less overlap, or explore more.",
        )
    return kept


def _blocks(user: NDArray[np.int64], *, users: int) -> Iterator[slice]:
    """Cut sorted rows where a user begins, at most so many users at a time."""
    starts = np.flatnonzero(np.diff(user, prepend=-1))[::users]
    for start, stop in zip(starts, [*starts[1:], user.size], strict=True):
        yield slice(int(start), int(stop))


def _checked(
    scores: NDArray[np.floating[Any]], *, users: NDArray[np.int64], n_items: int
) -> NDArray[np.floating[Any]]:
    if scores.shape != (users.size, n_items) or scores.dtype.kind != "f":
        raise SchemaError(
            expected=f"scores as floats of shape {(users.size, n_items)}",
            came=f"shape {scores.shape} of type {scores.dtype}",
            do="Return a score for every item of each user asked for.",
        )
    lost = np.isnan(scores).any(axis=1)
    if lost.any():
        raise RowError(
            expected="a score for every item",
            came=f"NaN for {lost.sum()} of {lost.size} users (first: {users[lost][0]})",
            do="Check the model that scored them.",
        )
    return scores


def _ranks(scores: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Rank each row from 1, the largest first; of equal ones the first is first."""
    rows, items = scores.shape
    if scores.dtype == np.float32:
        # The bits of a float in the order of its value, then the place: sorting these numbers
        # whole is several times faster than a stable sort that keeps track of places.
        bits = (scores + np.float32(0)).view(np.uint32)  # -0 and 0 are equal
        down = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF))
        keys = down.astype(np.uint64) << np.uint64(32) | np.arange(items, dtype=np.uint64)
        keys.sort(axis=1)
        order = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    else:
        order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty((rows, items), dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(1, items + 1)[None], axis=1)
    return ranks
