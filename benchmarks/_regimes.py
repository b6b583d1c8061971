"""Five regimes whose effects are known, small enough to be drawn a thousand times.

Rows come in users of 1 to 5. A user has one covariate of its own, rows have two more, all uniform
on [-1, 1]; what happens without exposure and the effect are linear in them. Each row has the
chances that its covariates say, but rows of a user share their luck: all of them the number that
decides T (the user is the unit of assignment), about half of them the one that decides Y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows

__all__ = ["REGIMES", "Array", "Drawn", "Regime", "draw"]

Array = NDArray[np.float64]

_MOST_ROWS: Final = 5
_SHARED_LUCK: Final = 0.5


@dataclass(frozen=True)
class Regime:
    """How many users there are, and coefficients of (1, x0, x1, x2), where x0 is the user's.

    Parameters
    ----------
    users : int
        Users of one draw.
    organic, effect : tuple of float
        Of P(Y = 1) without exposure, and of what exposure adds to it.
    logit : tuple of float
        Of the log-odds of T.
    """

    users: int
    organic: tuple[float, float, float, float]
    effect: tuple[float, float, float, float]
    logit: tuple[float, float, float, float]


REGIMES: Final = {
    "randomised": Regime(
        users=600,
        organic=(0.3, 0.05, 0.1, 0.0),
        effect=(0.15, 0.05, 0.0, 0.1),
        logit=(0.0, 0.0, 0.0, 0.0),
    ),
    "confounded": Regime(
        users=600,
        organic=(0.35, 0.1, 0.1, 0.0),
        effect=(0.15, 0.05, 0.0, 0.1),
        logit=(-0.3, 0.8, 0.8, 0.0),
    ),
    "rare": Regime(
        users=3000,
        organic=(0.01, 0.002, 0.002, 0.0),
        effect=(0.012, 0.002, 0.0, 0.006),
        logit=(0.0, 0.5, 0.5, 0.0),
    ),
    "negative": Regime(
        users=600,
        organic=(0.5, 0.05, 0.1, 0.0),
        effect=(-0.02, 0.05, 0.0, 0.15),
        logit=(-0.2, 0.5, 0.0, 0.5),
    ),
    "organic": Regime(
        users=600,
        organic=(0.7, 0.05, 0.05, 0.0),
        effect=(0.05, 0.02, 0.0, 0.04),
        logit=(0.4, 0.5, 0.5, 0.0),
    ),
}


@dataclass(frozen=True)
class Drawn:
    """Rows, and what nobody sees of real ones.

    Parameters
    ----------
    x : ndarray of float64, shape (n, 4)
        A column of ones, and the covariates.
    treatment, outcome : ndarray of float64, shape (n,)
        T and Y.
    user, unit : ndarray of int64, shape (n,)
        Users, and where T was assigned: one and the same array where it was by user.
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


def draw(regime: Regime, rng: np.random.Generator, *, users: int | None = None) -> Drawn:
    """Draw the rows of a regime's users.

    Parameters
    ----------
    regime : Regime
        The regime.
    rng : numpy.random.Generator
        Source of the draws.
    users : int, optional
        How many; as the regime says by default.

    Returns
    -------
    Drawn
        Rows, a user's in a run.
    """
    users = users or regime.users
    user = np.repeat(np.arange(users), rng.integers(1, _MOST_ROWS + 1, users))
    n = user.size
    x = np.column_stack([np.ones(n), rng.uniform(-1, 1, users)[user], rng.uniform(-1, 1, (n, 2))])
    tau = x @ regime.effect
    e = 1 / (1 + np.exp(-(x @ regime.logit)))
    treatment = rng.random(users)[user] < e
    chance = x @ regime.organic + treatment * tau
    assert 0 <= chance.min() <= chance.max() <= 1
    shared = rng.random(n) < _SHARED_LUCK
    luck = np.where(shared, rng.random(users)[user], rng.random(n))
    return Drawn(x, treatment.astype(float), (luck < chance).astype(float), user, user, tau)
