from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold

from causal_ranker.errors import OverlapError, RowError, SchemaError
from causal_ranker.uplift.held_out import HeldOutScores, held_out_scores
from causal_ranker.uplift.nuisance import Nuisances
from tests.uplift.worlds import NUISANCE, draw

TRUTH = draw(8, n=4_000)
ROWS = TRUTH.rows
USER = ROWS.user
FOLDS = list(GroupKFold(2).split(ROWS.features, groups=USER))


def score(**changed: Any) -> HeldOutScores:
    given: dict[str, Any] = {
        "treatment": ROWS.treatment,
        "user": USER,
        "folds": FOLDS,
        "config": NUISANCE,
        "propensity": TRUTH.propensity,
        **changed,
    }
    x, y = given.pop("X", ROWS.features), given.pop("y", ROWS.outcome)
    return held_out_scores(x, y, **given)


def test_each_row_is_scored_by_models_of_its_folds_training_rows() -> None:
    found = score(propensity=None)
    for train, test in FOLDS:
        models = Nuisances(config=NUISANCE, seed=0).fit(ROWS.take(train))
        rows = ROWS.take(test)
        e = models.propensity(rows.features, rows.user, logged=rows.propensity)
        mu0, mu1 = models.arms(rows.features)
        t, y = rows.treatment, rows.outcome
        gamma = mu1 - mu0 + (t - e) / (e * (1 - e)) * (y - np.where(t == 1, mu1, mu0))
        np.testing.assert_allclose(found.gamma[test], gamma)
        np.testing.assert_allclose(found.propensity[test], e)
        np.testing.assert_allclose(found.outcome[test], e * mu1 + (1 - e) * mu0)


def test_outcomes_of_a_test_fold_move_nothing_but_their_own_rows() -> None:
    """No model of a fold has seen its users: other outcomes there leave every model as it was."""
    _, test = FOLDS[0]
    changed = ROWS.outcome.copy()
    changed[test[:300]] = 1 - changed[test[:300]]
    before, after = score(), score(y=changed)
    others = test[300:]
    np.testing.assert_array_equal(after.gamma[others], before.gamma[others])
    np.testing.assert_array_equal(after.propensity[test], before.propensity[test])
    np.testing.assert_array_equal(after.outcome[test], before.outcome[test])
    # they are training rows of the other fold
    assert (after.outcome[FOLDS[0][0]] != before.outcome[FOLDS[0][0]]).any()


@pytest.mark.parametrize("logged", [True, False])
def test_the_average_is_the_effect(logged: bool) -> None:
    found = score(propensity=TRUTH.propensity if logged else None)
    noise = found.gamma.std() / np.sqrt(len(ROWS))
    assert abs(found.gamma.mean() - TRUTH.tau.mean()) < 4 * noise
    assert TRUTH.naive - TRUTH.tau.mean() > 4 * noise
    if logged:
        np.testing.assert_array_equal(found.propensity, TRUTH.propensity)


@pytest.mark.parametrize("kind", ["count", "continuous"])
def test_other_kinds_of_outcome(kind: Any) -> None:
    y = ROWS.outcome * 3.0
    found = score(y=y, config=NUISANCE.model_copy(update={"kind": kind}))
    noise = found.gamma.std() / np.sqrt(len(ROWS))
    assert abs(found.gamma.mean() - 3 * TRUTH.tau.mean()) < 4 * noise


def test_rows_in_no_test_fold_have_no_score() -> None:
    train, test = FOLDS[0]
    found = score(folds=[(train, test)])
    for values in found.metadata.values():
        assert np.isnan(values[train]).all()
        assert np.isfinite(values[test]).all()


def test_tables_with_categories_and_weights() -> None:
    table = pd.DataFrame(ROWS.features, columns=["a", "b", "c", "d"])
    table["device"] = np.where(table["a"] > 0, "tv", "web")
    weight = np.random.default_rng(1).uniform(1, 3, len(ROWS))
    one, other = score(X=table, sample_weight=weight), score(X=table)
    assert (one.outcome != other.outcome).any()
    assert abs(one.gamma.mean() - TRUTH.tau.mean()) < 0.08


def test_users_on_both_sides_are_refused() -> None:
    folds = list(KFold(2, shuffle=True, random_state=1).split(ROWS.features))
    with pytest.raises(RowError, match=r"users in both, e\.g\. \[.*by user: GroupKFold"):
        score(folds=folds)
    train, test = FOLDS[0]
    with pytest.raises(RowError, match="1 users in both"):
        score(folds=[(np.concatenate([train, test[:1]]), test)])


def test_rows_in_two_test_folds_are_refused() -> None:
    with pytest.raises(SchemaError, match="rows in two"):
        score(folds=[*FOLDS, FOLDS[0]])


def test_columns_are_checked() -> None:
    for name in ("y", "treatment", "user", "propensity", "sample_weight"):
        with pytest.raises(SchemaError, match="4000 rows"):
            score(**{name: np.full(7, 1)})
    with pytest.raises(RowError, match="treatment"):
        score(treatment=np.full(len(ROWS), 2))
    with pytest.raises(OverlapError):
        score(propensity=np.where(np.arange(len(ROWS)) == 3, 1.0, 0.5))
