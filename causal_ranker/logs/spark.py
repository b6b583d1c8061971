"""Tables on Spark: their clocks, which Ibis does not tell apart, and Spark's own frames of them.

Spark's TIMESTAMP is an instant and its TIMESTAMP_NTZ is naive; Ibis reads both as timestamps
without a time zone. So an instant would be refused as naive, were it not declared here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["declare_instants", "keep_on_spark", "spark_frame"]


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


def spark_frame(table: ibis.Table) -> DataFrame:
    """Return an expression as a frame of Spark, with the types that Ibis says.

    Spark takes a fraction in SQL for a decimal, so the types are put on; that a column holds no
    null is left for Spark to know.

    Parameters
    ----------
    table : ibis.Table
        A table of Ibis's PySpark backend.

    Returns
    -------
    pyspark.sql.DataFrame
        Its rows, not computed yet.
    """
    from ibis.backends.pyspark.datatypes import PySparkSchema

    (backend,), _ = table._find_backends()
    rows: DataFrame = backend.raw_sql(ibis.to_sql(table, dialect="pyspark"))
    types = {name: kind.copy(nullable=True) for name, kind in table.schema().items()}
    return rows.to(PySparkSchema.from_ibis(ibis.schema(types)))


def keep_on_spark(table: ibis.Table) -> ibis.Table:
    """Have the executors keep a table from the first time on that it is read.

    Parameters
    ----------
    table : ibis.Table
        A table of Ibis's PySpark backend.

    Returns
    -------
    ibis.Table
        The same rows, in memory and, where that is full, on the executors' disks, until the
        session ends.
    """
    (backend,), _ = table._find_backends()
    name = ibis.util.gen_name("kept")
    spark_frame(table).cache().createTempView(name)
    return declare_instants(backend.table(name))
