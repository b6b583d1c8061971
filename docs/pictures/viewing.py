"""Trap 6: viewing takes the place of placement."""

from __future__ import annotations

from typing import Final

from causal_ranker.seeds import stage_rng
from causal_ranker.stats.aipw import ipw_scores
from docs.pictures import Picture
from docs.pictures._bars import three_bars

__all__ = ["draw"]

_ROWS: Final = 100_000
_PLACED: Final = 0.5


def draw(*, seed: int) -> Picture:
    """Draw the difference between who viewed and who did not beside the one by placement.

    Items are placed by a coin. Active users look at more of what is placed, and play more without
    it; whoever sees it plays it with the same chance.

    Parameters
    ----------
    seed : int
        Of the draws.

    Returns
    -------
    Picture
        Plays per 100 rows.
    """
    rng = stage_rng(seed, "pictures/viewing")
    activity = rng.random(_ROWS)
    placed = rng.random(_ROWS) < _PLACED
    would_see = rng.random(_ROWS) < activity
    without = rng.random(_ROWS) < 0.3 * activity
    played_if_placed = without | (would_see & (rng.random(_ROWS) < 0.08))
    played = (placed & played_if_placed) | (~placed & without)
    viewed = placed & would_see
    gamma = ipw_scores(played.astype(float), placed.astype(float), propensity=[_PLACED] * _ROWS)
    return three_bars(
        ("viewed less not viewed", "placed less not placed", "truth of placing"),
        (
            100 * float(played[viewed].mean() - played[~viewed].mean()),
            100 * float(gamma.mean()),
            100 * float((played_if_placed.astype(float) - without).mean()),
        ),
        unit="effect, plays per 100 placements",
        caption="A coin decides what is placed, and active users look more and play more. Who "
        "viewed plays {naive} per 100 more than who did not; placing brings {right}, where {truth} "
        "are so.",
    )
