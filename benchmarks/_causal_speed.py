"""How fast DLCE learns, at 100 factors, on one core, from a log of the size of MovieLens-1M."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from benchmarks._causal_methods import EPOCHS, early_stop
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.collaborative.dlce import DLCE, DLCEConfig
from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense

__all__ = ["Speed", "generated_log", "speed"]

_FACTORS: Final = 100
#: Users and items of MovieLens-1M, and about as many exposures as it has ratings.
_LARGE: Final = (6040, 3706, 1_000_000)
_SMALL: Final = (100, 60, 2000)


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Parameters
    ----------
    users, items, exposures, plays : int
        Of the log.
    pairs_per_s : float
        Plays a second, each a step of a pair of items; draws of items and weights included.
    seconds : float
        Of a core, from the log to the model that early stopping keeps, estimates included.
    epochs : int
        Learned until it stopped.
    """

    users: int
    items: int
    exposures: int
    plays: int
    pairs_per_s: float
    seconds: float
    epochs: int


def speed(*, quick: bool) -> Speed:
    """Time single epochs, and a fit to its early stop.

    Parameters
    ----------
    quick : bool
        On a small log.

    Returns
    -------
    Speed
        Of DLCE with 100 factors.

    Notes
    -----
    Time is this process's on its core: what others leave of the core is not a figure of ours.
    """
    users, items, exposures = _SMALL if quick else _LARGE
    train, validate = (
        generated_log(users, items, exposures=exposures, draw=draw)
        for draw in ("train", "validate")
    )
    pairs_per_s = _pairs_per_second(train, epochs=3 if quick else 30)
    model = DLCE(config=DLCEConfig(factors=_FACTORS, epochs=EPOCHS))
    start = time.process_time()
    model.fit(train, early=early_stop(validate))
    return Speed(
        users,
        items,
        exposures=int(train.exposed.sum()),
        plays=int(train.played.sum()),
        pairs_per_s=pairs_per_s,
        seconds=time.process_time() - start,
        epochs=max(model.history_),
    )


def generated_log(users: int, items: int, *, exposures: int, draw: str) -> Interactions:
    """Make a log up: tastes of rank 2, shown what is liked, and as many plays as exposures.

    Parameters
    ----------
    users, items : int
        How many.
    exposures : int
        About how many.
    draw : str
        Of equal tastes: each draw has exposures and plays of its own.

    Returns
    -------
    Interactions
        With propensities.
    """
    taste = stage_rng(0, "causal_ranking/tastes")
    odds = taste.standard_normal((users, 2), np.float32) @ taste.standard_normal(
        (2, items), np.float32
    )
    liked = 1 / (1 + np.exp(-odds))
    share = exposures / (users * items)
    propensity = np.float32(2 * share) * liked
    rng = stage_rng(0, f"causal_ranking/{draw}")
    exposed = rng.random(odds.shape, np.float32) < propensity
    # What is liked is played, and what is liked least is helped most.
    chance = np.where(exposed, 0.1 + 0.3 * (1 - liked), 1.6 * share * liked).astype(np.float32)
    return from_dense(exposed, rng.random(odds.shape, np.float32) < chance, propensity=propensity)


def _pairs_per_second(log: Interactions, *, epochs: int) -> float:
    """Time epochs by the difference of two fits: starting and drawing factors are left out.

    The middle of three counts, and each epoch goes through every play once.
    """

    def seconds(count: int) -> float:
        model = DLCE(config=DLCEConfig(factors=_FACTORS, learning_rate=1e-3, epochs=count))
        start = time.process_time()
        model.fit(log)
        return time.process_time() - start

    seconds(1)  # compiles
    longer, shorter = (median(seconds(n) for _ in range(3)) for n in (1 + epochs, 1))
    return epochs * int(log.played.sum()) / max(longer - shorter, 1e-9)
