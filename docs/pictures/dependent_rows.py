"""Trap 9: rows are taken for independent."""

from __future__ import annotations

from typing import Final

import numpy as np

from causal_ranker.seeds import stage_rng
from causal_ranker.stats.intervals import clustered_mean
from docs.pictures import Picture
from docs.pictures._bars import three_bars

__all__ = ["draw"]

_DRAWS: Final = 400
_USERS: Final = 100
_EACH: Final = 20
_EFFECT: Final = 0.05
_LEVEL: Final = 0.95


def draw(*, seed: int) -> Picture:
    """Count how often intervals hold the true effect, by rows and by users.

    Parameters
    ----------
    seed : int
        Of the draws.

    Returns
    -------
    Picture
        Shares of the draws, in %.
    """
    rng = stage_rng(seed, "pictures/dependent_rows")
    user = np.repeat(np.arange(_USERS), _EACH)
    held = np.zeros(2)
    for _ in range(_DRAWS):
        # What a user's rows share is as wide as what they do not.
        value = _EFFECT + rng.normal(size=_USERS)[user] + rng.normal(size=user.size)
        for place, cluster in enumerate((np.arange(user.size), user)):
            interval = clustered_mean(value, cluster, level=_LEVEL)
            held[place] += interval.low <= _EFFECT <= interval.high
    shares = 100 * held / _DRAWS
    return three_bars(
        ("each row for itself", "clustered by user", "as promised"),
        (float(shares[0]), float(shares[1]), 100 * _LEVEL),
        unit="intervals that hold the true effect, %",
        caption=f"{_USERS} users with {_EACH} rows each, {_DRAWS} times. Intervals that take rows "
        "for independent hold the truth in {naive} % of the draws, those clustered by user in "
        "{right} %; {truth} % are promised.",
    )
