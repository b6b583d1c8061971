"""Rank one request by a bundle's policy; whatever a model does, there is a base order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError, UnknownUserError
from causal_ranker.reranking.chained import rank_lists
from causal_ranker.reranking.lists import CandidateLists
from causal_ranker.serving.asked import Asked
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.counts import FallbackReason
from causal_ranker.serving.model import Scorer
from causal_ranker.serving.store import FeatureRows

__all__ = ["Ranked", "base_list", "rank_request", "snapshot_list"]

_log = logging.getLogger(__name__)

Id = int | str
Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranked:
    """All candidates of a request, ranked; arrays in the caller's order of the candidates.

    Parameters
    ----------
    items : list of int or str
        The candidates.
    base_score : ndarray of float64, shape (n,)
        Their base scores; NaN where the base model failed.
    base_rank : ndarray of int64, shape (n,)
        Ranks by base score, from 1; equal scores keep the caller's order.
    uplift : ndarray of float64, shape (n,)
        Estimated uplift in plays per impression; NaN in a list that fell back.
    score : ndarray of float64, shape (n,)
        What the list is sorted by, where no rule says otherwise.
    rank : ndarray of int64, shape (n,)
        1 to n.
    fallback : str or None
        Why the list is in base order.
    relaxed : tuple of str
        Rules of the policy that could not be kept.
    unknown_items : int
        Candidates that the snapshot does not know.
    features : ndarray of float64, shape (n, features), or None
        What the uplift model read; ``None`` where it was not asked.
    lists : CandidateLists or None
        What the policy read; ``None`` where it was not asked.
    """

    items: list[Id]
    base_score: Array
    base_rank: IntArray
    uplift: Array
    score: Array
    rank: IntArray
    fallback: FallbackReason | None = None
    relaxed: tuple[str, ...] = ()
    unknown_items: int = 0
    features: Array | None = None
    lists: CandidateLists | None = None

    @property
    def interval(self) -> tuple[Array, Array] | None:
        """Lower and upper ends of the uplift's interval; ``None`` where there is none."""
        return None if self.lists is None else self.lists.interval


def base_list(
    items: list[Id],
    base_score: Array,
    *,
    fallback: FallbackReason | None = None,
    unknown_items: int = 0,
) -> Ranked:
    """Put candidates in base order.

    Parameters
    ----------
    items : list of int or str
        The candidates.
    base_score : ndarray of float64, shape (n,)
        Their base scores.
    fallback : str, optional
        Why nothing better is done.
    unknown_items : int
        Candidates that the snapshot does not know.

    Returns
    -------
    Ranked
        The base order.
    """
    n = base_score.size
    base_rank = np.empty(n, dtype=np.int64)
    # Stable: equal scores, and missing ones, keep the order they came in.
    base_rank[np.argsort(-base_score, kind="stable")] = np.arange(1, n + 1)
    return Ranked(
        items=items,
        base_score=base_score,
        base_rank=base_rank,
        uplift=np.full(n, np.nan),
        score=base_score,
        rank=base_rank,
        fallback=fallback,
        unknown_items=unknown_items,
    )


def snapshot_list(bundle: Bundle, asked: Asked, *, fallback: FallbackReason) -> Ranked:
    """List a user's own candidates in the order of the snapshot, where nothing can score them.

    Parameters
    ----------
    bundle : Bundle
        A loaded bundle.
    asked : Asked
        The request. The first `most` items; of a user who is not known, of all of the snapshot's.
    fallback : str
        Why nothing better is done.

    Returns
    -------
    Ranked
        The items, without base scores.

    Raises
    ------
    EmptyError
        If the bundle has no base model: then it never lists candidates of its own.
    """
    _base_of(bundle)
    item_rows = _candidates_of(bundle, bundle.snapshot.users.row(asked.user))[: asked.most]
    items = bundle.snapshot.items.ids[item_rows].tolist()
    return base_list(items, np.full(item_rows.size, np.nan), fallback=fallback)


def rank_request(
    bundle: Bundle,
    asked: Asked,
    *,
    by_policy: bool = True,
    intervals: bool = False,
    at_hand: Callable[[Ranked], None] | None = None,
) -> Ranked:
    """Rank a user's candidates by the bundle's policy.

    Parameters
    ----------
    bundle : Bundle
        A loaded bundle.
    asked : Asked
        The request.
    by_policy : bool
        Whether the policy orders the list; without it the base model does.
    intervals : bool
        Whether uplifts come with intervals, where the bundle has a model of their widths: a second
        prediction, which costs about what the first one does.
    at_hand : callable, optional
        Is told the base order before the policy is asked.

    Returns
    -------
    Ranked
        All candidates, but of the bundle's own only the best `asked.most`; in base order, with the
        reason, where the user is not known, the feature store fails, or a model raises, says
        something not finite or scores another number of items.

    Raises
    ------
    EmptyError
        If no candidates came for a known user and the bundle has no base model.
    UnknownUserError
        If the user is not known, and there are neither candidates nor a base model.
    """
    user_row = bundle.snapshot.users.row(asked.user)
    if user_row < 0 and asked.items is None and bundle.base is None:
        raise UnknownUserError(
            expected=f"one of the {bundle.snapshot.users.ids.size} users of the model's snapshot",
            came=f"user {asked.user!r}",
            do="Check the id, or send candidates with base scores to get them in base order.",
        )
    if asked.items is not None and asked.base_score is not None:
        items, base_score = asked.items, asked.base_score
        rows, reason = _read(bundle, asked.user, items)
    else:
        base = _base_of(bundle)
        items = bundle.snapshot.items.ids[_candidates_of(bundle, user_row)].tolist()
        rows, reason = _read(bundle, asked.user, items)
        base_score, failed = _base_scores(base, rows, asked=asked, n=len(items))
        reason = failed or reason  # without base scores the order is not even the base's
        if asked.most is not None and len(items) > asked.most:
            best = np.sort(np.argsort(-base_score, kind="stable")[: asked.most])
            items, base_score = [items[place] for place in best], base_score[best]
            rows = None if rows is None else rows.at(best)
    listed = base_list(
        items,
        base_score,
        fallback=reason,
        unknown_items=0 if rows is None else int((~rows.known).sum()),
    )
    if at_hand is not None:
        at_hand(listed)
    if rows is None or reason is not None or not items or not by_policy:
        return listed
    return _by_policy(bundle, rows, asked=asked, listed=listed, intervals=intervals)


def _read(
    bundle: Bundle, user: Id, items: list[Id]
) -> tuple[FeatureRows | None, FallbackReason | None]:
    try:
        rows = bundle.read(user, items)
    except Exception:  # whatever a store does, the user gets a list
        _log.warning("the feature store failed; the list is in base order", exc_info=True)
        return None, "feature_store_error"
    return rows, "unknown_user" if rows.user is None else None


def _candidates_of(bundle: Bundle, user_row: int) -> IntArray:
    if bundle.candidates is None or user_row < 0:
        return np.arange(bundle.snapshot.items.ids.size)
    return bundle.candidates.items_of(user_row)


def _base_of(bundle: Bundle) -> Scorer:
    if bundle.base is None:
        raise EmptyError(
            expected="candidates with base scores, because this bundle holds no base model",
            came="none",
            do="Send the base recommender's list.",
        )
    return bundle.base


def _base_scores(
    base: Scorer, rows: FeatureRows | None, *, asked: Asked, n: int
) -> tuple[Array, FallbackReason | None]:
    missing = np.full(n, np.nan)
    if not n:
        return missing, None
    if rows is None:
        return missing, "feature_store_error"
    try:
        scores = base.model.predict(base.plan.matrix(rows, sent=asked.features))
    except Exception:  # whatever a model does, the user gets a list
        _log.warning("the base model failed; the list keeps the snapshot's order", exc_info=True)
        return missing, "base_model_error"
    if scores.shape != missing.shape or not np.isfinite(scores).all():
        return missing, "base_model_error"
    return scores, None


def _by_policy(
    bundle: Bundle, rows: FeatureRows, *, asked: Asked, listed: Ranked, intervals: bool
) -> Ranked:
    base_score, base_rank = listed.base_score, listed.base_rank
    scorer = bundle.uplift
    features = None
    try:
        features = scorer.plan.matrix(
            rows,
            base_score=base_score,
            base_rank=base_rank,
            sent=asked.features,
        )
        uplift = scorer.model.predict(features)
        if uplift.shape != base_score.shape:
            return replace(listed, fallback="model_wrong_length", features=features)
        if not np.isfinite(uplift).all():
            return replace(listed, fallback="model_not_finite", features=features)
        interval = None
        if intervals and bundle.width is not None:
            interval = bundle.width.around(uplift, features)
            if interval is None:
                return replace(listed, fallback="interval_error", features=features)
        lists = CandidateLists(
            request=_one_request(uplift.size),
            base_score=base_score,
            base_rank=base_rank.astype(np.float64),
            uplift=uplift,
            columns=bundle.sides.columns(
                rows,
                base_score=base_score,
                base_rank=base_rank,
                sent=asked.columns,
            ),
            interval=interval,
        )
        found = rank_lists(bundle.policy, lists)
    except Exception:  # whatever a model does, the user gets a list
        _log.warning("the uplift model failed; the list is in base order", exc_info=True)
        return replace(listed, fallback="model_error", features=features)
    return replace(
        listed,
        uplift=uplift,
        score=found.score,
        rank=found.rank,
        relaxed=tuple(rule for rule, broken in found.relaxed.items() if broken.any()),
        features=features,
        lists=lists,
    )


def _one_request(n: int) -> IntArray:
    return np.zeros(n, dtype=np.int64)
