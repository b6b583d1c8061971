"""Trap 3: unfinished horizons become negatives."""

from __future__ import annotations

from typing import Final

import numpy as np

from causal_ranker.reporting.figures import Curve, line_with_band
from causal_ranker.seeds import stage_rng
from docs.pictures import Picture

__all__ = ["draw"]

_ROWS: Final = 200_000
_DAYS: Final = 28
_HORIZON: Final = 7
_RATE: Final = 0.3


def draw(*, seed: int) -> Picture:
    """Draw the play rate by the day of the request, up to the log's end.

    Parameters
    ----------
    seed : int
        Of the draws.

    Returns
    -------
    Picture
        Plays per 100 rows.
    """
    rng = stage_rng(seed, "pictures/unfinished")
    asked = rng.uniform(0, _DAYS, _ROWS)
    plays = rng.random(_ROWS) < _RATE
    seen = plays & (asked + rng.uniform(0, _HORIZON, _ROWS) < _DAYS)
    ended = asked + _HORIZON <= _DAYS
    day = asked.astype(np.int64)
    rows = np.bincount(day, minlength=_DAYS)
    naive = 100 * np.bincount(day, weights=seen, minlength=_DAYS) / rows
    truth = 100 * np.bincount(day, weights=plays, minlength=_DAYS) / rows
    last = _DAYS - _HORIZON
    right = np.where(np.arange(_DAYS) < last, truth, np.nan)
    overall = [100 * float(each.mean()) for each in (seen, plays[ended], plays)]
    return Picture(
        svg=line_with_band(
            np.arange(_DAYS),
            [
                Curve("every row, no play seen is a 0", naive),
                Curve("rows whose horizon is over", right),
                Curve("truth", truth),
            ],
            xlabel=f"day of the request; the log ends on day {_DAYS}",
            ylabel=f"play within {_HORIZON} days, per 100 rows",
        ),
        caption=f"Rows of the last {_HORIZON} days look as if nobody played. Over all rows the "
        f"rate is {overall[0]:.2f} per 100; of rows whose horizon is over {overall[1]:.2f}, where "
        f"{overall[2]:.2f} are so.",
        alt="Three lines by day: the naive rate falls to 0 at the log's end, the others are level.",
        naive=overall[0],
        right=overall[1],
        truth=overall[2],
    )
