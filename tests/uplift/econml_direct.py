"""econml called as its documentation says, and told the truth about T."""

from __future__ import annotations

from typing import Any, Self

import joblib
import numpy as np
from econml.dml import CausalForestDML, NonParamDML
from econml.dr import DRLearner, LinearDRLearner
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.econml_adapter import UserFolds
from tests.uplift.wrapped import final_model, outcome_model


class Oracle:
    """P(T = 1) as `draw` draws T, by its formula."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        e = np.clip(1 / (1 + np.exp(-1.2 * X[:, 0].astype(np.float64))), 0.05, 0.95)
        return np.column_stack([1 - e, e])


def direct(estimator: Any, rows: Rows, **more: Any) -> NDArray[np.float64]:
    """Call econml as its documentation says."""
    X = rows.features.astype(np.float64)
    estimator.fit(rows.outcome.astype(float), rows.treatment, X=X, groups=rows.user, **more)
    with joblib.parallel_config(backend="sequential"):  # trees are added up in one order
        return np.asarray(estimator.effect(X))


def estimators(of_t: Any) -> dict[str, Any]:
    """What the factory should make, written down, with a model of T of one's own."""
    shared: dict[str, Any] = {"cv": UserFolds(2, seed=3), "random_state": 3}
    return {
        "econml_dr": DRLearner(
            model_propensity=of_t,
            model_regression=outcome_model(),
            model_final=final_model(),
            **shared,
        ),
        "econml_linear_dr": LinearDRLearner(
            model_propensity=of_t, model_regression=outcome_model(), **shared
        ),
        "econml_nonparam_dml": NonParamDML(
            model_y=outcome_model(),
            model_t=of_t,
            model_final=final_model(),
            discrete_treatment=True,
            **shared,
        ),
        "econml_forest": CausalForestDML(
            model_y=outcome_model(),
            model_t=of_t,
            discrete_treatment=True,
            n_estimators=40,
            **shared,
        ),
    }
