"""One way of attributing plays, in a process of its own, from Parquet to Parquet.

``python -m benchmarks._attribution_child WAY FOLDER MEMORY`` prints one line of JSON: the seconds
after imports, the rows read, and the plays credited. Peak memory is read by the parent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

__all__ = ["WAYS", "WINDOW_HOURS"]

WINDOW_HOURS: Final = 24


def _copy(folder: Path, memory: str | None) -> None:
    from causal_ranker.logs.sources import connect

    engine = connect(memory_limit=memory)
    impressions = engine.read_parquet(str(folder / "impressions.parquet"))
    impressions.to_parquet(folder / "out.parquet", compression="snappy")


def _ours(folder: Path, memory: str | None) -> None:
    from causal_ranker.attribution.attribute import attribute
    from causal_ranker.attribution.config import AttributionConfig
    from causal_ranker.logs.sources import connect, read_table

    engine = connect(memory_limit=memory)
    credits = attribute(
        read_table(folder / "impressions.parquet", engine, name="impressions"),
        read_table(folder / "plays.parquet", engine, name="plays"),
        config=AttributionConfig(window_hours=WINDOW_HOURS),
    )
    credits.to_parquet(folder / "out.parquet", compression="snappy")


def _pandas(folder: Path, _memory: str | None) -> None:
    import pandas as pd

    key = ["user_id", "item_id"]
    plays = pd.read_parquet(folder / "plays.parquet").sort_values("played_at")
    shown = pd.read_parquet(
        folder / "impressions.parquet", columns=["impression_id", *key, "t0"]
    ).sort_values("t0")
    found = pd.merge_asof(
        plays,
        shown,
        left_on="played_at",
        right_on="t0",
        by=key,
        tolerance=pd.Timedelta(hours=WINDOW_HOURS),
    )
    found.to_parquet(folder / "out.parquet", compression="snappy")


def _polars(folder: Path, _memory: str | None) -> None:
    import polars as pl

    key = ["user_id", "item_id"]
    plays = pl.scan_parquet(folder / "plays.parquet").sort("played_at")
    shown = pl.scan_parquet(folder / "impressions.parquet")
    shown = shown.select("impression_id", *key, "t0").sort("t0")
    found = plays.join_asof(
        shown,
        left_on="played_at",
        right_on="t0",
        by=key,
        tolerance=f"{WINDOW_HOURS}h",
        # The right side's time says how old the impression was: ours and pandas keep it, too.
        coalesce=False,
        check_sortedness=False,
    )
    found.collect().write_parquet(folder / "out.parquet", compression="snappy")


WAYS: Final[dict[str, Callable[[Path, str | None], None]]] = {
    "copy": _copy,
    "ours": _ours,
    "pandas": _pandas,
    "polars": _polars,
}

_ENGINE: Final = (
    "ibis.backends.duckdb",
    "causal_ranker.attribution.attribute",
    "causal_ranker.logs.sources",
)
_IMPORTS: Final = {"pandas": ("pandas", "pyarrow.parquet"), "polars": ("polars",)}


def _main(way: str, folder: str, memory: str) -> None:
    import importlib

    for name in {"pandas": ["pandas"], "polars": ["polars"]}.get(
        way, ["causal_ranker.attribution"]
    ):
        importlib.import_module(name)
    started = perf_counter()
    WAYS[way](Path(folder), memory or None)
    seconds = perf_counter() - started

    import pyarrow.parquet as pq

    written = Path(folder, "out.parquet")
    table = pq.read_table(written, columns=["impression_id"])
    told = {
        "seconds": seconds,
        "rows_in": pq.read_metadata(Path(folder, "impressions.parquet")).num_rows,
        "credited": table.num_rows - table["impression_id"].null_count,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    _main(*sys.argv[1:])
