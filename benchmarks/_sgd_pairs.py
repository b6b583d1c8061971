"""How many pairs a second DLCE learns from on one core, on a log of MovieLens-1M's size."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

import numpy as np

from causal_ranker.uplift.collaborative.dlce import DLCE, DLCEConfig
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["pairs_per_second"]

#: Of MovieLens-1M.
USERS: Final = 6_040
ITEMS: Final = 3_706
PLAYS: Final = 1_000_000


def pairs_per_second(
    *, factors: int = 100, epochs: int = 10, repeats: int = 3, plays: int = PLAYS
) -> float:
    """Time `DLCE.fit`, compiled beforehand: draws, steps and checks; the fastest of some fits.

    Parameters
    ----------
    factors : int
        Factors of each user and item.
    epochs : int
        Epochs of a fit.
    repeats : int
        Fits.
    plays : int
        Plays, each learned from once an epoch.

    Returns
    -------
    float
        Pairs a second of wall-clock time, on one thread.
    """
    data = _log(plays)

    def fit(rounds: int) -> Callable[[], object]:
        config = DLCEConfig(factors=factors, epochs=rounds, learning_rate=0.003)
        return lambda: DLCE(config=config).fit(data)

    fit(1)()  # compiles
    return plays * epochs / min(_seconds(fit(epochs)) for _ in range(repeats))


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _log(plays: int) -> Interactions:
    """Draw pairs evenly, a third of them shown: how fast they are learned is all that counts."""
    rng = np.random.default_rng(0)
    user, item = np.divmod(rng.choice(USERS * ITEMS, size=plays, replace=False), ITEMS)
    return Interactions(
        user.astype(np.int32),
        item.astype(np.int32),
        rng.random(plays) < 1 / 3,
        np.ones(plays, dtype=np.bool_),
        np.full(plays, 1 / 3),
        USERS,
        ITEMS,
    )
