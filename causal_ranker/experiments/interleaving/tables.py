"""Read interleaved lists from logs.

A log of interleaved lists is a candidate log of every item of both lists: ``user_id``, ``item_id``,
``t0`` and ``shown``, with ``in_first`` and ``in_second`` (which lists it is in) for causal-balanced
lists, and ``from_first`` (which ranker chose it) for team-draft ones.
"""

from __future__ import annotations

from typing import Final

import ibis

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.columns import Columns as C
from causal_ranker.errors import EmptyError
from causal_ranker.experiments.interleaving.credit import TeamCredit, team_credit
from causal_ranker.experiments.interleaving.uplift import InterleavedUplift, interleaved_uplift
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.logs.rules import require_columns

__all__ = ["IN_FIRST", "IN_SECOND", "TEAM", "read_credit", "read_uplift"]

IN_FIRST: Final = "in_first"
IN_SECOND: Final = "in_second"
TEAM: Final = "from_first"
_REQUEST: Final = [C.USER, C.T0]


def read_uplift(
    offered: ibis.Table, plays: ibis.Table, *, config: LabelConfig
) -> InterleavedUplift:
    """Read causal-balanced lists: uplift by plays on any surface, whoever gets the credit.

    Parameters
    ----------
    offered : ibis.Table
        Every item of both lists, with ``in_first`` and ``in_second``.
    plays : ibis.Table
        Play log, all surfaces.
    config : LabelConfig
        Horizon and end of the log: requests whose horizon ends later are left out.

    Returns
    -------
    InterleavedUplift
        Uplift of both lists, and their difference.

    Raises
    ------
    SchemaError
        If a column is absent.
    EmptyError
        If no request's horizon ends within the log.
    RowError, OverlapError
        If the rows are not those of causal-balanced lists, or all lists are alike.
    """
    require_columns(offered, [IN_FIRST, IN_SECOND], name="candidates")
    shown = _impressions(offered)
    settings = config.model_copy(update={"context": (IN_FIRST, IN_SECOND)})
    labels = collect_labels(
        offered, shown, plays, credits=attribute(shown, plays), config=settings
    ).table
    rows = labels.select(*_REQUEST, C.TREATMENT, C.OUTCOME, IN_FIRST, IN_SECOND).to_pandas()
    if rows.empty:
        raise EmptyError(
            expected="requests whose horizon ends within the log",
            came="none",
            do="Wait for a horizon after the last request, or take a shorter one.",
        )
    return interleaved_uplift(
        rows.groupby(_REQUEST, sort=False).ngroup().to_numpy(),
        in_first=rows[IN_FIRST].to_numpy(),
        in_second=rows[IN_SECOND].to_numpy(),
        shown=rows[C.TREATMENT].to_numpy(),
        outcome=rows[C.OUTCOME].to_numpy(),
        user=rows[C.USER].to_numpy(),
    )


def read_credit(offered: ibis.Table, plays: ibis.Table, *, config: AttributionConfig) -> TeamCredit:
    """Read team-draft lists: plays credited to each ranker's items.

    Parameters
    ----------
    offered : ibis.Table
        The items shown, with ``from_first``; other items may be there, and are passed over.
    plays : ibis.Table
        Play log, all surfaces.
    config : AttributionConfig
        Windows and touch model.

    Returns
    -------
    TeamCredit
        Credit of both teams, and their difference.

    Raises
    ------
    SchemaError
        If a column is absent.
    RowError
        If it is not known who chose an item that was shown.
    """
    require_columns(offered, [TEAM], name="candidates")
    shown = _impressions(offered, TEAM)
    credits = attribute(shown, plays, config=config)
    earned = credits.group_by(C.IMPRESSION).agg(**{C.CREDIT: credits[C.CREDIT].sum()})
    joined = shown.left_join(earned, C.IMPRESSION)
    rows = joined.select(*_REQUEST, TEAM, **{C.CREDIT: joined[C.CREDIT].fill_null(0.0)}).to_pandas()
    return team_credit(
        rows.groupby(_REQUEST, sort=False).ngroup().to_numpy(),
        from_first=rows[TEAM].to_numpy(),
        credit=rows[C.CREDIT].to_numpy(),
        user=rows[C.USER].to_numpy(),
    )


def _impressions(offered: ibis.Table, *carried: str) -> ibis.Table:
    """Return the rows that were shown as an impression log, with some columns carried through."""
    key = [C.USER, C.T0, C.ITEM]
    return offered.filter(offered[C.SHOWN]).select(
        *key, *carried, **{C.IMPRESSION: ibis.row_number().over(order_by=key)}
    )
