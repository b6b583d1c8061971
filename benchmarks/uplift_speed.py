"""Seconds and memory of effect learners at a million rows, and quality at 200,000."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import Result
from benchmarks._measure import run_child
from causal_ranker.seeds import stage_rng
from causal_ranker.worlds.nonlinear import NonlinearConfig, draw_nonlinear

__all__ = ["DESCRIPTION", "run"]

DESCRIPTION: Final = (
    "uplift_speed: against econml and causalml at equal settings; a forest's quality"
)

_ROWS: Final = 1_000_000
_LARGE: Final = (10_000_000, 50)
_QUALITY: Final = 200_000
_LATER: Final = 50_000
_FIVE: Final = ("s", "t", "x", "r", "dr")


def run(*, quick: bool) -> Result:
    """Fit each way in a process of its own, on the same rows, folds and LightGBM settings.

    Parameters
    ----------
    quick : bool
        A fiftieth of the rows, and no large fit.

    Returns
    -------
    Result
        Figures ``speedup_vs_econml`` and ``speedup_vs_causalml`` (of `dr`),
        ``extra_memory_vs_econml`` and ``extra_memory_vs_causalml`` (ours by theirs, beyond the
        rows themselves), ``five_learners_vs_slowest``, ``corr_ours``, ``corr_forest``,
        ``time_vs_forest`` (ours by theirs), ``large_peak_mb`` (MiB) and ``large_seconds``.

    Raises
    ------
    RuntimeError
        If a way fails.
    """
    scale = 50 if quick else 1
    lines: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory(prefix="causal-ranker-bench-") as name:
        folder = Path(name)
        _write(folder, rows=_ROWS // scale)
        speed = {
            way: _one(way, folder, rows=_ROWS // scale, lines=lines)
            for way in ("econml", "causalml", *_FIVE, "five")
        }
        _write(folder, rows=_QUALITY // scale)
        quality = {
            way: _one(way, folder, rows=_QUALITY // scale, lines=lines)
            for way in (*_FIVE, "best", "forest")
        }
        large: dict[str, float] = {}
        if not quick:
            _write_large(folder)
            large = _one("dr", folder, rows=_LARGE[0], lines=lines)
    ours = speed["dr"]
    slowest = max(speed[way]["seconds"] for way in _FIVE)
    figures: dict[str, Any] = {
        f"speedup_vs_{peer}": round(speed[peer]["seconds"] / ours["seconds"], 2)
        for peer in ("econml", "causalml")
    }
    figures |= {
        f"extra_memory_vs_{peer}": round(ours["extra_mb"] / speed[peer]["extra_mb"], 2)
        for peer in ("econml", "causalml")
    }
    figures |= {
        "five_learners_vs_slowest": round(speed["five"]["seconds"] / slowest, 2),
        "corr_ours": round(quality["best"]["correlation"], 4),
        "corr_forest": round(quality["forest"]["correlation"], 4),
        "time_vs_forest": round(quality["best"]["seconds"] / quality["forest"]["seconds"], 3),
        "large_peak_mb": round(large["peak_mb"]) if large else None,
        "large_seconds": round(large["seconds"], 1) if large else None,
    }
    return Result(
        columns=("way", "rows", "seconds", "memory beyond rows (MiB)", "correlation with truth"),
        rows=lines,
        figures=figures,
        note="At a million rows every model of every way has 100 rounds of 31 leaves at .1, and "
        "squared error for outcomes; propensities are of such trees alone, neither compared with "
        "other kinds nor calibrated. Two folds, but for causalml, whose three are its own, and "
        "whose propensities are an elastic net. 'best' is the R-learner with few linear leaves, "
        "stopped by out-of-fold gain; the forest has econml's defaults, and LightGBM inside.",
    )


def _one(way: str, folder: Path, *, rows: int, lines: list[tuple[object, ...]]) -> dict[str, float]:
    told: dict[str, float] = json.loads(
        run_child(["-m", "benchmarks._uplift_child", way, str(folder)]).last_line
    )
    lines.append(
        (
            way,
            rows,
            f"{told['seconds']:.1f}",
            round(told["extra_mb"]),
            f"{told['correlation']:.3f}",
        )
    )
    return told


def _write(folder: Path, *, rows: int) -> None:
    drawn = draw_nonlinear(NonlinearConfig(rows=rows, seed=0))
    later = draw_nonlinear(NonlinearConfig(rows=_LATER, seed=1))
    arrays: dict[str, NDArray[Any]] = {
        "features": drawn.features,
        "treatment": drawn.treatment,
        "outcome": drawn.outcome,
        "later": later.features,
        "tau": later.tau,
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)


def _write_large(folder: Path) -> None:
    """Write rows of many features; what moves the outcome stands in the first three."""
    rows, columns = _LARGE
    rng = stage_rng(0, "uplift_speed/large")
    features = rng.standard_normal((rows, columns), dtype=np.float32)
    chance = 1 / (1 + np.exp(-features[:, 0]))
    treatment = (rng.random(rows) < chance).astype(np.int8)
    tau = 0.1 + 0.1 * (features[:, 1] > 0)
    level = 0.2 + 0.2 * (features[:, 2] > 0) + treatment * tau
    arrays: dict[str, NDArray[Any]] = {
        "features": features,
        "treatment": treatment,
        "outcome": (rng.random(rows) < level).astype(np.int8),
        "later": features[:_LATER],
        "tau": tau[:_LATER],
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
