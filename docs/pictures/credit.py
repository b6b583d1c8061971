"""Trap 1: plays that no impression led to are dropped."""

from __future__ import annotations

from docs.pictures import Picture
from docs.pictures._bars import three_bars
from docs.pictures._rows import world_rows

__all__ = ["draw"]


def draw(*, seed: int) -> Picture:
    """Draw the effect where organic plays count as none, and where every play counts.

    Parameters
    ----------
    seed : int
        Of the simulated service.

    Returns
    -------
    Picture
        Plays per 100 impressions.
    """
    rows = world_rows(seed)
    # Without the plays that nobody showed, Y(0) is 0 for all, and what is left is the play rate.
    credited = rows.played * rows.shown
    weights = rows.shown / rows.propensity
    return three_bars(
        ("only credited plays", "plays on any surface", "truth"),
        (
            100 * float((weights * credited).sum() / weights.sum()),
            100 * float(rows.gamma.mean()),
            100 * float(rows.tau.mean()),
        ),
        unit="effect of showing, plays per 100 impressions",
        caption="Where plays that no impression led to are dropped, the same logs tell {naive} "
        "plays per 100 impressions; with plays on any surface {right}, where {truth} are so.",
    )
