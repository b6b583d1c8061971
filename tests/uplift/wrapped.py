"""What the tests of wrapped learners share: rows, models, and the contract's other half."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from lightgbm import LGBMRegressor
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows, UpliftModel
from causal_ranker.uplift.lightgbm_models import lightgbm_arguments
from tests.uplift.contract import UpliftModelContract
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


class WrappedContract(UpliftModelContract):
    """What wrapped learners keep beside: the order of columns, too, changes nothing."""

    def test_the_order_of_columns_does_not_matter(self, fitted: UpliftModel, truth: Truth) -> None:
        order = [2, 0, 3, 1]
        rows = replace(
            truth.rows,
            features=truth.rows.features[:, order],
            names=tuple(truth.rows.names[at] for at in order),
        )
        other = self.fresh().fit(rows)

        class Reordered:
            def predict(self, features: NDArray[np.float32]) -> Any:
                return other.predict(features[:, order])

        self.assert_agree(Reordered(), fitted, truth)  # type: ignore[arg-type]


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
