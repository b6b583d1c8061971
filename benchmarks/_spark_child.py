"""Credits and labels of a simulated service, by the embedded engine and by Spark: equal or not.

``python -m benchmarks._spark_child FOLDER`` prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.streaming import StreamingWorld

__all__ = ["equal_on_spark", "local_spark"]

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TABLES = ("impressions", "plays", "candidates")


def local_spark(folder: Path, *, memory: str = "1g", long: bool = False) -> SparkSession:
    """Start Spark in this process, on two threads; it listens on this machine only.

    Parameters
    ----------
    folder : Path
        Where its own files lie.
    memory : str
        What Java may take.
    long : bool
        Whether it will work for longer than Java takes to compile it well; a short run spends more
        time on that than on its work.

    Returns
    -------
    pyspark.sql.SparkSession
        To be stopped by the caller.
    """
    from pyspark.sql import SparkSession

    # Its workers are to have what this process has, not what `python3` happens to be.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    java = "" if long else "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    return (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", memory)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.driver.extraJavaOptions", f"{java} -Dderby.system.home={folder}")
        .getOrCreate()
    )


def equal_on_spark(folder: Path) -> bool:
    """Say whether every column of credits and labels is equal on both engines.

    Parameters
    ----------
    folder : Path
        Where the logs and Spark's own files are written.

    Returns
    -------
    bool
        Whether they are, for each touch model.
    """
    logs = StreamingWorld(WorldConfig(users=150, days=6)).simulate()
    for name in _TABLES:
        table = pa.Table.from_pandas(getattr(logs, name), preserve_index=False)
        pq.write_table(table, folder / f"{name}.parquet", coerce_timestamps="us")
    session = local_spark(folder)
    try:
        duck, spark = connect(), ibis.pyspark.connect(session)
        paths = {name: str(folder / f"{name}.parquet") for name in _TABLES}
        here = {name: read_table(path, duck, name=name) for name, path in paths.items()}
        there = {
            name: read_table(spark.read_parquet(path), duck, name=name)
            for name, path in paths.items()
        }
        end = max(logs.plays["played_at"].max(), logs.candidates["t0"].max()) - timedelta(days=1)
        return all(_same(here, there, touch=touch, end=end) for touch in ("last", "time_decay"))
    finally:
        session.stop()


def _same(
    here: dict[str, ibis.Table], there: dict[str, ibis.Table], *, touch: str, end: Any
) -> bool:
    found = []
    for tables in (here, there):
        config = AttributionConfig.model_validate({"touch": touch, "window_hours": 72})
        credits = attribute(tables["impressions"], tables["plays"], config=config)
        rows = collect_labels(
            tables["candidates"],
            tables["impressions"],
            tables["plays"],
            credits=credits,
            config=LabelConfig(log_end=end),
        )
        key = ["user_id", "item_id", "t0"]
        ordered = (credits.order_by(["play_id", "impression_id"]), rows.table.order_by(key))
        found.append([table.to_pyarrow() for table in ordered])
    return all(
        one.num_rows > 0
        and one.column_names == other.column_names
        and all(
            one[name].combine_chunks().equals(other[name].combine_chunks())
            for name in one.column_names
        )
        for one, other in zip(*found, strict=True)
    )


if __name__ == "__main__":
    print(json.dumps(equal_on_spark(Path(sys.argv[1]))))
