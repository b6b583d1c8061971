"""The monitor on files larger than memory should hold, in a process of its own."""

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

_ROWS: Final = 10_000_000
_QUICK: Final = 100_000
_AT_ONCE: Final = 250_000
_NUMBERS: Final = 40
_WHOLE: Final = 5
_TEXTS: Final = 5
_REFERENCE_DAYS: Final = 56
_WINDOW_DAYS: Final = 7


def run(*, quick: bool) -> dict[str, object]:
    """Write reference and window without drift, and have `causal-ranker monitor` judge them.

    Parameters
    ----------
    quick : bool
        100,000 rows instead of 10 million.

    Returns
    -------
    dict of str to values
        ``seconds_10m`` of the whole process, imports included, and its ``peak_rss_mb``. Half of
        the rows are the reference (eight weeks), half the window (a week); 50 features and a day.
    """
    rows = _QUICK if quick else _ROWS
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        first = np.datetime64("2026-01-05")
        _write(base / "reference.parquet", rows // 2, first=first, days=_REFERENCE_DAYS, seed=0)
        later = first + _REFERENCE_DAYS
        _write(base / "window.parquet", rows // 2, first=later, days=_WINDOW_DAYS, seed=1)
        size = sum(path.stat().st_size for path in base.iterdir())
        (base / "spill").mkdir()
        began = perf_counter()
        words = [
            *("-m", "causal_ranker", "monitor", "--day", "day", "--json"),
            *("--reference", str(base / "reference.parquet")),
            *("--window", str(base / "window.parquet")),
            *("--threads", "2", "--memory", "2GB"),
        ]
        child = run_child(words, temporary=base / "spill")
        seconds = perf_counter() - began
    report = json.loads(child.last_line)
    return {
        "seconds_10m": seconds,
        "peak_rss_mb": child.peak,
        "peak_without_files_mb": child.peak_without_files,
        "spilled_mb": child.spilled,
        "monitor_rows": report["rows_before"] + report["rows_now"],
        "monitor_columns": len(report["columns"]),
        "monitor_files_mb": size / 2**20,
        "monitor_advice": report["advice"],
    }


def _write(path: Path, rows: int, *, first: np.datetime64, days: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    letters = pa.array([f"c{k}" for k in range(30)])
    writer: pq.ParquetWriter | None = None
    done = 0
    while done < rows:
        n = min(_AT_ONCE, rows - done)
        day = first + (np.arange(done, done + n) * days) // rows
        columns: dict[str, pa.Array] = {"day": pa.array(day)}
        for k in range(_NUMBERS):
            columns[f"x{k}"] = pa.array(rng.standard_normal(n, dtype=np.float32).astype(np.float64))
        for k in range(_WHOLE):
            columns[f"n{k}"] = pa.array(rng.poisson(3 + k, size=n))
        for k in range(_TEXTS):
            codes = rng.integers(0, 30, size=n, dtype=np.int8)
            columns[f"c{k}"] = pa.DictionaryArray.from_arrays(codes, letters).cast(pa.string())
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        done += n
    if writer is not None:
        writer.close()
