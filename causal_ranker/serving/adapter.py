"""Re-rank one user's candidates; whatever fails, the answer is the base order."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, EmptyError, RowError, UnknownUserError
from causal_ranker.reranking.chained import RankedLists, rank_lists
from causal_ranker.reranking.lists import CandidateLists
from causal_ranker.reranking.ranks import rank_within
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.counts import FallbackReason
from causal_ranker.serving.model import Scorer

__all__ = ["RerankedList", "rerank"]

_log = logging.getLogger(__name__)

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
    """

    items: tuple[Id, ...]
    base_score: NDArray[np.float64]
    base_rank: NDArray[np.int64]
    uplift: NDArray[np.float64]
    score: NDArray[np.float64]
    rank: NDArray[np.int64]
    fallback: FallbackReason | None
    relaxed: tuple[str, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        """Return the list as rows of plain values, ``None`` for NaN.

        Returns
        -------
        list of dict
            Keys item_id, base_score, base_rank, uplift, score and rank.
        """
        names = (C.ITEM, C.BASE_SCORE, C.BASE_RANK, C.UPLIFT, C.SCORE, C.RANK)
        columns = (
            self.items,
            _or_none(self.base_score),
            self.base_rank.tolist(),
            _or_none(self.uplift),
            _or_none(self.score),
            self.rank.tolist(),
        )
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def rerank(
    bundle: Bundle,
    user: Id,
    *,
    candidates: Sequence[tuple[Id, float]] | None = None,
    k: int | None = None,
    columns: Mapping[str, Sequence[float | str | None]] | None = None,
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
    strict : bool
        Raise for an unknown user instead of falling back.

    Returns
    -------
    RerankedList
        The first `k` of the candidates, each once.

    Raises
    ------
    ConfigError
        If `k` is below 1, or `columns` come without candidates or hold one that no rule reads.
    EmptyError
        If `candidates` is empty, or is not given for a known user and the bundle has no base model.
    RowError
        If a candidate comes twice, its base score is not finite, or a column does not fit.
    UnknownUserError
        If the user is not known, and `strict` is set or there is nothing to fall back to: neither
        `candidates` nor a base model. The latter is counted, too.
    """
    if k is not None and k < 1:
        raise ConfigError(
            expected="k of 1 or more", came=str(k), do="Ask for at least one item, or leave k out."
        )
    given = None if candidates is None else _checked(candidates)
    sent = _sent(bundle, columns, n=None if given is None else len(given[0]))
    user_row = bundle.snapshot.users.row(user)
    nothing = given is None and bundle.base is None
    if user_row < 0 and (strict or nothing):
        if not strict:
            bundle.counts.add(unknown_items=0, fallback="unknown_user")
        raise UnknownUserError(
            expected=f"one of the {bundle.snapshot.users.ids.size} users of the model's snapshot",
            came=f"user {user!r}",
            do="Check the id."
            if strict
            else "Check the id, or send candidates with base scores to get them in base order.",
        )

    reason: FallbackReason | None = None if user_row >= 0 else "unknown_user"
    item_table = bundle.snapshot.items
    if given is not None:
        items, base_score = given
        item_rows = np.array([item_table.row(item) for item in items], dtype=np.int64)
    else:
        item_rows = _candidates_of(bundle, user_row)
        items = item_table.ids[item_rows].tolist()
        base_score, failed = _base_scores(_base_of(bundle), user_row, item_rows)
        reason = failed or reason  # without base scores the order is not even the base's
    base_rank = _base_rank(base_score)

    uplift, score, rank = np.full(len(items), np.nan), base_score, base_rank
    relaxed: tuple[str, ...] = ()
    if reason is None and items:
        ranked = _by_policy(
            bundle, user_row, item_rows, base_score=base_score, base_rank=base_rank, sent=sent
        )
        if isinstance(ranked, str):
            reason = ranked
        else:
            uplift, found = ranked
            score, rank = found.score, found.rank
            relaxed = tuple(rule for rule, broken in found.relaxed.items() if broken.any())
    unknown = int((item_rows < 0).sum())
    bundle.counts.add(unknown_items=unknown, fallback=reason, relaxed=relaxed)
    order = np.argsort(rank)[:k]
    return RerankedList(
        items=tuple(items[place] for place in order),
        base_score=base_score[order],
        base_rank=base_rank[order],
        uplift=uplift[order],
        score=score[order],
        rank=np.arange(1, order.size + 1),
        fallback=reason,
        relaxed=relaxed,
    )


def _sent(
    bundle: Bundle,
    columns: Mapping[str, Sequence[float | str | None]] | None,
    *,
    n: int | None,
) -> dict[str, NDArray[np.float64]]:
    if not columns:
        return {}
    if n is None:
        raise ConfigError(
            expected="columns together with the candidates that they speak of",
            came="columns alone",
            do="Send candidates, too, or leave the columns out.",
        )
    return bundle.sides.encode(columns, n=n)


def _checked(candidates: Sequence[tuple[Id, float]]) -> tuple[list[Id], NDArray[np.float64]]:
    if not len(candidates):
        raise EmptyError(
            expected="at least one candidate", came="an empty list", do="Send the base list."
        )
    try:
        items = [item.item() if isinstance(item, np.generic) else item for item, _ in candidates]
        scores = np.array([float(score) for _, score in candidates])
        seen = len(set(items))
    except (TypeError, ValueError, OverflowError) as error:
        raise RowError(
            expected="candidates as pairs of an item id and a base score",
            came=str(error),
            do="Send (item, base_score) pairs.",
        ) from None
    if seen != len(items):
        twice = next(item for place, item in enumerate(items) if item in items[:place])
        raise RowError(
            expected="each candidate once",
            came=f"{len(items) - seen} repeated, e.g. {twice!r}",
            do="Remove the repeated items.",
        )
    if not np.isfinite(scores).all():
        place = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise RowError(
            expected="finite base scores",
            came=f"{scores[place]} for item {items[place]!r}",
            do="Leave the item out or give it a score.",
        )
    return items, scores


def _candidates_of(bundle: Bundle, user_row: int) -> NDArray[np.int64]:
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
    base: Scorer, user_row: int, item_rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], FallbackReason | None]:
    missing = np.full(item_rows.size, np.nan)
    if not item_rows.size:
        return missing, None
    try:
        scores = base.score(user_row, item_rows)
    except Exception:  # whatever a model does, the user gets a list
        _log.warning("the base model failed; the list keeps the snapshot's order", exc_info=True)
        return missing, "base_model_error"
    if scores.shape != missing.shape or not np.isfinite(scores).all():
        return missing, "base_model_error"
    return scores, None


def _by_policy(
    bundle: Bundle,
    user_row: int,
    item_rows: NDArray[np.int64],
    *,
    base_score: NDArray[np.float64],
    base_rank: NDArray[np.int64],
    sent: Mapping[str, NDArray[np.float64]],
) -> tuple[NDArray[np.float64], RankedLists] | FallbackReason:
    try:
        uplift = bundle.uplift.score(
            user_row, item_rows, base_score=base_score, base_rank=base_rank
        )
        if uplift.shape != base_score.shape:
            return "model_wrong_length"
        if not np.isfinite(uplift).all():
            return "model_not_finite"
        columns = bundle.sides.columns(
            user_row, item_rows, base_score=base_score, base_rank=base_rank, sent=sent
        )
        lists = CandidateLists(
            request=_one_request(uplift.size),
            base_score=base_score,
            base_rank=base_rank.astype(np.float64),
            uplift=uplift,
            columns=columns,
        )
        return uplift, rank_lists(bundle.policy, lists)
    except Exception:  # whatever a model does, the user gets a list
        _log.warning("the uplift model failed; the list is in base order", exc_info=True)
        return "model_error"


def _base_rank(base_score: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank by falling base score; equal (or missing) scores keep the order of the input."""
    return rank_within(_one_request(base_score.size), np.nan_to_num(base_score))


def _one_request(n: int) -> NDArray[np.int64]:
    return np.zeros(n, dtype=np.int64)


def _or_none(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]
