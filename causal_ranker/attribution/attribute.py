"""Credit for every play: to the impressions that led to it, or to none."""

from __future__ import annotations

from typing import Final

import ibis

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.touch import credit_pairs
from causal_ranker.attribution.windows import eligible_pairs, qualified_plays
from causal_ranker.columns import Columns as C
from causal_ranker.logs.contract import check_same_ids

__all__ = ["attribute"]

_DEFAULT: Final = AttributionConfig()


def attribute(
    impressions: ibis.Table, plays: ibis.Table, *, config: AttributionConfig = _DEFAULT
) -> ibis.Table:
    """Attribute each qualified play, as one lazy expression.

    A play without an eligible impression is *organic*: it stays, with no impression and the
    whole credit. So a play's credits always sum to 1, and a pair of play and impression occurs
    at most once. Credit describes plays; it never enters an outcome (see
    `causal_ranker.labels.collect`).

    Parameters
    ----------
    impressions : ibis.Table
        Impression log that passed `causal_ranker.logs.contract.check_impressions`.
    plays : ibis.Table
        Play log that passed `causal_ranker.logs.contract.check_plays`.
    config : AttributionConfig
        Windows, qualified plays, rules for impressions, and touch model.

    Returns
    -------
    ibis.Table
        ``play_id``, ``impression_id`` (null: organic), ``user_id``, ``item_id``,
        ``played_at``, ``t0`` (null: organic), ``surface`` if the plays have one (for an organic
        play the path on which it was found), ``credit`` in (0, 1].

    Raises
    ------
    SchemaError
        If a column that the config needs is missing, or ids differ in type between the logs.
    """
    check_same_ids({"impressions": impressions, "plays": plays}, session=config.same_session)
    played = qualified_plays(
        plays,
        minimum_seconds=config.minimum_seconds,
        minimum_fraction=config.minimum_fraction,
        leave_out_bots=config.leave_out_bots,
    )
    pairs = eligible_pairs(impressions, played, config=config)
    touches = credit_pairs(pairs, config=config)
    joined = played.left_join(touches, played[C.PLAY] == touches[C.PLAY])
    return joined.select(
        played[C.PLAY],
        touches[C.IMPRESSION],
        played[C.USER],
        played[C.ITEM],
        played[C.PLAYED_AT],
        touches[C.T0],
        *([played[C.SURFACE]] if C.SURFACE in played.columns else []),
        **{C.CREDIT: touches[C.CREDIT].fill_null(ibis.literal(1, "int8").cast("float64"))},
    )
