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
from numpy.typing import NDArray

from benchmarks._regimes import REGIMES, Regime
from causal_ranker.uplift.base import Rows

__all__ = ["CANDIDATES", "WORLDS", "Array", "Lists", "World", "draw_lists", "propensity"]

Array = NDArray[np.float64]

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


@dataclass(frozen=True)
class Lists:
    """Candidates, and what nobody sees of real ones.

    Parameters
    ----------
    x : ndarray of float64, shape (n, 4)
        A column of ones, and the covariates.
    treatment, outcome : ndarray of float64, shape (n,)
        T and Y.
    user, unit : ndarray of int64, shape (n,)
        Users, who are the requests, and units of assignment.
    tau : ndarray of float64, shape (n,)
        True effects.
    """

    x: Array
    treatment: Array
    outcome: Array
    user: NDArray[np.int64]
    unit: NDArray[np.int64]
    tau: Array

    def as_rows(self) -> Rows:
        """Hand the rows to a learner, without their propensities.

        Returns
        -------
        Rows
            The same rows.
        """
        n = len(self.tau)
        return Rows(
            features=self.x[:, 1:].astype(np.float32),
            treatment=self.treatment.astype(np.int8),
            outcome=self.outcome.astype(np.int8),
            weight=np.ones(n),
            user=self.user,
            unit=self.unit,
            propensity=np.full(n, np.nan),
            names=("x0", "x1", "x2"),
        )


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


def draw_lists(world: World, rng: np.random.Generator, *, users: int | None = None) -> Lists:
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
    Lists
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
    return Lists(x, treatment.astype(np.float64), outcome, user, unit, tau)
