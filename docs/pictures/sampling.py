"""Trap 12: rows are sampled by their outcome, and the sample is taken for the population."""

from __future__ import annotations

from typing import Final

import numpy as np

from causal_ranker.seeds import stage_rng
from docs.pictures import Picture
from docs.pictures._bars import three_bars
from docs.pictures._rows import world_rows

__all__ = ["draw"]

#: Of the rows without a play; rows with one are all kept.
_SHARE: Final = 0.3


def draw(*, seed: int) -> Picture:
    """Draw the effect on a sample of rows, without and with the sampling weights.

    Parameters
    ----------
    seed : int
        Of the simulated service, and of the sample.

    Returns
    -------
    Picture
        Plays per 100 impressions.
    """
    rows = world_rows(seed)
    played = rows.played == 1
    kept = played | (stage_rng(seed, "pictures/sampling").random(played.size) < _SHARE)
    weights = np.where(played, 1.0, 1 / _SHARE)[kept]
    gamma = rows.gamma[kept]
    return three_bars(
        ("sample as it is", "with sampling weights", "truth"),
        (
            100 * float(gamma.mean()),
            100 * float(np.average(gamma, weights=weights)),
            100 * float(rows.tau.mean()),
        ),
        unit="effect of showing, plays per 100 impressions",
        caption=f"All rows with a play and {100 * _SHARE:.0f} % of the others are kept. As it is, "
        "the sample tells {naive} plays per 100 impressions, with sampling weights {right}; "
        "{truth} are so.",
    )
