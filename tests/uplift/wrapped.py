"""What the tests of wrapped learners share: rows and models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from lightgbm import LGBMRegressor

from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.lightgbm_models import lightgbm_arguments
from tests.uplift.worlds import CONFIG, NUISANCE, TREES, Truth, draw

#: Our trees, as LightGBM's estimators call their settings.
SETTINGS = lightgbm_arguments(TREES, seed=3)
#: Rows where no effect is asked for.
N = 2_000
#: Categories as they are, without smoothing, and one tree of two leaves to tell them apart.
_FREE = TREES.model_copy(update={"category_l2": 0.0, "category_smoothing": 1.0})
SPLITS = CONFIG.model_copy(
    update={"final": _FREE, "nuisance": NUISANCE.model_copy(update={"outcome": _FREE})}
)


def confounded(seed: int = 1, n: int = N, **more: Any) -> Truth:
    return draw(seed, n=n, logged=True, **more)


def outcome_model() -> LGBMRegressor:
    return LGBMRegressor(objective="binary", **SETTINGS)


def final_model() -> LGBMRegressor:
    return LGBMRegressor(objective="regression", **SETTINGS)


def categories(rows: Rows, levels: int = 6) -> Rows:
    """The last feature as a category; only a split by category tells even levels from odd."""
    features = rows.features.copy()
    rng = np.random.default_rng(9)
    high = features[:, 1] > 0
    features[:, 3] = 2 * rng.integers(0, levels // 2, len(features)) + high
    features[:, 1] = rng.normal(size=len(features))
    return replace(rows, features=features, categorical=("x3",))
