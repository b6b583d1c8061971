"""Rows whose effects are known, from a few lines of NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig

NAMES = ("x0", "x1", "x2", "x3")
TREES = BoostConfig(rounds=40, learning_rate=0.1, leaves=8, min_rows_leaf=50, feature_share=1.0)
NUISANCE = NuisanceConfig(outcome=TREES, propensity=TREES)
CONFIG = LearnerConfig(final=TREES, nuisance=NUISANCE)


@dataclass(frozen=True)
class Truth:
    """Rows with their true effects and propensities."""

    rows: Rows
    tau: NDArray[np.float64]
    propensity: NDArray[np.float64]

    @property
    def naive(self) -> float:
        """Difference of mean outcomes between the arms."""
        y, t = self.rows.outcome, self.rows.treatment
        return float(y[t == 1].mean() - y[t == 0].mean())


def draw(
    seed: int = 0,
    *,
    n: int = 8_000,
    tau: float | str = "step",
    confounding: float = 1.2,
    logged: bool = False,
    per_user: int = 4,
) -> Truth:
    """Draw rows: x0 confounds, x1 decides the effect, x2 moves the outcome, x3 is noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    e = 1 / (1 + np.exp(-confounding * x[:, 0].astype(np.float64)))
    e = np.clip(e, 0.05, 0.95)
    step = np.where(x[:, 1] > 0, 0.3, -0.05)
    effect = step if tau == "step" else np.full(n, float(tau))
    level = 0.15 + 0.25 * (x[:, 0] > 0) + 0.1 * (x[:, 2] > 0)
    treatment = rng.random(n) < e
    outcome = rng.random(n) < level + effect * treatment
    user = np.arange(n) // per_user
    rows = Rows(
        features=x,
        treatment=treatment.astype(np.int8),
        outcome=outcome.astype(np.int8),
        weight=np.ones(n),
        user=user,
        unit=user,
        propensity=e if logged else np.full(n, np.nan),
        names=NAMES,
    )
    return Truth(rows, effect, e)


def scores(rows: Rows, e: Any, *, mu0: Any, mu1: Any) -> NDArray[np.float64]:
    """Write down the doubly robust score, term by term."""
    found = np.empty(len(rows))
    for i in range(len(rows)):
        correction = (
            (rows.outcome[i] - mu1[i]) / e[i]
            if rows.treatment[i]
            else -(rows.outcome[i] - mu0[i]) / (1 - e[i])
        )
        found[i] = mu1[i] - mu0[i] + correction
    return found
