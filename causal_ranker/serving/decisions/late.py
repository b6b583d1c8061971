"""Views meet the lists that they speak of, whether those went in just now or long ago."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from causal_ranker.columns import Columns as C
from causal_ranker.serving.decisions.intake import Intake
from causal_ranker.serving.decisions.parts import Parts
from causal_ranker.serving.decisions.record import EventRecord
from causal_ranker.serving.decisions.tables import Seen, instants

__all__ = ["add_late_views", "match_views"]

Id = int | str


def match_views(
    events: Sequence[EventRecord], items: Sequence[Id], moment: int, intake: Intake
) -> dict[Id, Seen]:
    """Join views with the items of a list; those of other items are set aside.

    Parameters
    ----------
    events : sequence of EventRecord
        Views of one decision.
    items : sequence of int or str
        What it showed.
    moment : int
        Its moment, in microseconds since 1970. A click in that very millisecond counts as one at
        that moment, and so does an earlier one that a slow clock told.
    intake : Intake
        Takes the others.

    Returns
    -------
    dict of id to Seen
        By item.
    """
    if not events:
        return {}
    place = {str(item) if intake.text else item: item for item in items}
    seen: dict[Id, Seen] = {}
    for event in events:
        item = place.get(str(event.item_id) if intake.text else event.item_id)
        if item is None:
            intake.aside.append(("item not in the list", event))
            continue
        clicked = event.clicked_at_ms
        at = None if clicked is None else max(clicked * 1000, moment)
        seen.setdefault(item, Seen()).add(event.viewable_ms, at)
    return seen


def add_late_views(
    segment: str, views: Mapping[str, Sequence[EventRecord]], parts: Parts, intake: Intake
) -> list[str]:
    """Write the impressions of an earlier segment anew, with views that came later.

    Parameters
    ----------
    segment : str
        The earlier segment.
    views : mapping of str to sequence of EventRecord
        Views by decision.
    parts : Parts
        Reads and writes its impressions.
    intake : Intake
        The segment that the views are in.

    Returns
    -------
    list of str
        The file whose place is taken; none where that segment showed nothing at all.
    """
    import pyarrow as pa

    found = parts.read("impressions", segment)
    if found is None:
        for events in views.values():
            match_views(events, (), 0, intake)
        return []
    name, table = found
    decisions = table.column(C.ASSIGNMENT_UNIT).to_pylist()
    items = table.column(C.ITEM).to_pylist()
    moments = table.column(C.T0).cast(pa.int64()).to_pylist()
    columns: dict[str, list[Any]] = {
        C.VIEWABLE: table.column(C.VIEWABLE).to_pylist(),
        C.VIEWABLE_MS: table.column(C.VIEWABLE_MS).to_pylist(),
        C.CLICKED_AT: table.column(C.CLICKED_AT).cast(pa.int64()).to_pylist(),
    }
    rows: dict[str, list[int]] = {}
    for row, decision in enumerate(decisions):
        if decision in views:
            rows.setdefault(decision, []).append(row)
    for decision, mine in rows.items():
        shown = [items[row] for row in mine]
        seen = match_views(views[decision], shown, moments[mine[0]], intake)
        for row, item in zip(mine, shown, strict=True):
            _update(columns, row, seen.get(item), any_view=bool(seen))
    for column, values in columns.items():
        fresh = instants(values) if column == C.CLICKED_AT else pa.array(values, table[column].type)
        table = table.set_column(table.column_names.index(column), column, fresh)
    parts.write("impressions", segment, table)
    return [name]


def _update(
    columns: Mapping[str, list[Any]], row: int, seen: Seen | None, *, any_view: bool
) -> None:
    if seen is None:
        if any_view and columns[C.VIEWABLE][row] is None:
            columns[C.VIEWABLE][row] = False
        return
    before = Seen(columns[C.VIEWABLE_MS][row], columns[C.CLICKED_AT][row])
    before.add(seen.viewable_ms, seen.clicked_at)
    columns[C.VIEWABLE][row] = True
    columns[C.VIEWABLE_MS][row] = before.viewable_ms
    columns[C.CLICKED_AT][row] = before.clicked_at
