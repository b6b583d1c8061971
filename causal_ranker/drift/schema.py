"""Schema drift, which is told first: nothing else can be compared across it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import ibis

__all__ = ["SchemaChange", "schema_changes"]


@dataclass(frozen=True)
class SchemaChange:
    """One column whose presence or type changed.

    Parameters
    ----------
    column : str
        The column.
    before, now : str or None
        Its type in the reference and in the window; None where it is absent.
    kind : {"gone", "came", "retyped", "other_number"}
        "other_number" is one type of numbers in the place of another, as where whole numbers get
        their first missing value: worth a look, but values still compare.
    """

    column: str
    before: str | None
    now: str | None
    kind: Literal["gone", "came", "retyped", "other_number"]


def schema_changes(reference: ibis.Table, window: ibis.Table) -> list[SchemaChange]:
    """List columns that came, went or changed their type.

    Parameters
    ----------
    reference, window : ibis.Table
        The two tables.

    Returns
    -------
    list of SchemaChange
        In the order of the reference, then of the window; whether values may be null is no
        change of type.
    """
    before, now = (
        {name: kind.copy(nullable=True) for name, kind in table.schema().items()}
        for table in (reference, window)
    )
    changes = []
    for name in [*before, *(name for name in now if name not in before)]:
        first, second = before.get(name), now.get(name)
        if first == second:
            continue
        kind: Literal["gone", "came", "retyped", "other_number"] = "retyped"
        if second is None:
            kind = "gone"
        elif first is None:
            kind = "came"
        elif first.is_numeric() and second.is_numeric():
            kind = "other_number"
        words = [None if each is None else str(each) for each in (first, second)]
        changes.append(SchemaChange(name, words[0], words[1], kind))
    return changes
