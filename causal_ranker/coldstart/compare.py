"""Rankings from several files, judged on the items that all of them rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from causal_ranker.coldstart.choice import NDCG_AT
from causal_ranker.coldstart.metrics import ListMetrics, evaluate
from causal_ranker.coldstart.named import NamedScores, audience_of
from causal_ranker.columns import Columns as C
from causal_ranker.errors import EmptyError
from causal_ranker.recommenders.ids import Ids

__all__ = ["Compared", "compare"]

_LENGTHS = (NDCG_AT, 30, 200)


@dataclass(frozen=True)
class Compared:
    """Rankings of the same items for the same users.

    Parameters
    ----------
    rankings : dict of str to list of ListMetrics
        By the name of their method.
    lengths : list of int
        Lengths of list that they were judged at.
    counts : dict of str to int
        What was ranked, and what was left out.
    """

    rankings: dict[str, list[ListMetrics]]
    lengths: list[int]
    counts: dict[str, int]


def compare(
    rankings: Mapping[str, Sequence[NamedScores]],
    pairs: pd.DataFrame,
    *,
    warm: pd.DataFrame | None = None,
    lengths: Sequence[int] | None = None,
) -> Compared:
    """Judge rankings by later pairs.

    Parameters
    ----------
    rankings : mapping of str to sequence of NamedScores
        By the name of their method, one or those of several strengths. Users and items that not
        all of them score are left out, and counted.
    pairs : pandas.DataFrame
        Who liked what, ``user_id`` and ``item_id``.
    warm : pandas.DataFrame, optional
        Pairs that were learned from: their items are not ranked.
    lengths : sequence of int, optional
        Of lists; by default those of 15, 30 and 200 that are not longer than the list of items.

    Returns
    -------
    Compared
        The rankings, judged.

    Raises
    ------
    ConfigError
        If a length is longer than the list of items.
    EmptyError
        If there is no ranking, no user or no item is in all of them, all items are warm, or no
        pair is of them.
    DataError
        If a score is NaN or infinite.
    """
    every = list(chain.from_iterable(rankings.values()))
    if not every:
        raise EmptyError(
            expected="at least one ranking", came="none", do="Pass the scores of one or more."
        )
    users = _in_all([each.users for each in every])
    shared = _in_all([each.items for each in every])
    items = shared if warm is None else shared[~shared.isin(pd.Index(warm[C.ITEM]))]
    if not (len(users) and len(items)):
        raise EmptyError(
            expected="users and items that all rankings score, and that are not warm",
            came=f"{len(users)} users, and {len(shared)} items of which {len(items)} are not warm",
            do="Check that all files have ids of one kind, and of the same users and items.",
        )
    kept = [each.only(users=users.tolist(), items=items.tolist()) for each in every]
    heard = audience_of(pairs, users=kept[0].users, items=kept[0].items)
    chosen = list(lengths or ()) or [k for k in _LENGTHS if k <= len(items)] or [len(items)]
    judged = (evaluate(each.scores, audience=heard.audience, lengths=chosen) for each in kept)
    counts = {
        "users": len(users),
        "items": len(items),
        "pairs": int(heard.audience.matrix.nnz),
        "users_not_in_all": max(len(each.users.ids) for each in every) - len(users),
        "items_not_in_all": max(len(each.items.ids) for each in every) - len(shared),
        "warm_items_left_out": len(shared) - len(items),
        "pairs_of_other_users": heard.of_other_users,
        "pairs_of_other_items": heard.of_other_items,
    }
    by_name = {name: [next(judged) for _ in parts] for name, parts in rankings.items()}
    return Compared(by_name, chosen, counts)


def _in_all(every: Sequence[Ids]) -> pd.Index[Any]:
    """Ids that all have, in the order of the first."""
    first = pd.Index(every[0].ids)
    shared = [first.isin(pd.Index(each.ids)) for each in every]
    return first[np.logical_and.reduce(shared)]
