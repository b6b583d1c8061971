"""LightGBM as scikit-learn estimators, for packages that want those: the trees are ours."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from causal_ranker._extras import needs_openmp
from causal_ranker.boosting import BoostConfig, Objective
from causal_ranker.errors import ConfigError

if TYPE_CHECKING:
    import lightgbm

__all__ = ["is_lightgbm", "lightgbm_arguments", "lightgbm_regressor", "with_categories"]


def lightgbm_arguments(config: BoostConfig, *, seed: int) -> dict[str, Any]:
    """Return what ``LGBMRegressor`` and ``LGBMClassifier`` call the settings of our trees.

    Parameters
    ----------
    config : BoostConfig
        Trees and shrinkage.
    seed : int
        Decides the feature draws.

    Returns
    -------
    dict of str to object
        Keyword arguments that give the trees of `causal_ranker.boosting.fit_trees`, bit by bit.

    Raises
    ------
    ConfigError
        If features are to be monotone: other packages hand columns over without their names.
    """
    if config.monotone:
        raise ConfigError(
            expected="no monotone features in a learner of another package",
            came=f"monotone = {dict(config.monotone)}",
            do="Leave monotone out, or take one of our learners.",
        )
    return {
        "n_estimators": config.rounds,
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_child_samples": config.min_rows_leaf,
        "colsample_bytree": config.feature_share,
        "reg_lambda": config.l2,
        "max_bin": config.bins,
        "cat_l2": config.category_l2,
        "cat_smooth": config.category_smoothing,
        "linear_tree": config.linear,
        "linear_lambda": config.linear_l2,
        "feature_pre_filter": False,
        "random_state": seed,
        # As many threads as ours have: linear leaves depend on their number in the last bit.
        "n_jobs": 0,
        "deterministic": True,
        "force_col_wise": True,
        "verbose": -1,
    }


def lightgbm_regressor(
    config: BoostConfig, *, objective: Objective, seed: int
) -> lightgbm.LGBMRegressor:
    """Return an unfitted model of a mean: a probability, a count or an amount.

    Parameters
    ----------
    config : BoostConfig
        Trees and shrinkage.
    objective : {"binary", "poisson", "regression"}
        Log-loss, Poisson loss or squared error. By log-loss a regressor predicts the probability,
        so that one kind of model does for every kind of outcome.
    seed : int
        Decides the feature draws.

    Returns
    -------
    lightgbm.LGBMRegressor
        Not fitted.
    """
    with needs_openmp():
        import lightgbm

    return lightgbm.LGBMRegressor(objective=objective, **lightgbm_arguments(config, seed=seed))


def is_lightgbm(model: Any) -> bool:
    """Say whether a model is one of LightGBM's scikit-learn estimators.

    Parameters
    ----------
    model : object
        Anything.

    Returns
    -------
    bool
        True for ``LGBMRegressor``, ``LGBMClassifier`` and what derives from them.
    """
    with needs_openmp():
        import lightgbm

    return isinstance(model, lightgbm.LGBMModel)


def with_categories(model: Any, places: Sequence[int]) -> Any:
    """Tell a LightGBM estimator which of its columns hold category codes.

    Parameters
    ----------
    model : lightgbm.LGBMModel
        Not fitted; not changed.
    places : sequence of int
        Positions of the columns.

    Returns
    -------
    lightgbm.LGBMModel
        A copy that splits those columns by category.
    """
    # The alias: under its own name LightGBM takes the setting and says that it was ignored.
    return copy.deepcopy(model).set_params(cat_feature=list(places)) if places else model
