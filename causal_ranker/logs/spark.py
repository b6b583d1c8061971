"""Tables on Spark, whose clocks Ibis does not tell apart.

Spark's TIMESTAMP is an instant and its TIMESTAMP_NTZ is naive; Ibis reads both as timestamps
without a time zone. So an instant would be refused as naive, were it not declared here.
"""

from __future__ import annotations

import ibis

__all__ = ["declare_instants"]


def declare_instants(table: ibis.Table) -> ibis.Table:
    """Say of each TIMESTAMP column of a Spark table that it is in UTC; naive ones stay naive.

    Parameters
    ----------
    table : ibis.Table
        A table of Ibis's PySpark backend, whose session clock stands on UTC (as Ibis sets it).

    Returns
    -------
    ibis.Table
        The same values, with instants as ``timestamp('UTC')``.
    """
    (backend,), _ = table._find_backends()
    clocks = [name for name, kind in table.schema().items() if kind.is_timestamp()]
    if not clocks:
        return table
    kinds = dict(backend.raw_sql(ibis.to_sql(table, dialect="pyspark")).dtypes)
    return table.cast({name: "timestamp('UTC')" for name in clocks if kinds[name] == "timestamp"})
