"""Trap 7: ties in a lucky order."""

from __future__ import annotations

import numpy as np

from causal_ranker.reporting.figures import Curve, line_with_band
from causal_ranker.stats.curves import qini, rank_curve
from docs.pictures import Picture
from docs.pictures._rows import world_rows

__all__ = ["draw"]


def draw(*, seed: int) -> Picture:
    """Draw the gain by a score that is the same for everybody, on rows that lie sorted.

    Parameters
    ----------
    seed : int
        Of the simulated service.

    Returns
    -------
    Picture
        Plays per 100 rows.
    """
    rows = world_rows(seed)
    # As a table that was joined to its plays often lies: what was shown and played comes first.
    gamma = rows.gamma[np.argsort(-rows.shown * rows.played, kind="stable")]
    constant = np.zeros(gamma.size)
    by_place = -np.arange(gamma.size, dtype=np.float64)
    naive, right = (100 * qini(score, gamma) for score in (by_place, constant))
    across = np.linspace(0, 1, 101)
    lucky, level = (
        100 * np.interp(across, curve.q, curve.gain)
        for curve in (rank_curve(score, gamma) for score in (by_place, constant))
    )
    return Picture(
        svg=line_with_band(
            100 * across,
            [Curve("ties by place in the table", lucky), Curve("ties averaged", level)],
            xlabel="% of the rows, best score first",
            ylabel="gain, plays per 100 rows",
        ),
        caption="One score for everybody ranks nothing, so its Qini is 0. Broken by the order of "
        f"the table, its ties make it {naive:.2f} plays per 100 rows; averaged, {right:.2f}.",
        alt="Two gain curves: one bulges above the straight line, the other is the straight line.",
        naive=naive,
        right=right,
        truth=0.0,
    )
