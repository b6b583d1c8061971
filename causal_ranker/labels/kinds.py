"""What a row is, in words: a description for reports, never a filter of training rows."""

from __future__ import annotations

from enum import StrEnum

import ibis

from causal_ranker.columns import Columns as C

__all__ = ["LabelKind", "credited_rows", "label_kind", "unviewable_rows"]


class LabelKind(StrEnum):
    """The kinds of row.

    An uplift model is fitted on all of them but ``CENSORED``, which no table holds: censored
    rows are dropped and counted.
    """

    ATTRIBUTED_PLAY = "attributed_play"
    """Placed, played, and the play is credited to this very impression."""
    TRUE_NEGATIVE = "true_negative"
    """Placed, not known to be unviewable, window closed, no play on any surface."""
    ORGANIC_PLAY = "organic_play"
    """Played, and not credited to this row, whichever its arm."""
    CONTROL_NEGATIVE = "control_negative"
    """Not placed, no play on any surface."""
    UNVIEWABLE = "unviewable"
    """Placed, known not to have been viewable, no play on any surface."""
    CENSORED = "censored"
    """The horizon ends after the log does."""


def label_kind(
    *, treatment: ibis.Value, outcome: ibis.Value, credited: ibis.Value, unviewable: ibis.Value
) -> ibis.Value:
    """Name the kind of each row.

    Parameters
    ----------
    treatment : ibis.Value
        1 where the item was placed in the slate.
    outcome : ibis.Value
        1 where there is a play on any surface inside the horizon.
    credited : ibis.Value
        True where a play inside the horizon is credited to this row's impression.
    unviewable : ibis.Value
        True where this row's impression is known not to have been viewable.

    Returns
    -------
    ibis.Value
        A string: one of `LabelKind`.
    """
    placed = treatment == 1
    played = outcome == 1
    return ibis.cases(
        (placed & played & credited, LabelKind.ATTRIBUTED_PLAY.value),
        (played, LabelKind.ORGANIC_PLAY.value),
        (placed & unviewable, LabelKind.UNVIEWABLE.value),
        (placed, LabelKind.TRUE_NEGATIVE.value),
        else_=LabelKind.CONTROL_NEGATIVE.value,
    )


def credited_rows(credits: ibis.Table) -> ibis.Table:
    """Find the first play credited to each (user, item, t0).

    Parameters
    ----------
    credits : ibis.Table
        What `causal_ranker.attribution.attribute.attribute` returned.

    Returns
    -------
    ibis.Table
        ``user_id``, ``item_id``, ``t0`` (together unique) and ``first_credited``, a timestamp.
    """
    # Organic plays match no row; without them the join's small side is smaller still.
    touched = credits.filter(credits[C.IMPRESSION].notnull())
    grouped = touched.group_by(C.USER, C.ITEM, C.T0)
    return grouped.aggregate(first_credited=touched[C.PLAYED_AT].min())


def unviewable_rows(impressions: ibis.Table) -> ibis.Table:
    """Find each (user, item, t0) of which no impression may have been viewable.

    Parameters
    ----------
    impressions : ibis.Table
        Impression log with the column ``viewable``; null counts as viewable.

    Returns
    -------
    ibis.Table
        ``user_id``, ``item_id``, ``t0`` (together unique) and ``unviewable``, always true.
    """
    seen = impressions[C.VIEWABLE].fill_null(True)
    keys = impressions.group_by(C.USER, C.ITEM, C.T0).aggregate(seen=seen.any())
    hidden = keys.filter(~keys.seen)
    return hidden.select(C.USER, C.ITEM, C.T0, unviewable=~hidden.seen)
