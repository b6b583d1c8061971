"""Re-rank one user's candidates; whatever fails, the answer is the base order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import UnknownUserError
from causal_ranker.serving.asked import check_request, unzip
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.counts import FallbackReason
from causal_ranker.serving.ranking import rank_request

__all__ = ["RerankedList", "rerank"]

Id = int | str


@dataclass(frozen=True, eq=False, kw_only=True)
class RerankedList:
    """One user's list in the order to show, best first.

    Parameters
    ----------
    items : tuple of int or str
        Item ids, as the caller or the snapshot writes them.
    base_score : ndarray of float64, shape (n,)
        The base recommender's scores; NaN where the base model failed.
    base_rank : ndarray of int64, shape (n,)
        Ranks by base score among all candidates, from 1.
    uplift : ndarray of float64, shape (n,)
        Estimated uplift in plays per impression; NaN in a list that fell back.
    score : ndarray of float64, shape (n,)
        What the list is sorted by: the policy's score, where no rule of the policy says otherwise;
        the base score if it fell back.
    rank : ndarray of int64, shape (n,)
        1 to n.
    fallback : str or None
        Why the list is in base order; ``None`` where the policy ordered it.
    relaxed : tuple of str
        Rules of the policy that could not be kept: "floors", "caps".
    interval : tuple of ndarray of float64, shape (n,), or None
        Lower and upper ends of the uplift's interval; ``None`` where the bundle has no model of
        their widths, or the list fell back.
    """

    items: tuple[Id, ...]
    base_score: NDArray[np.float64]
    base_rank: NDArray[np.int64]
    uplift: NDArray[np.float64]
    score: NDArray[np.float64]
    rank: NDArray[np.int64]
    fallback: FallbackReason | None
    relaxed: tuple[str, ...] = ()
    interval: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def records(self) -> list[dict[str, Any]]:
        """Return the list as rows of plain values, ``None`` for NaN.

        Returns
        -------
        list of dict
            Keys item_id, base_score, base_rank, uplift, score and rank; where there are intervals,
            uplift_low and uplift_high, too.
        """
        columns: dict[str, Sequence[Any]] = {
            C.ITEM: self.items,
            C.BASE_SCORE: _or_none(self.base_score),
            C.BASE_RANK: self.base_rank.tolist(),
            C.UPLIFT: _or_none(self.uplift),
            C.SCORE: _or_none(self.score),
            C.RANK: self.rank.tolist(),
        }
        if self.interval is not None:
            low, high = self.interval
            columns |= {C.UPLIFT_LOW: low.tolist(), C.UPLIFT_HIGH: high.tolist()}
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]


def rerank(
    bundle: Bundle,
    user: Id,
    *,
    candidates: Sequence[tuple[Id, float]] | None = None,
    k: int | None = None,
    columns: Mapping[str, Sequence[float | str | None]] | None = None,
    moment: Mapping[str, float | str | None] | None = None,
    context: Mapping[str, float | str | None] | None = None,
    at: datetime | None = None,
    strict: bool = False,
) -> RerankedList:
    """Order a user's candidates by the bundle's policy.

    An item the snapshot does not know is scored on the model's missing path. If the user is not
    known, or a model raises, says something not finite or scores another number of items, the
    list is in base order, says why, and is counted in ``bundle.counts``. The base order of a user
    who is not known and for whom no candidates come is the base model's, over every item of the
    snapshot, with the user's features missing.

    Parameters
    ----------
    bundle : Bundle
        A loaded bundle.
    user : int or str
        The user's id, of the type of the snapshot's ids.
    candidates : sequence of (item id, base score), optional
        The base recommender's list, in any order; equal base scores keep it. Without it, the
        user's candidates in the bundle (of a user who is not known: every item) are scored by its
        base model.
    k : int, optional
        Length of the list, at least 1; all candidates by default.
    columns : mapping of str to sequence, optional
        What rules of the policy read of the candidates, in place of what the snapshot knows: by
        column a value for each of `candidates`, a level or a number; None where it is missing.
    moment : mapping of str to value, optional
        Features of the moment by name, a level or a number, in place of the bundle's defaults and
        of the clock; None where a value is missing.
    context : mapping of str to value, optional
        Features of the user by name, where the caller knows better than the snapshot.
    at : datetime, optional
        The moment, with a time zone, of features that follow the clock; now by default.
    strict : bool
        Raise for an unknown user instead of falling back.

    Returns
    -------
    RerankedList
        The first `k` of the candidates, each once.

    Raises
    ------
    ConfigError
        If `k` is below 1, `columns` come without candidates or hold one that no rule reads, a
        feature of `moment` or `context` has a name that no model of the bundle reads, or `at` has
        no time zone.
    EmptyError
        If `candidates` is empty, or is not given for a known user and the bundle has no base model.
    RowError
        If a candidate comes twice, its base score is not finite, or a column does not fit.
    SchemaError
        If a feature is a number and what came for it is none, or is not finite.
    UnknownUserError
        If the user is not known, and `strict` is set or there is nothing to fall back to: neither
        `candidates` nor a base model. The latter is counted, too.
    """
    items, base_score = (None, None) if candidates is None else unzip(candidates)
    asked = check_request(
        bundle,
        user,
        items=items,
        base_score=base_score,
        k=k,
        columns=columns,
        moment=moment,
        context=context,
        at=at,
    )
    if strict and bundle.snapshot.users.row(user) < 0:
        raise UnknownUserError(
            expected=f"one of the {bundle.snapshot.users.ids.size} users of the model's snapshot",
            came=f"user {user!r}",
            do="Check the id.",
        )
    try:
        ranked = rank_request(bundle, asked, intervals=True)
    except UnknownUserError:
        bundle.counts.add(unknown_items=0, fallback="unknown_user")
        raise
    missing = 0
    if ranked.features is not None:
        missing = bundle.uplift.plan.count_missing(ranked.features)
    bundle.counts.add(
        unknown_items=ranked.unknown_items,
        fallback=ranked.fallback,
        relaxed=ranked.relaxed,
        missing_features=missing,
    )
    order = np.argsort(ranked.rank)[:k]
    ends = ranked.interval
    return RerankedList(
        items=tuple(ranked.items[place] for place in order),
        base_score=ranked.base_score[order],
        base_rank=ranked.base_rank[order],
        uplift=ranked.uplift[order],
        score=ranked.score[order],
        rank=np.arange(1, order.size + 1),
        fallback=ranked.fallback,
        relaxed=ranked.relaxed,
        interval=None if ends is None else (ends[0][order], ends[1][order]),
    )


def _or_none(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]
