"""When an item could be played, by the item table: the bounds of its availability."""

from __future__ import annotations

from typing import Any, Final

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.errors import SchemaError
from causal_ranker.logs.sources import reading

__all__ = ["AVAILABLE_FROM", "AVAILABLE_UNTIL", "was_there", "with_bounds"]

#: Columns of the item table, instants; both may be missing or null.
AVAILABLE_FROM: Final = C.AVAILABLE_FROM
AVAILABLE_UNTIL: Final = C.AVAILABLE_UNTIL


def was_there(items: ibis.Table, moment: ibis.Value) -> Any:
    """Say whether items could be played at a moment.

    Parameters
    ----------
    items : ibis.Table
        Item table, or a join with it: ``available_from`` (included) and ``available_until``
        (excluded) where there are any, null for no bound.
    moment : ibis.Value
        The moment, of the same table.

    Returns
    -------
    ibis.Value
        A truth value, never null.
    """
    there: Any = ibis.literal(True)
    if AVAILABLE_FROM in items.columns:
        there = there & (items[AVAILABLE_FROM].isnull() | (items[AVAILABLE_FROM] <= moment))
    if AVAILABLE_UNTIL in items.columns:
        there = there & (items[AVAILABLE_UNTIL].isnull() | (moment < items[AVAILABLE_UNTIL]))
    return there


def with_bounds(items: ibis.Table) -> ibis.Table:
    """Leave out bounds without any value, and refuse those that are no instants.

    Parameters
    ----------
    items : ibis.Table
        Item table.

    Returns
    -------
    ibis.Table
        The same rows; the bounds that are left are instants.

    Raises
    ------
    SchemaError
        If a bound has values that are no instants.
    DataError
        If the items cannot be read.
    """
    for name in (AVAILABLE_FROM, AVAILABLE_UNTIL):
        if name not in items.columns:
            continue
        kind = items[name].type()
        if kind.is_timestamp() and kind.timezone is not None:
            continue
        with reading("items"):
            known = int(items[name].count().to_pyarrow().as_py())
        if known:
            raise SchemaError(
                expected=f"'{name}' of the items as instants with a time zone",
                came=str(kind),
                do="Localise it, e.g. with tz_localize('UTC'), or leave the column out.",
            )
        items = items.drop(name)
    return items
