"""Requests of users with taste, where what confounds and what is hidden is a setting."""

from __future__ import annotations

from typing import Any

import numpy as np

from causal_ranker.boosting import BoostConfig
from causal_ranker.evaluation.refute.check import Check
from causal_ranker.evaluation.refute.material import Dose, Earlier, Material
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.nuisance import NuisanceConfig

TREES = BoostConfig(rounds=25, learning_rate=0.15, leaves=6, min_rows_leaf=60, feature_share=1.0)
CONFIG = NuisanceConfig(outcome=TREES, propensity=TREES, propensity_kinds=("logistic",))
K = 2
AVERAGE, GAIN = "average effect", "by noise minus as they come"


def material(
    seed: int = 0,
    *,
    users: int = 400,
    requests: int = 3,
    candidates: int = 5,
    tau: float = 0.15,
    hidden: str = "",
    logged: bool = False,
    pull: float = 0.8,
    slope: float = 0.4,
    **owned: Any,
) -> Material:
    """Draw rows. ``taste`` of the user and ``fit`` of the pair move T and Y; ``noise`` moves Y.

    A column named by `hidden` is drawn and left out of the features. `slope` says by which share
    the effect rises with one more dose, of three. A third of the rows are spared: T does nothing.
    """
    rng = np.random.default_rng(seed)
    n = users * requests * candidates
    user = np.repeat(np.arange(users), requests * candidates)
    taste = rng.normal(size=users)[user]
    fit, noise = rng.normal(size=n), rng.normal(size=n)
    e = 1 / (1 + np.exp(-pull * (taste + fit) / 1.2))
    level = 0.25 + 0.1 * np.tanh(taste) + 0.1 * np.tanh(fit) + 0.03 * np.sign(noise)
    amount, spared = rng.integers(1, 4, n), rng.random(n) < 1 / 3
    effect = tau * (1 + 0.5 * np.sign(noise)) * (1 + slope * (amount - 2)) * ~spared
    treatment = rng.random(n) < e
    outcome = rng.random(n) < level + effect * treatment
    columns = {"taste": taste, "fit": fit, "noise": noise, "other": rng.normal(size=n)}
    names = tuple(name for name in columns if name != hidden)
    rows = Rows(
        features=np.stack([columns[name] for name in names], axis=1).astype(np.float32),
        treatment=treatment.astype(np.int8),
        outcome=outcome.astype(np.int8),
        weight=np.ones(n),
        user=user,
        unit=user,
        propensity=e if logged else np.full(n, np.nan),
        names=names,
    )
    # One policy shows the first K by what moves the effect, the other the first K as they come.
    by_noise = np.argsort(np.argsort(-noise.reshape(-1, candidates)), axis=1).ravel()
    as_they_come = np.arange(n) % candidates
    known = {
        "nuisance": CONFIG,
        "score": 0.1 * noise,
        "gain": ((by_noise < K).astype(float) - (as_they_come < K)) / K,
        "gain_name": GAIN,
        "earlier": Earlier((rng.random(n) < level).astype(np.int8)),
        "controls": spared,
        "dose": Dose(np.where(treatment, amount, np.nan), "impressions"),
    }
    return Material(
        rows=rows,
        sampled=np.ones(n, dtype=bool),
        request=np.repeat(np.arange(users * requests), candidates),
        lowest_propensity=0.02,
        seed=seed,
        **(known | owned),
    )


def on(checks: list[Check], estimate: str = AVERAGE) -> Check:
    """Return the one line of an estimate."""
    (found,) = (check for check in checks if check.estimate == estimate)
    return found
