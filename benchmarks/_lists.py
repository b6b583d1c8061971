"""Worlds of candidate lists whose effects are known, small enough to be drawn a thousand times.

A request is a user with `CANDIDATES` rows. What happens without exposure and the effect are linear
in the covariates: one of the user, two of the row, all uniform on [-1, 1]. Each row has the chances
that its covariates say, but rows share their luck: T is drawn by one number for all rows of a unit
of assignment (the user, or in the clustered world an item that many users are offered), and about
half of the rows draw Y by one number of their user or their unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks._regimes import REGIMES, Array, Drawn, Regime

__all__ = ["CANDIDATES", "WORLDS", "World", "draw_lists", "propensity"]

#: Candidates of one request.
CANDIDATES: Final = 20
_ITEMS: Final = 60
_SHARED_LUCK: Final = 0.5


@dataclass(frozen=True)
class World:
    """A regime, its size, and who decides T.

    Parameters
    ----------
    regime : Regime
        Coefficients; its number of users is not read.
    users : int
        Users of one draw.
    by_item : bool
        Whether T is assigned by item, so that rows move together in two ways.
    """

    regime: Regime
    users: int
    by_item: bool = False


WORLDS: Final = {
    "randomised": World(REGIMES["randomised"], users=150),
    "confounded": World(REGIMES["confounded"], users=150),
    "rare": World(REGIMES["rare"], users=1200),
    "clustered": World(REGIMES["confounded"], users=150, by_item=True),
    # By x1 and by x2 lists are worth the same, and are not the same.
    "even": World(
        Regime(
            users=0,
            organic=(0.3, 0.05, 0.1, 0.0),
            effect=(0.15, 0.05, 0.08, 0.08),
            logit=(0.0, 0.0, 0.0, 0.0),
        ),
        users=150,
    ),
}


def propensity(world: World, x: Array) -> Array:
    """Return the true chance of T.

    Parameters
    ----------
    world : World
        The world.
    x : ndarray of float64, shape (n, 4)
        A column of ones, and the covariates.

    Returns
    -------
    ndarray of float64, shape (n,)
        P(T = 1 | x).
    """
    return np.asarray(1 / (1 + np.exp(-(x @ world.regime.logit))))


def draw_lists(world: World, rng: np.random.Generator, *, users: int | None = None) -> Drawn:
    """Draw the candidates of a world's users.

    Parameters
    ----------
    world : World
        The world.
    rng : numpy.random.Generator
        Source of the draws.
    users : int, optional
        How many; as the world says by default.

    Returns
    -------
    Drawn
        Rows, a user's in a run.
    """
    count = users or world.users
    user = np.repeat(np.arange(count), CANDIDATES)
    n = user.size
    x = np.column_stack([np.ones(n), rng.uniform(-1, 1, count)[user], rng.uniform(-1, 1, (n, 2))])
    tau = x @ world.regime.effect
    unit = user
    if world.by_item:
        unit = np.argsort(rng.random((count, _ITEMS)), axis=1)[:, :CANDIDATES].ravel()
    by_unit = rng.random((2, unit.max() + 1))[:, unit]
    treatment = by_unit[0] < propensity(world, x)
    chance = x @ world.regime.organic + treatment * tau
    assert 0 <= chance.min() <= chance.max() <= 1
    kind = rng.random(n)
    luck = np.where(kind < _SHARED_LUCK, rng.random(count)[user], rng.random(n))
    if world.by_item:
        luck = np.where(kind < _SHARED_LUCK / 2, by_unit[1], luck)
    outcome = (luck < chance).astype(np.float64)
    return Drawn(x, treatment.astype(np.float64), outcome, user, unit, tau)
