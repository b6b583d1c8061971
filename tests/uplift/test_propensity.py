"""Propensities across folds of users *and* of the units at which treatment was assigned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import EmptyError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.propensity import CrossFitPropensity
from tests.uplift.worlds import draw

NAMES = ("brand", "price", "season", "age")
EAGER = BoostConfig(rounds=30, learning_rate=0.1, leaves=31, min_rows_leaf=20, feature_share=1.0)


def promotions(*, users: int = 120, units: int = 60, seed: int = 0) -> Rows:
    """Draw a coin per promotion: everybody meets it, and can tell it by its features."""
    rng = np.random.default_rng(seed)
    shown = rng.random(units) < 0.4
    user, unit = np.repeat(np.arange(users), units), np.tile(np.arange(units), users)
    n = len(user)
    traits = rng.normal(size=(units, 3))
    return Rows(
        features=np.column_stack([traits[unit], rng.normal(size=n)]).astype(np.float32),
        treatment=shown[unit].astype(np.int8),
        outcome=rng.integers(0, 2, n).astype(np.int8),
        weight=np.ones(n),
        user=user,
        unit=unit,
        propensity=np.full(n, np.nan),
        names=NAMES,
    )


def model(
    rows: Rows, *, allowed: tuple[str, ...] | None = None, folds: int = 2
) -> CrossFitPropensity:
    return CrossFitPropensity(
        config=EAGER,
        folds=folds,
        allowed=allowed,
        seed=1,
    ).fit(rows)


def estimate(rows: Rows, *, folds: int = 2) -> NDArray[np.float64]:
    return model(rows, folds=folds).cross_fitted(rows)


def knows(rows: Rows, *, folds: int = 2) -> float:
    """How far the estimates tell the coins that fell from those that did not."""
    found = estimate(rows, folds=folds)
    shown = rows.treatment == 1
    return float(found[shown].mean() - found[~shown].mean())


@pytest.mark.parametrize("folds", [2, 3])
def test_a_promotion_is_not_looked_up_among_other_users(folds: int) -> None:
    """A fair coin cannot be predicted: over many worlds the estimates lean to neither side."""
    leaning = [knows(promotions(seed=seed), folds=folds) for seed in range(6)]
    assert abs(np.mean(leaning)) < 0.15


def test_folds_of_users_alone_would_look_it_up() -> None:
    """The leak is there to be found: without folds of units the same model is certain."""
    for seed in range(3):
        rows = promotions(seed=seed)
        leaky = replace(rows, unit=rows.user)
        assert knows(leaky) > 0.8
        assert np.corrcoef(estimate(leaky), rows.treatment)[0, 1] > 0.99


def test_flipping_a_unit_moves_others_and_not_itself() -> None:
    rows = promotions(users=60)
    before = estimate(rows)
    for unit in range(4):
        mine = rows.unit == unit
        flipped = np.where(mine, 1 - rows.treatment, rows.treatment)
        moved = estimate(replace(rows, treatment=flipped)) != before
        assert not moved[mine].any()
        assert moved[~mine].any()


def test_flipping_a_user_moves_others_and_not_himself() -> None:
    rows = promotions(users=60)
    before = estimate(rows)
    for user in range(4):
        mine = rows.user == user
        flipped = np.where(mine, 1 - rows.treatment, rows.treatment)
        moved = estimate(replace(rows, treatment=flipped)) != before
        assert not moved[mine].any()
        assert moved[~mine].any()


def test_later_units_are_judged_by_all_models_that_did_not_see_the_user() -> None:
    rows = promotions(users=60)
    fitted = model(rows)
    for user in range(4):
        mine = rows.user == user
        flipped = replace(rows, treatment=np.where(mine, 1 - rows.treatment, rows.treatment))
        one, other = (each.predict(rows.features, rows.user) for each in (fitted, model(flipped)))
        np.testing.assert_array_equal(one[mine], other[mine])
        assert (one[~mine] != other[~mine]).any()


def test_it_finds_the_propensities_of_a_confounded_world() -> None:
    truth = draw(31, n=16_000)
    smooth = BoostConfig(rounds=40, leaves=8, min_rows_leaf=100)
    found = (
        CrossFitPropensity(config=smooth, folds=2, seed=0).fit(truth.rows).cross_fitted(truth.rows)
    )
    assert np.corrcoef(found, truth.propensity)[0, 1] > 0.95
    for low in (0.1, 0.3, 0.5, 0.7):  # calibrated, two-sided
        here = (found >= low) & (found < low + 0.2)
        share = truth.rows.treatment[here].mean()
        assert share == pytest.approx(found[here].mean(), abs=4 * np.sqrt(0.25 / here.sum()))


def test_weights_enter() -> None:
    """Shown rows of weight nine: odds of one become odds of nine."""
    rows = draw(32).rows
    heavy = replace(rows, weight=np.where(rows.treatment == 1, 9.0, 1.0))
    odds = [found / (1 - found) for found in (estimate(heavy), estimate(rows))]
    assert np.median(odds[0] / odds[1]) == pytest.approx(9, rel=0.3)


def test_only_the_given_columns_are_read() -> None:
    rows = promotions(users=40)
    fitted = model(rows, allowed=("price", "age"))
    noise = rows.features.copy()
    noise[:, [0, 2]] = np.nan
    np.testing.assert_array_equal(
        fitted.predict(noise, rows.user), fitted.predict(rows.features, rows.user)
    )


def test_ids_may_be_strings() -> None:
    rows = promotions(users=40)
    named = replace(
        rows,
        user=np.array([f"u{u}" for u in rows.user], dtype=object),
        unit=np.array([f"p{u}" for u in rows.unit], dtype=object),
    )
    assert abs(knows(named)) < 0.3
    assert knows(replace(named, unit=named.user)) > 0.8


def test_too_few_units_are_refused() -> None:
    """One user fold and one unit fold leave nothing to learn from."""
    rows = promotions(users=1, units=2)
    with pytest.raises(EmptyError, match="1 users and 2 units"):
        model(rows)


@pytest.mark.parametrize("alike", [1, 40])
def test_repeated_rows_are_judged_as_rows_of_their_own(alike: int) -> None:
    # Many equal rows are scored once for all folds, few of them fold by fold: the same estimate.
    rows = promotions()
    fitted = model(rows)
    later = np.repeat(promotions(users=5, seed=3).features, alike, axis=0)
    user = np.arange(len(later)) % 7
    found = fitted.predict(later, user)
    one_by_one = [
        fitted.predict(later[[i]], user[[i]])[0] for i in range(0, len(later), len(later) // 50)
    ]
    np.testing.assert_array_equal(found[:: len(later) // 50], one_by_one)
