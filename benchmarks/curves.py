"""Seconds and memory of all curves, areas and bands, beside a bootstrap of causalml's areas."""

from __future__ import annotations

import json
from typing import Final

from benchmarks import Result
from benchmarks._measure import Measured, run_child

__all__ = ["DESCRIPTION", "run"]

DESCRIPTION: Final = "curves and bands of two scores by 1,000 half-samples, beside causalml's areas"

_ROWS: Final = 1_000_000
_LARGE: Final = 10_000_000
_DRAWS: Final = 1_000
_TIMED: Final = 5


def run(*, quick: bool) -> Result:
    """Time a million rows, and ten million for memory, each in a process of its own.

    Parameters
    ----------
    quick : bool
        A fiftieth of the rows, and a tenth of the draws.

    Returns
    -------
    Result
        Figures ``seconds`` (a million rows, users and items as clusters), ``causalml_seconds``
        (timed on 5 draws and scaled to as many as ours), ``speedup_vs_causalml``,
        ``seconds_large`` and ``peak_rss_mb`` (MiB, ten million rows, the rows included), ``rows``,
        ``rows_large`` and ``draws``.
    """
    scale = 50 if quick else 1
    rows, large, draws = _ROWS // scale, _LARGE // scale, _DRAWS // (10 if quick else 1)
    small, seconds = _timed("ours", rows, draws)
    _, timed = _timed("theirs", rows, _TIMED)
    scaled = timed * draws / _TIMED
    big, seconds_large = _timed("ours", large, draws)
    return Result(
        columns=("what", "rows", "draws", "seconds", "peak memory (MiB)"),
        rows=[
            ("ours: everything, users and items", rows, draws, f"{seconds:.1f}", round(small.peak)),
            ("causalml: auuc_score, qini_score, users", rows, draws, f"{scaled:.0f}", None),
            (
                "ours: everything, users and items",
                large,
                draws,
                f"{seconds_large:.1f}",
                round(big.peak),
            ),
        ],
        figures={
            "seconds": round(seconds, 2),
            "causalml_seconds": round(scaled, 1),
            "speedup_vs_causalml": round(scaled / seconds, 1),
            "seconds_large": round(seconds_large, 1),
            "peak_rss_mb": round(big.peak),
            "rows": rows,
            "rows_large": large,
            "draws": draws,
        },
        note="Everything: TOC, Qini and uplift curves of two scores with both bands, AUTOC and "
        "QINI, uplift@5, all paired differences, and calibration; by half-samples of users, of "
        "items, and of both. causalml: two areas of the same two scores on half-samples of users "
        f"alone, {_TIMED} timed and scaled. Peak memory includes the rows.",
    )


def _timed(way: str, rows: int, draws: int) -> tuple[Measured, float]:
    found = run_child(["-m", "benchmarks._curves_child", way, str(rows), str(draws)])
    return found, float(json.loads(found.last_line)["seconds"])
