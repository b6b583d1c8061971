"""How many pairs a second DLCE learns from, at 100 factors, on one core."""

from __future__ import annotations

import time
from statistics import median
from typing import Final

from causal_ranker.uplift.collaborative.dlce import DLCE, DLCEConfig
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["pairs_per_second"]

_FACTORS: Final = 100


def pairs_per_second(log: Interactions, *, epochs: int) -> float:
    """Time epochs by the difference of two fits: starting and drawing factors are left out.

    Parameters
    ----------
    log : Interactions
        With propensities.
    epochs : int
        More epochs of the longer fit; each goes through every play once.

    Returns
    -------
    float
        Plays a second, each a step of a pair of items; draws of items and weights included.

    Notes
    -----
    Time is this process's on its core, and the middle of three: what others leave of the core is
    not a figure of ours.
    """

    def seconds(count: int) -> float:
        model = DLCE(config=DLCEConfig(factors=_FACTORS, learning_rate=1e-3, epochs=count))
        start = time.process_time()
        model.fit(log)
        return time.process_time() - start

    seconds(1)  # compiles
    longer, shorter = (median(seconds(n) for _ in range(3)) for n in (1 + epochs, 1))
    return epochs * int(log.played.sum()) / max(longer - shorter, 1e-9)
