"""What in two logs a person should look at before crediting anything."""

from __future__ import annotations

from typing import Final

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.logs.clock import span
from causal_ranker.logs.sources import reading

__all__ = ["attribution_warnings"]

#: Bounds beyond which a person should look; each is named in the warning it leads to.
_SKEW_SECONDS: Final = 60
_MANY_SKEWED: Final = 0.01
_ENOUGH_PLAYS: Final = 30
_LARGE_SHARE: Final = 0.1
_MANY_ROWS: Final = 10_000


def attribution_warnings(impressions: ibis.Table, plays: ibis.Table) -> tuple[str, ...]:
    """Look for clocks that disagree and for users who are no people.

    Parameters
    ----------
    impressions, plays : ibis.Table
        Logs that passed their contract.

    Returns
    -------
    tuple of str
        Warnings, each with what may be the matter; empty where nothing looks wrong.
    """
    with reading("impressions and plays"):
        found = (_skew(impressions, plays), _one_user(impressions))
    return tuple(text for text in found if text)


def _skew(impressions: ibis.Table, plays: ibis.Table) -> str:
    """Plays right before the item was shown: by accident they are as rare as right after it."""
    near = impressions.inner_join(
        plays.select(C.PLAY, C.USER, C.ITEM, C.PLAYED_AT),
        [
            impressions[C.USER] == plays[C.USER],
            impressions[C.ITEM] == plays[C.ITEM],
            impressions[C.T0] > plays[C.PLAYED_AT],
            impressions[C.T0] <= plays[C.PLAYED_AT] + span(_SKEW_SECONDS),
        ],
    )
    early = int(near[C.PLAY].nunique().to_pyarrow().as_py())
    total = int(plays.count().to_pyarrow().as_py())
    if total < _ENOUGH_PLAYS or early <= _MANY_SKEWED * total:
        return ""
    return (
        f"{early:,} of {total:,} plays start up to {_SKEW_SECONDS} seconds before an impression of "
        "their item, which gets no credit for them: the clocks of the two logs may differ."
    )


def _one_user(impressions: ibis.Table) -> str:
    by_user = impressions.group_by(C.USER).aggregate(rows=impressions.count())
    first = by_user.order_by(by_user.rows.desc(), C.USER).limit(1).to_pyarrow().to_pylist()
    total = int(impressions.count().to_pyarrow().as_py())
    if not first or first[0]["rows"] < _MANY_ROWS or first[0]["rows"] <= _LARGE_SHARE * total:
        return ""
    return (
        f"User {first[0][C.USER]!r} has {first[0]['rows']:,} of {total:,} impressions: a bot, or "
        "an id that stands for nobody? most_impressions_a_day leaves such days out."
    )
