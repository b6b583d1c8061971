"""Doubly robust scores of held-out folds, to judge models in cross-validation by.

What judges a row of a test fold must have seen no user of that fold: for each fold the propensity
and outcome models are fitted on its training rows alone, as the models to be judged are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.stats._arrays import binary_vector, float_vector, same_size
from causal_ranker.uplift.auto import SMALL_TREES
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.encoding import FeatureEncoder
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances, NuisanceValues

__all__ = ["HeldOutScores", "held_out_scores", "require_new_users"]

Array = NDArray[np.float64]
Fold = tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]


@dataclass(frozen=True)
class HeldOutScores:
    """What scorers need of each row, all of shape (n_rows,); NaN for rows in no test fold.

    Attributes
    ----------
    gamma : numpy.ndarray
        Doubly robust scores, in plays per exposure.
    propensity : numpy.ndarray
        P(T = 1 | X), logged or estimated.
    outcome : numpy.ndarray
        Estimated E[Y | X], both arms together as they come.
    """

    gamma: Array
    propensity: Array
    outcome: Array

    @property
    def metadata(self) -> dict[str, Array]:
        """The same under the names that `causal_ranker.evaluation.scorers.UpliftScorer` takes."""
        return {
            "gamma": self.gamma,
            "held_out_propensity": self.propensity,
            "held_out_outcome": self.outcome,
        }


def held_out_scores(
    X: Any,
    y: ArrayLike,
    *,
    treatment: ArrayLike,
    user: ArrayLike,
    folds: Iterable[Fold],
    propensity: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    config: NuisanceConfig = SMALL_TREES.nuisance,
    categorical_features: Sequence[str | int] | None = None,
    seed: int = 0,
) -> HeldOutScores:
    """Score each row by models of the training rows of the fold that it is held out in.

    Parameters
    ----------
    X : pandas, Polars or Arrow table, or array of shape (n_rows, n_features)
        What was known before t0.
    y : array_like, shape (n_rows,)
        Outcome, of the kind that the config says.
    treatment : array_like of 0 and 1, shape (n_rows,)
        T.
    user : array_like of int or str, shape (n_rows,)
        Ids; no user may be on both sides of a fold.
    folds : iterable of (train, test)
        Positions of rows, as ``list(GroupKFold(5).split(X, y, groups=user))`` gives them. Give the
        same list to ``cross_val_score`` or ``GridSearchCV`` as `cv`.
    propensity : array_like, shape (n_rows,), optional
        Logged P(T = 1), in (0, 1); estimated by default.
    sample_weight : array_like, shape (n_rows,), optional
        Positive analysis weights.
    config : NuisanceConfig
        Models of propensity and outcome, and the kind of outcome.
    categorical_features : sequence of str or int, optional
        As in `UpliftEstimator`.
    seed : int
        Decides feature draws.

    Returns
    -------
    HeldOutScores
        One value of each per row.

    Raises
    ------
    EmptyError
        If an arm has no row in some fold's training rows.
    OverlapError
        If a propensity is 0 or 1.
    RowError
        If a user is in the training and in the test rows of a fold, or a value cannot be.
    SchemaError
        If a row is in two test folds, or columns differ in length.
    """
    encoder = FeatureEncoder(categorical=categorical_features, unseen="raise").fit(X)
    features = encoder.transform(X)
    n = len(features)
    users = np.asarray(user)
    outcome = float_vector(y, name="y")
    treated = binary_vector(treatment, name="treatment").astype(np.int8)
    weight = np.ones(n) if sample_weight is None else float_vector(sample_weight, name="weights")
    logged = np.full(n, np.nan) if propensity is None else float_vector(propensity, name="e")
    same_size(n, y=outcome, treatment=treated, user=users, weights=weight, propensity=logged)
    rows = Rows(
        features=features,
        treatment=treated,
        outcome=outcome,
        weight=weight,
        user=users,
        unit=users,
        propensity=logged,
        names=encoder.names,
        categorical=encoder.categorical,
    )
    found = HeldOutScores(*(np.full(n, np.nan) for _ in range(3)))
    scored = np.zeros(n, dtype=np.bool_)
    for train, test in folds:
        require_new_users(users[test], seen=np.isin(users[test], users[train]))
        _require_new_rows(scored[test])
        values = _values(rows.take(train), rows.take(test), config=config, seed=seed)
        e = values.propensity
        found.gamma[test] = values.scores(treated[test], outcome[test])
        found.propensity[test] = e
        found.outcome[test] = e * values.outcome_treated + (1 - e) * values.outcome_control
        scored[test] = True
    return found


def _values(train: Rows, test: Rows, *, config: NuisanceConfig, seed: int) -> NuisanceValues:
    models = Nuisances(config=config, seed=seed).fit(train)
    control, treated = models.arms(test.features)
    return NuisanceValues(
        propensity=models.propensity(test.features, test.user, logged=test.propensity),
        outcome_treated=treated,
        outcome_control=control,
    )


def require_new_users(user: NDArray[Any], *, seen: NDArray[np.bool_]) -> None:
    """Refuse users who were in training.

    Parameters
    ----------
    user : numpy.ndarray
        Ids of the rows that something is judged on, shape (n_rows,).
    seen : numpy.ndarray
        Whether the user was in training, boolean, shape (n_rows,).

    Raises
    ------
    RowError
        If there is one.
    """
    if seen.any():
        shared = np.unique(user[seen])
        raise RowError(
            expected="test rows of users who are not in the training rows",
            came=f"{shared.size} users in both, e.g. {shared[:3].tolist()}, with {int(seen.sum())} "
            f"of {seen.size} test rows",
            do="Make the folds by user: GroupKFold().split(X, y, groups=user).",
        )


def _require_new_rows(scored: NDArray[np.bool_]) -> None:
    if scored.any():
        raise SchemaError(
            expected="each row in one test fold at most",
            came=f"{int(scored.sum())} rows in two",
            do="Score each repetition of a cross-validation by itself.",
        )
