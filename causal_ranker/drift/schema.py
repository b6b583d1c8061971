"""Schema drift, which is told first: nothing else can be compared across it."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    column: str
    before: str | None
    now: str | None


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
        {name: str(kind.copy(nullable=True)) for name, kind in table.schema().items()}
        for table in (reference, window)
    )
    columns = [*before, *(name for name in now if name not in before)]
    return [
        SchemaChange(name, before.get(name), now.get(name))
        for name in columns
        if before.get(name) != now.get(name)
    ]
