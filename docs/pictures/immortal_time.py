"""Trap 2: who is a row is decided late."""

from __future__ import annotations

from typing import Final

from causal_ranker.seeds import stage_rng
from causal_ranker.stats.aipw import ipw_scores
from docs.pictures import Picture
from docs.pictures._bars import three_bars

__all__ = ["draw"]

_ROWS: Final = 100_000
_HOURS: Final = 24.0
_ASSIGNED: Final = 0.5


def draw(*, seed: int) -> Picture:
    """Draw an effect of nothing: as decided by what happened until the play, and as decided at t0.

    Half of the users are assigned an item, which comes into their slate some time within the
    horizon and changes nothing. Who plays before it comes counts as unexposed.

    Parameters
    ----------
    seed : int
        Of the draws.

    Returns
    -------
    Picture
        Plays per 100 rows.
    """
    rng = stage_rng(seed, "pictures/immortal_time")
    assigned = rng.random(_ROWS) < _ASSIGNED
    comes = rng.uniform(0, _HOURS, _ROWS)
    plays_at = rng.exponential(2 * _HOURS, _ROWS)
    played = plays_at < _HOURS
    exposed_first = assigned & (comes < plays_at)
    gamma = ipw_scores(played.astype(float), assigned.astype(float), propensity=[_ASSIGNED] * _ROWS)
    return three_bars(
        ("arms as they turned out", "arms as of t0", "truth"),
        (
            100 * float(played[exposed_first].mean() - played[~exposed_first].mean()),
            100 * float(gamma.mean()),
            0.0,
        ),
        unit="effect of an item that changes nothing, plays per 100 rows",
        caption="The item changes nothing ({truth}). Where a row is a control until it is exposed, "
        "who plays early is a control, and the effect is {naive} plays per 100 rows; with arms as "
        "of t0 it is {right}.",
    )
