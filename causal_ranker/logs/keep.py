"""Tables that are computed once and read often, on the engine that they lie on."""

from __future__ import annotations

import ibis
from ibis.backends import BaseBackend

from causal_ranker.logs.spark import keep_on_spark

__all__ = ["keep"]


def keep(
    connection: BaseBackend, table: ibis.Table, *, name: str, order: str | None = None
) -> ibis.Table:
    """Compute a table and hold its rows until the connection ends.

    Parameters
    ----------
    connection : ibis.backends.BaseBackend
        The engine of the table.
    table : ibis.Table
        What to compute.
    name : str
        How the name of the temporary table begins.
    order : str, optional
        A column whose ranges will be read: a temporary table lies in its order. Spark sorts by
        ranges of it, of which one value makes one, so that there nothing is sorted.

    Returns
    -------
    ibis.Table
        The same rows: in a temporary table, or on Spark, which has none, cached by its executors.
    """
    if connection.name == "pyspark":
        return keep_on_spark(table)
    rows = table if order is None else table.order_by(order)
    kept: ibis.Table = connection.create_table(ibis.util.gen_name(name), rows, temp=True)
    return kept
