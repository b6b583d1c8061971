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
from causal_ranker.uplift.collaborative.kernels import compiled, pair_steps

__all__ = ["Speed", "generated_log", "speed"]

_FACTORS: Final = 100
#: Users and items of MovieLens-1M, and about as many exposures as it has ratings.
_LARGE: Final = (6040, 3706, 1_000_000)
_SMALL: Final = (100, 60, 2000)
#: Users, and items, whose factors stay in the nearest cache; pairs of a timed round of steps.
_NEAR: Final = 16
_STEPS: Final = 200_000


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
    steps_ns, near_ns : float
        Nanoseconds of a pair in the compiled steps alone: with the factors of all users and items,
        and with few, which stay in the nearest cache. The rest of a pair's time goes to draws;
        what lies between the two is waiting for memory.
    """

    users: int
    items: int
    exposures: int
    plays: int
    pairs_per_s: float
    seconds: float
    epochs: int
    steps_ns: float
    near_ns: float


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
        steps_ns=_step_ns(users, items),
        near_ns=_step_ns(_NEAR, _NEAR),
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


def _step_ns(users: int, items: int) -> float:
    """Time the compiled steps alone, on pairs drawn evenly: the fastest of five rounds."""
    rng = stage_rng(0, "causal_ranking/steps")
    user, liked = (rng.integers(n, size=_STEPS, dtype=np.int32) for n in (users, items))
    other = (liked + rng.integers(1, items, size=_STEPS, dtype=np.int32)) % np.int32(items)
    ones = np.ones(_STEPS, np.float32)
    factors = [0.1 * rng.standard_normal((n, _FACTORS), np.float32) for n in (users, items)]
    bias = np.zeros(items, np.float32)
    rounds = []
    for _ in range(5):
        start = time.process_time()
        compiled(pair_steps)(
            user, liked, other, ones, ones, *factors, bias, np.float32(1e-3), np.float32(1e-3)
        )
        rounds.append(time.process_time() - start)
    return min(rounds) / _STEPS * 1e9


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
