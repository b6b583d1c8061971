"""What moves uplift: each feature's share of a prediction, and what is lost without the feature.

The first asks the model, the second the rows. SHAP values split one prediction among its features
(Lundberg et al., 2020, "From local explanations to global understanding with explainable AI for
trees", Nature Machine Intelligence 2); they say what the model uses, right or wrong. Permutation
importance says how much worse the uplift fits the doubly robust scores when a feature is of
another row (Breiman, 2001, "Random forests", Machine Learning 45). Neither says that changing the
feature would change the uplift.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, NotFittedError
from causal_ranker.stats._arrays import float_vector, positive_count, same_size
from causal_ranker.stats.intervals import Interval, clustered_mean
from causal_ranker.uplift.base import Predicts, Rows

if TYPE_CHECKING:
    import lightgbm

__all__ = ["Contributions", "Driver", "permutation_importance", "shap_values"]


@dataclass(frozen=True)
class Driver:
    """What one feature does to uplift, over many rows.

    Attributes
    ----------
    name : str
        The feature.
    size : float
        Weighted mean of the absolute contribution, in plays per impression.
    direction : float
        Weighted correlation of the feature's value with its contribution, in [-1, 1], where it is
        not missing; NaN for a category, a constant, or a feature that is not used.
    """

    name: str
    size: float
    direction: float


@dataclass(frozen=True)
class Contributions:
    """Predictions split among the features.

    Attributes
    ----------
    names : tuple of str
        The features.
    values : numpy.ndarray
        Shape (n_rows, n_features), in plays per impression. A row's values and `base` add up to
        its predicted uplift.
    base : float
        Mean prediction over the rows that the model was fitted on, each counted once.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    base: float

    def drivers(
        self,
        features: NDArray[np.float32],
        *,
        weight: NDArray[np.float64],
        categorical: tuple[str, ...] = (),
    ) -> list[Driver]:
        """Sum the contributions up, the largest first.

        Parameters
        ----------
        features : numpy.ndarray
            The rows that were explained, shape (n_rows, n_features).
        weight : numpy.ndarray
            Analysis weights, shape (n_rows,).
        categorical : tuple of str
            Features whose values have no order.

        Returns
        -------
        list of Driver
            One entry a feature.
        """
        drivers = [
            Driver(
                name,
                float(np.average(np.abs(self.values[:, place]), weights=weight)),
                float("nan")
                if name in categorical
                else _correlation(features[:, place], self.values[:, place], weight),
            )
            for place, name in enumerate(self.names)
        ]
        return sorted(drivers, key=lambda driver: -driver.size)


def shap_values(
    model: Predicts, features: NDArray[np.float32], *, names: tuple[str, ...]
) -> Contributions:
    """Split predictions of a learner that is one LightGBM model, by exact TreeSHAP.

    Parameters
    ----------
    model : Predicts
        A fitted DR-, R- or X-learner, or the student of any other (see
        `causal_ranker.uplift.distill`).
    features : numpy.ndarray
        Rows to explain, shape (n_rows, n_features).
    names : tuple of str
        Names of the features.

    Returns
    -------
    Contributions
        One value a row and feature.

    Raises
    ------
    ConfigError
        If the learner is not made of one model whose trees have constant leaves.
    NotFittedError
        If the learner was not fitted.
    """
    arms = getattr(model, "arms_", None)
    if arms is None:
        split = _split(_one_booster(model), features)
    else:
        control, treated = (_split(booster, features) for booster in arms)
        split = treated - control
    # Every row has the same last value; without rows there is none to read it from.
    base = float(split[0, -1]) if len(split) else float("nan")
    return Contributions(names, split[:, :-1], base)


def permutation_importance(
    model: Predicts,
    rows: Rows,
    *,
    scores: NDArray[np.float64],
    names: Collection[str] | None = None,
    repeats: int = 5,
    seed: int,
) -> dict[str, Interval]:
    """Measure by how much a model misses more when a feature's values come from other rows.

    The loss is the weighted mean squared distance of predicted uplift from the doubly robust
    scores, whose differences are differences in mean squared error of the uplift. Values are
    drawn from all rows, users apart or not, each as often as its weight says, so that the feature
    keeps its distribution and nothing else. Intervals are for this model, clustered by user, and
    by unit of assignment where that differs.

    Parameters
    ----------
    model : Predicts
        Any fitted learner.
    rows : Rows
        Rows that the model was not fitted on.
    scores : numpy.ndarray
        Their doubly robust scores, finite, shape (n_rows,): leave out rows without overlap.
    names : collection of str, optional
        Features to ask about; all by default.
    repeats : int
        Draws to average over.
    seed : int
        Decides the draws.

    Returns
    -------
    dict of str to Interval
        Rise of the loss by feature with its 95 % interval, in squared plays per impression, the
        largest first; near 0 where the model does not need the feature, and below where the
        feature misleads it.

    Raises
    ------
    RowError
        If a score is not finite, or there is only one user.
    """
    gamma = float_vector(scores, name="scores")
    same_size(len(rows), scores=gamma)
    positive_count(repeats, name="repeats")
    plain = model.predict(rows.features).point
    second = None if np.array_equal(rows.unit, rows.user) else rows.unit
    matrix = rows.features.copy()
    rises = {}
    for place, name in enumerate(rows.names):
        if names is not None and name not in names:
            continue
        # Each feature has its own draws, whichever others there are.
        rng = np.random.default_rng([seed, place])
        rise = np.zeros(len(rows))
        for _ in range(repeats):
            matrix[:, place] = rows.features[_donors(rows.weight, rng), place]
            other = model.predict(matrix).point
            # (gamma - other)^2 - (gamma - plain)^2, without the digits that cancel.
            rise += (other - plain) * (other + plain - 2 * gamma)
        matrix[:, place] = rows.features[:, place]
        rises[name] = clustered_mean(
            rise / repeats, rows.user, second_cluster=second, weights=rows.weight
        )
    return dict(sorted(rises.items(), key=lambda pair: -pair[1].point))


def _one_booster(model: Predicts) -> lightgbm.Booster:
    if not hasattr(model, "model_"):
        raise ConfigError(
            expected="a learner that is one LightGBM model",
            came=type(model).__name__,
            do="Explain its student: distill(model, rows, ...).",
        )
    booster: lightgbm.Booster | None = model.model_
    if booster is None:
        raise NotFittedError(expected="a fitted learner", came="none", do="Call fit(rows) first.")
    return booster


def _split(booster: lightgbm.Booster, features: NDArray[np.float32]) -> NDArray[np.float64]:
    if "is_linear=1" in booster.model_to_string(num_iteration=1):
        raise ConfigError(
            expected="trees with constant leaves, which SHAP values are defined for",
            came="linear leaves",
            do="Fit with linear=False, or explain a student: distill(model, rows, ...).",
        )
    if not len(features):
        return np.empty((0, booster.num_feature() + 1))
    return np.asarray(booster.predict(features, pred_contrib=True), dtype=np.float64)


def _donors(weight: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a row for each row, by weight; with equal weights every row is drawn once."""
    steps = (np.arange(len(weight)) + rng.random()) / len(weight)
    total = np.cumsum(weight)
    drawn = np.searchsorted(total, steps * total[-1])
    return np.asarray(rng.permutation(np.minimum(drawn, len(weight) - 1)), dtype=np.int64)


def _correlation(
    value: NDArray[np.float32], contribution: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    known = np.isfinite(value)
    if not known.any():
        return float("nan")
    x, y, w = value[known].astype(np.float64), contribution[known], weight[known]
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    scale = float(np.sqrt((w @ x**2) * (w @ y**2)))
    return float(w @ (x * y)) / scale if scale else float("nan")
