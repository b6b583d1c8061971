"""What a night costs: rows a second and core of each stage, and a billion impressions a day."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks import Result
from benchmarks._measure import run_child
from benchmarks._sizing_child import STAGES
from benchmarks._sizing_logs import CANDIDATES, SHOWN, write_slates

__all__ = [
    "DESCRIPTION",
    "FIT_ROWS",
    "IMPRESSIONS",
    "PRICE",
    "SEEDS",
    "USERS",
    "rows_a_day",
    "run",
]

DESCRIPTION: Final = "sizing: rows a second and core of each stage, embedded and on Spark local[2]"
SEEDS: Final = "none: rows are hashes of their numbers"

_REQUESTS: Final = 20_000
#: What is assumed of a day: the reader puts their own in.
IMPRESSIONS: Final = 1_000_000_000
USERS: Final = 10_000_000
FIT_ROWS: Final = 20_000_000
PRICE: Final = 0.05
_ENGINES: Final = ("embedded", "spark")


def run(*, quick: bool) -> Result:
    """Measure each stage on logs that are written first, each engine in a process of its own.

    Parameters
    ----------
    quick : bool
        A twentieth of the rows.

    Returns
    -------
    Result
        By engine ``peak_mb`` (MiB, of all its processes) and by stage ``rows``, ``cpu`` (seconds),
        ``rows_per_core_second``, ``rows_a_day`` and ``core_hours_a_day``; ``spark`` is null where
        PySpark or Java is missing.

    Raises
    ------
    RuntimeError
        If an engine fails.
    """
    lines: list[tuple[object, ...]] = []
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="causal-ranker-bench-") as name:
        folder = Path(name)
        write_slates(folder, requests=_REQUESTS // (20 if quick else 1))
        for engine in _ENGINES:
            if engine == "spark" and not _has_spark():
                figures[engine] = None
                continue
            child = run_child(["-m", "benchmarks._sizing_child", engine, str(folder)])
            figures[engine] = _engine(json.loads(child.last_line))
            lines += [
                (stage, engine, *told.values(), round(told["core_hours_a_day"] * PRICE, 2))
                for stage, told in figures[engine]["stages"].items()
            ]
    memory = ", ".join(
        f"{engine} {told['peak_mb']:,} MiB" for engine, told in figures.items() if told is not None
    )
    return Result(
        columns=(
            "stage",
            "engine",
            "rows measured",
            "seconds of CPU",
            "rows a second and core",
            "rows a day",
            "core-hours a day",
            f"a day at {PRICE} a core-hour",
        ),
        rows=lines,
        figures=figures,
        note=f"Peak memory with everything that was started: {memory}. A day is "
        f"{IMPRESSIONS:,} impressions, {SHOWN} of each request's {CANDIDATES} candidates, a list "
        f"of {CANDIDATES} for each of {USERS:,} users, and a fit on {FIT_ROWS:,} candidate rows, "
        f"however many there are. The price is an assumption: put yours in its place.",
    )


def rows_a_day(stage: str) -> int:
    """Say how many rows of a stage a day has, as assumed above.

    Parameters
    ----------
    stage : str
        One of `benchmarks._sizing_child.STAGES`.

    Returns
    -------
    int
        Rows.
    """
    candidates = IMPRESSIONS // SHOWN * CANDIDATES
    # A quarter as many plays as impressions, as in the logs that are measured.
    events = IMPRESSIONS + IMPRESSIONS // 4
    return {
        "read and hashed": events + candidates,
        "attribution": events,
        "labels": candidates,
        "features": candidates,
        "lists": USERS * CANDIDATES,
        "fit": FIT_ROWS,
    }[stage]


def _engine(told: dict[str, Any]) -> dict[str, Any]:
    stages = {}
    for stage in STAGES:
        if stage not in told["stages"]:
            continue
        measured = told["stages"][stage]
        rate = measured["rows"] / measured["cpu"]
        stages[stage] = {
            "rows": int(measured["rows"]),
            "cpu": round(measured["cpu"], 2),
            "rows_per_core_second": round(rate),
            "rows_a_day": rows_a_day(stage),
            "core_hours_a_day": round(rows_a_day(stage) / rate / 3600, 1),
        }
    return {"peak_mb": round(told["peak"]), "stages": stages}


def _has_spark() -> bool:
    return importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None
