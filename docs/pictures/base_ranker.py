"""Trap 5: the base ranker chose what was shown, and is left out."""

from __future__ import annotations

from docs.pictures import Picture
from docs.pictures._bars import three_bars
from docs.pictures._rows import world_rows

__all__ = ["draw"]


def draw(*, seed: int) -> Picture:
    """Draw the plain difference of the arms beside the one by logged propensities.

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
    shown = rows.shown == 1
    plain = rows.played[shown].mean() - rows.played[~shown].mean()
    return three_bars(
        ("shown less not shown", "by logged propensities", "truth"),
        (
            100 * float(plain),
            100 * float(rows.gamma.mean()),
            100 * float(rows.tau.mean()),
        ),
        unit="effect of showing, plays per 100 impressions",
        caption="The base ranker shows what would have been played anyway: the plain difference is "
        "{naive} plays per 100 impressions, by logged propensities {right}; {truth} are so.",
    )
