"""Trap 8: curves are divided by the average effect."""

from __future__ import annotations

from typing import Final

import numpy as np

from causal_ranker.reporting.figures import Curve, line_with_band
from causal_ranker.seeds import stage_rng
from causal_ranker.stats.aipw import ipw_scores
from causal_ranker.stats.curves import qini
from docs.pictures import Picture

__all__ = ["draw"]

_DRAWS: Final = 120
_ROWS: Final = 2_000
_CHANCE: Final = 0.5
_SHOWN_TO: Final = 6.0  # of the axis, upwards and downwards


def draw(*, seed: int) -> Picture:
    """Draw the Qini of one good score on many logs of a service whose average effect is 0.

    Parameters
    ----------
    seed : int
        Of the draws.

    Returns
    -------
    Picture
        Shares of the logs, in %, in which the score looks worse than chance.
    """
    rng = stage_rng(seed, "pictures/average_effect")
    average, area = np.empty(_DRAWS), np.empty(_DRAWS)
    for draw_ in range(_DRAWS):
        # Showing wins as many plays of one half of the users as it loses of the other.
        score = rng.choice([-1.0, 1.0], _ROWS)
        shown = rng.random(_ROWS) < _CHANCE
        played = rng.random(_ROWS) < 0.3 + 0.15 * score * shown
        gamma = ipw_scores(
            played.astype(float), shown.astype(float), propensity=np.full(_ROWS, _CHANCE)
        )
        average[draw_], area[draw_] = gamma.mean(), qini(score, gamma)
    order = np.argsort(average)
    divided = np.divide(area, average, out=np.full(_DRAWS, np.nan), where=average != 0)
    naive, right = (100 * float((each < 0).mean()) for each in (divided, area))
    inside = np.where(np.abs(divided) <= _SHOWN_TO, divided, np.nan)
    return Picture(
        svg=line_with_band(
            100 * average[order],
            [
                Curve("divided by the average effect", inside[order]),
                Curve("in plays per 10 rows", 10 * area[order]),
            ],
            xlabel="average effect of the log, plays per 100 rows",
            ylabel="Qini of one and the same score",
        ),
        caption=f"{_DRAWS} logs of one service, whose average effect is 0, and one good score. "
        f"Divided by each log's average effect, its Qini is below 0 in {naive:.2f} % of the logs; "
        f"undivided in {right:.2f} %.",
        alt="Two lines by average effect: one flies apart and changes sign at 0, one is level.",
        naive=naive,
        right=right,
        truth=0.0,
    )
