"""One user's list online: from candidates that were sent, a base recommender, or the bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from causal_ranker.columns import Columns as C
from causal_ranker.errors import UnknownUserError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.serving.adapter import RerankedList, rerank
from causal_ranker.serving.bundle import Bundle

__all__ = ["rerank_offer"]


def rerank_offer(
    bundle: Bundle,
    user: int | str,
    *,
    candidates: Iterable[tuple[int | str, float]] | None,
    base: BaseRecommender | Literal["boosted"] | None,
    k: int | None,
    at: datetime | None,
    columns: Mapping[str, Sequence[float | str | None]] | None,
    moment: Mapping[str, float | str | None] | None,
    context: Mapping[str, float | str | None] | None,
) -> RerankedList:
    """Order a user's candidates by the bundle's policy; where none are sent, ask for them.

    A recommender is asked for no more items than the longest list the bundle was published with:
    the models have learned from lists of such lengths, and in a whole catalogue they would meet
    ranks they never saw. If it fails, so does this: there is no list to fall back to.

    Parameters
    ----------
    bundle : Bundle
        A loaded bundle.
    user : int or str
        The user.
    candidates : iterable of (item id, base score), or None
        What the base recommender offers, if somebody has asked it already.
    base : BaseRecommender, "boosted" or None
        Whom to ask otherwise; the built-in ranker is in the bundle, and logged scores come from
        nobody.
    k : int or None
        Longest list to return.
    at : datetime or None
        The moment that the recommender is asked about, and that features of the clock are of; now
        where it is None.
    columns : mapping of str to sequence, or None
        What rules of the policy read, in the order of `candidates`.
    moment, context : mapping of str to value, or None
        Features of the moment and of the user by name.

    Returns
    -------
    RerankedList
        What `causal_ranker.serving.adapter.rerank` returns.

    Raises
    ------
    UnknownUserError
        If the recommender has nothing for the user.
    """
    if candidates is None and not (base is None or isinstance(base, str)):
        source = bundle.candidates
        longest = None if source is None else int(np.diff(source.starts).max(initial=0)) or None
        answer = base.candidates([user], at=at or datetime.now(UTC), k=longest)
        if answer.empty:
            bundle.counts.add(unknown_items=0, fallback="unknown_user")
            raise UnknownUserError(
                expected=f"a user whom {type(base).__name__} can serve",
                came=f"user {user!r}",
                do="Check the id, or send candidates with base scores to get them in base order.",
            )
        candidates = zip(answer[C.ITEM].tolist(), answer[C.BASE_SCORE].tolist(), strict=True)
    offered = None if candidates is None else list(candidates)
    return rerank(
        bundle,
        user,
        candidates=offered,
        k=k,
        columns=columns,
        moment=moment,
        context=context,
        at=at,
    )
