"""Effect learners of econml and causalml as their users meet them: defaults, and LightGBM inside.

Each is called as its own documentation does, without anything of ours in between.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows

__all__ = ["PEERS", "peer_estimate"]

Array = NDArray[np.float64]
Matrix = NDArray[np.float32]


def _trees(seed: int, settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """Make a regressor and a classifier of LightGBM."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    shared = {"random_state": seed, "n_jobs": 0, "verbose": -1, **settings}
    return LGBMRegressor(**shared), LGBMClassifier(**shared)


def _econml(name: str) -> Callable[[Rows, Matrix, int, Mapping[str, Any]], Array]:
    def estimate(rows: Rows, later: Matrix, seed: int, settings: Mapping[str, Any]) -> Array:
        from econml import dml, dr

        regressor, classifier = _trees(seed, settings)
        if name in ("DRLearner", "LinearDRLearner"):
            models: dict[str, Any] = {
                "model_propensity": classifier,
                "model_regression": regressor,
            }
            if name == "DRLearner":
                models["model_final"] = regressor
            model = getattr(dr, name)(random_state=seed, **models)
        else:
            models = {"model_y": regressor, "model_t": classifier}
            if name == "NonParamDML":
                models["model_final"] = regressor
            model = getattr(dml, name)(discrete_treatment=True, random_state=seed, **models)
        model.fit(rows.outcome.astype(float), rows.treatment.astype(int), X=rows.features)
        return np.asarray(model.effect(later)).reshape(-1)

    return estimate


def _causalml(name: str) -> Callable[[Rows, Matrix, int, Mapping[str, Any]], Array]:
    def estimate(rows: Rows, later: Matrix, seed: int, settings: Mapping[str, Any]) -> Array:
        from causalml.inference import meta

        regressor, _ = _trees(seed, settings)
        model = getattr(meta, name)(learner=regressor)
        model.fit(
            X=rows.features.astype(float),
            treatment=rows.treatment.astype(int),
            y=rows.outcome.astype(float),
        )
        return np.asarray(model.predict(later.astype(float))).reshape(-1)

    return estimate


def _causalml_forest(rows: Rows, later: Matrix, seed: int, settings: Mapping[str, Any]) -> Array:
    from causalml.inference.tree import UpliftRandomForestClassifier

    model = UpliftRandomForestClassifier(control_name="control", random_state=seed, n_jobs=1)
    model.fit(
        rows.features.astype(float),
        treatment=np.where(rows.treatment == 1, "shown", "control"),
        y=rows.outcome.astype(int),
    )
    return np.asarray(model.predict(later.astype(float))).reshape(-1)


#: Who is compared, by package and name.
PEERS: Final[dict[str, Callable[[Rows, Matrix, int, Mapping[str, Any]], Array]]] = {
    "econml DRLearner": _econml("DRLearner"),
    "econml LinearDRLearner": _econml("LinearDRLearner"),
    "econml NonParamDML": _econml("NonParamDML"),
    "econml CausalForestDML": _econml("CausalForestDML"),
    "causalml BaseXRegressor": _causalml("BaseXRegressor"),
    "causalml BaseRRegressor": _causalml("BaseRRegressor"),
    "causalml BaseDRRegressor": _causalml("BaseDRRegressor"),
    "causalml UpliftRandomForest": _causalml_forest,
}


def peer_estimate(
    name: str,
    rows: Rows,
    later: Matrix,
    *,
    seed: int,
    settings: Mapping[str, Any] | None = None,
) -> Array:
    """Fit one of them and predict other rows.

    Parameters
    ----------
    name : str
        One of `PEERS`.
    rows : Rows
        Training rows.
    later : numpy.ndarray
        Features to predict, shape (n_rows, n_features).
    seed : int
        Of its draws.
    settings : mapping, optional
        Settings of the LightGBM models inside; LightGBM's own defaults without.

    Returns
    -------
    numpy.ndarray
        Estimated uplift, shape (n_rows,).
    """
    with _quiet():
        return PEERS[name](rows, later, seed, settings or {})


@contextmanager
def _quiet() -> Iterator[None]:
    """They warn of names that arrays do not have, and of what their own packages deprecate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
