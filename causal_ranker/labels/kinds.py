"""What a row is, in words: a description for reports, never a filter of training rows."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.labels.availability import AVAILABLE_FROM, AVAILABLE_UNTIL, was_there
from causal_ranker.logs.rules import require_columns

__all__ = ["HELPERS", "LabelKind", "with_kind"]

_CREDITED, _UNVIEWABLE, _UNPLAYABLE = "credited", "unviewable", "unplayable"
#: Columns that rows may not have before their kinds are named.
HELPERS: Final = frozenset({_CREDITED, _UNVIEWABLE, _UNPLAYABLE})


class LabelKind(StrEnum):
    """The kinds of row.

    An uplift model is fitted on all of them but ``CENSORED``, which no table holds: censored
    rows are dropped and counted.
    """

    ATTRIBUTED_PLAY = "attributed_play"
    """Placed, played, and the play is credited to this very impression."""
    TRUE_NEGATIVE = "true_negative"
    """Placed, viewable, playable at t0, window closed, no play on any surface."""
    ORGANIC_PLAY = "organic_play"
    """Played, and not credited to this row, whichever its arm."""
    CONTROL_NEGATIVE = "control_negative"
    """Not placed, no play on any surface."""
    UNVIEWABLE = "unviewable"
    """Placed, not viewable, no play on any surface."""
    UNPLAYABLE = "unplayable"
    """Placed and viewable, not available at t0 by the item table, no play on any surface."""
    CENSORED = "censored"
    """The horizon ends after the log does."""


def with_kind(
    rows: ibis.Table,
    impressions: ibis.Table,
    credits: ibis.Table,
    *,
    items: ibis.Table | None,
    minimum_viewable_ms: float,
    unknown_is_viewable: bool,
) -> ibis.Table:
    """Name the kind of each row.

    An impression was viewable if ``viewable`` is true and ``viewable_ms`` is above 0 and at least
    the minimum; where one of the two is unknown, by the other. A row was viewable if one of its
    impressions was.

    Parameters
    ----------
    rows : ibis.Table
        Rows with ``user_id``, ``item_id`` and ``t0`` (together unique), ``horizon_end``,
        ``treatment`` and ``outcome``.
    impressions : ibis.Table
        Impression log.
    credits : ibis.Table
        What `causal_ranker.attribution.attribute.attribute` returned.
    items : ibis.Table or None
        What `causal_ranker.labels.availability.with_bounds` returned, one row per ``item_id``.
    minimum_viewable_ms : float
        The least time in view.
    unknown_is_viewable : bool
        Whether what no column knows was viewable.

    Returns
    -------
    ibis.Table
        The rows, each once, with ``label_kind``, a string: one of `LabelKind`.

    Raises
    ------
    SchemaError
        If a least time in view is asked of a log without ``viewable_ms``.
    """
    seen = _seen(impressions, minimum_viewable_ms, unknown_is_viewable)
    known = _with_credited(rows, credits)
    known = _with_unviewable(known, impressions, seen, unknown_is_viewable)
    known = _with_unplayable(known, items)
    placed, played = known[C.TREATMENT] == 1, known[C.OUTCOME] == 1
    kind = ibis.cases(
        (placed & played & known[_CREDITED], LabelKind.ATTRIBUTED_PLAY.value),
        (played, LabelKind.ORGANIC_PLAY.value),
        (placed & known[_UNVIEWABLE], LabelKind.UNVIEWABLE.value),
        (placed & known[_UNPLAYABLE], LabelKind.UNPLAYABLE.value),
        (placed, LabelKind.TRUE_NEGATIVE.value),
        else_=LabelKind.CONTROL_NEGATIVE.value,
    )
    return known.select(*rows.columns, **{C.LABEL_KIND: kind})


# Every right-hand side is unique in its key, so rows never multiply.


def _with_credited(rows: ibis.Table, credits: ibis.Table) -> ibis.Table:
    # Organic plays match no row; without them the join's small side is smaller still.
    touched = credits.filter(credits[C.IMPRESSION].notnull())
    grouped = touched.group_by(C.USER, C.ITEM, C.T0)
    first = grouped.aggregate(first_credited=touched[C.PLAYED_AT].min())
    joined = rows.left_join(first, _same_row(rows, first))
    credited = (first.first_credited < joined[C.HORIZON_END]).fill_null(False)
    return joined.select(rows, **{_CREDITED: credited})


def _seen(impressions: ibis.Table, minimum_ms: float, unknown: bool) -> ibis.Value | None:
    """Say which impressions were viewable; None where the log has no column that knows."""
    if minimum_ms > 0:
        require_columns(impressions, [C.VIEWABLE_MS], name="impressions")
    known: list[Any] = []
    if C.VIEWABLE in impressions.columns:
        known.append(impressions[C.VIEWABLE])
    if C.VIEWABLE_MS in impressions.columns:
        time = impressions[C.VIEWABLE_MS]
        known.append((time > 0) & (time >= minimum_ms))
    if len(known) == 2:
        known.insert(0, known[0] & known[1])
    return ibis.coalesce(*known, unknown) if known else None


def _with_unviewable(
    rows: ibis.Table, impressions: ibis.Table, seen: ibis.Value | None, unknown: bool
) -> ibis.Table:
    if seen is None:
        return rows.mutate(**{_UNVIEWABLE: ibis.literal(not unknown)})
    keys = impressions.group_by(C.USER, C.ITEM, C.T0).aggregate(seen=seen.any())
    # Only what is unlike the unknown is joined to the rows: as a rule the smaller part.
    unlike = keys.filter(~keys.seen if unknown else keys.seen)
    joined = rows.left_join(unlike, _same_row(rows, unlike))
    return joined.select(rows, **{_UNVIEWABLE: (~unlike.seen).fill_null(not unknown)})


def _with_unplayable(rows: ibis.Table, items: ibis.Table | None) -> ibis.Table:
    bounds = [] if items is None else {AVAILABLE_FROM, AVAILABLE_UNTIL}.intersection(items.columns)
    if items is None or not bounds:
        return rows.mutate(**{_UNPLAYABLE: ibis.literal(False)})
    facts = items.select(C.ITEM, *sorted(bounds))
    joined = rows.left_join(facts, rows[C.ITEM] == facts[C.ITEM])
    return joined.select(rows, **{_UNPLAYABLE: ~was_there(facts, joined[C.T0])})


def _same_row(rows: ibis.Table, other: ibis.Table) -> list[Any]:
    return [rows[name] == other[name] for name in (C.USER, C.ITEM, C.T0)]
