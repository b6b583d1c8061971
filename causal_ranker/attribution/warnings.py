"""What in two logs a person should look at before crediting anything."""

from __future__ import annotations

from typing import Final

import ibis

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.windows import eligible_impressions
from causal_ranker.columns import Columns as C
from causal_ranker.logs.clock import span
from causal_ranker.logs.hours import whole_seconds
from causal_ranker.logs.sources import reading

__all__ = ["attribution_warnings"]

#: Bounds beyond which a person should look; each is named in the warning it leads to.
_SKEW_SECONDS: Final = 60
_MANY_SKEWED: Final = 0.01
_ENOUGH_PLAYS: Final = 30
_LARGE_SHARE: Final = 0.1
_MANY_ROWS: Final = 10_000


def attribution_warnings(
    impressions: ibis.Table, plays: ibis.Table, *, config: AttributionConfig
) -> tuple[str, ...]:
    """Look for clocks that disagree and for users who are no people.

    Parameters
    ----------
    impressions, plays : ibis.Table
        Logs that passed their contract.
    config : AttributionConfig
        What the credits are made by: what it leaves out is not looked at.

    Returns
    -------
    tuple of str
        Warnings, each with what may be the matter; empty where nothing looks wrong.
    """
    with reading("impressions and plays"):
        shown = eligible_impressions(impressions, config=config)
        found = (_skew(shown, plays), _one_user(shown))
    return tuple(text for text in found if text)


def _skew(impressions: ibis.Table, plays: ibis.Table) -> str:
    """Compare the plays right before the item was shown with those right after it.

    By accident the two are equally many, and where showing works the latter are more.
    """
    minute = (whole_seconds(impressions[C.T0]) // _SKEW_SECONDS).cast("int64")
    shown = impressions.select(C.USER, C.ITEM, C.T0, minute=minute)
    own = (whole_seconds(plays[C.PLAYED_AT]) // _SKEW_SECONDS).cast("int64")
    played = plays.select(C.PLAY, C.USER, C.ITEM, C.PLAYED_AT, minute=own)
    # Minutes are keys of the join, so that a user with many impressions of an item costs no more.
    around = ibis.union(played, *(played.mutate(minute=played["minute"] + by) for by in (-1, 1)))
    near = shown.inner_join(around, [C.USER, C.ITEM, "minute"])
    before = (near[C.T0] > near[C.PLAYED_AT]) & (
        near[C.T0] <= near[C.PLAYED_AT] + span(_SKEW_SECONDS)
    )
    after = (near[C.T0] <= near[C.PLAYED_AT]) & (
        near[C.T0] >= near[C.PLAYED_AT] - span(_SKEW_SECONDS)
    )
    counts = near.aggregate(
        early=near[C.PLAY].nunique(where=before), late=near[C.PLAY].nunique(where=after)
    )
    early, late = (int(counts.to_pyarrow()[name][0].as_py()) for name in ("early", "late"))
    total = int(plays.count().to_pyarrow().as_py())
    if total < _ENOUGH_PLAYS or early <= max(_MANY_SKEWED * total, late):
        return ""
    return (
        f"{early:,} of {total:,} plays start up to {_SKEW_SECONDS} seconds before an impression of "
        f"their item, which gets no credit for them, and {late:,} as shortly after one: the clocks "
        "of the two logs may differ."
    )


def _one_user(impressions: ibis.Table) -> str:
    by_user = impressions.group_by(C.USER).aggregate(rows=impressions.count())
    first = by_user.order_by(by_user.rows.desc(), C.USER).limit(1).to_pyarrow().to_pylist()
    total = int(impressions.count().to_pyarrow().as_py())
    if not first or first[0]["rows"] < _MANY_ROWS or first[0]["rows"] <= _LARGE_SHARE * total:
        return ""
    return (
        f"User {first[0][C.USER]!r} has {first[0]['rows']:,} of {total:,} impressions: a bot, or "
        "an id that stands for nobody? most_impressions_a_day leaves such days out "
        "(--most-impressions-a-day)."
    )
