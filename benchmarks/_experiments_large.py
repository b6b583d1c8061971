"""The read-out of a test of ten million users, in a process of its own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._measure import run_child

__all__ = ["run"]

_USERS: Final = 10_000_000
_QUICK: Final = 50_000
_AT_ONCE: Final = 250_000
_SPREAD: Final = 7_919  # ids in no order of size


def run(*, quick: bool) -> dict[str, float]:
    """Write a test's users, and have `causal-ranker experiment read` read them.

    Parameters
    ----------
    quick : bool
        50,000 users instead of 10 million.

    Returns
    -------
    dict of str to float
        ``seconds_10m`` of the whole process, imports included, and its ``peak_rss_mb``: sizes,
        balance, three metrics of which one is a ratio, all with CUPED, and effects in three groups.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.parquet"
        _write(path, _QUICK if quick else _USERS)
        (Path(folder) / "spill").mkdir()
        began = perf_counter()
        child = run_child(
            [
                *("-m", "causal_ranker", "experiment", "read", "--data", str(path), "--json"),
                *("--metric", "plays", "--metric", "plays/impressions", "--metric", "hours"),
                *("--past", "before", "--groups", "country", "--threads", "2", "--memory", "1GB"),
            ],
            temporary=Path(folder) / "spill",
        )
        seconds = perf_counter() - began
    read = json.loads(child.last_line)
    return {
        "seconds_10m": seconds,
        "peak_rss_mb": child.peak,
        "peak_without_files_mb": child.peak_without_files,
        "spilled_mb": child.spilled,
        "users_read": read["sizes"]["treated"] + read["sizes"]["control"],
    }


def _write(path: Path, users: int) -> None:
    rng = np.random.default_rng(23)
    countries = np.array(["de", "fr", "us"])
    writer: pq.ParquetWriter | None = None
    for start in range(0, users, _AT_ONCE):
        ids = np.arange(start, min(start + _AT_ONCE, users))
        arm = rng.integers(0, 2, ids.size)
        before = rng.poisson(3, ids.size)
        plays = rng.poisson(1 + before / 2 + arm / 100)
        table = pa.table(
            {
                "user_id": ids * _SPREAD % 2**40,
                "arm": arm,
                "country": countries[rng.integers(0, 3, ids.size)],
                "before": before,
                "plays": plays,
                "impressions": plays + rng.poisson(9, ids.size),
                "hours": rng.exponential(1 + plays),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
