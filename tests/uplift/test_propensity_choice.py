"""Kinds of propensity model: compared out of fold, calibrated, and nobody is judged by himself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.stats.logistic import fit_logistic
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.crossfit import FoldCells
from causal_ranker.uplift.nuisance import NuisanceConfig
from causal_ranker.uplift.propensity import CrossFitPropensity
from tests.uplift.test_propensity import promotions

Array = NDArray[np.float64]
KINDS = ("boosted", "logistic", "elastic net")
TREES = BoostConfig(rounds=40, learning_rate=0.1, leaves=8, min_rows_leaf=50, feature_share=1.0)
EAGER = BoostConfig(rounds=40, learning_rate=0.3, leaves=31, min_rows_leaf=3, feature_share=1.0)


def world(
    odds: Callable[[Array], Array], *, n: int = 12_000, seed: int = 0, per_user: int = 4
) -> tuple[Rows, Array]:
    """Rows whose treatment has these log odds, and the true propensities."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    e = 1 / (1 + np.exp(-odds(x.astype(np.float64))))
    user = np.arange(n) // per_user
    return Rows(
        features=x,
        treatment=(rng.random(n) < e).astype(np.int8),
        outcome=np.zeros(n, dtype=np.int8),
        weight=np.ones(n),
        user=user,
        unit=user,
        propensity=np.full(n, np.nan),
        names=tuple(f"x{place}" for place in range(5)),
    ), e


def straight(x: Array) -> Array:
    return 0.3 + 0.8 * x[:, 0] - 0.5 * x[:, 1]


def steps(x: Array) -> Array:
    return np.where((x[:, 0] > 0) ^ (x[:, 1] > 0.5), 1.2, -1.2)


def fitted(rows: Rows, **settings: Any) -> CrossFitPropensity:
    plain = {"config": TREES, "folds": 2, "kinds": KINDS, "calibrated": True, "seed": 1}
    return CrossFitPropensity(**(plain | settings)).fit(rows)


def losses(e: Array, rows: Rows) -> Array:
    return -np.log(np.where(rows.treatment == 1, e, 1 - e))


@pytest.mark.parametrize(
    ("odds", "winners"), [(straight, {"logistic", "elastic net"}), (steps, {"boosted"})]
)
def test_the_kind_that_fits_the_world_wins_and_comes_near_the_truth(
    odds: Callable[[Array], Array], winners: set[str]
) -> None:
    rows, e = world(odds)
    model = fitted(rows)
    assert [trial.kind for trial in model.trials] == list(KINDS)
    best = min(model.trials, key=lambda trial: trial.log_loss)
    assert best.kind in winners
    found = model.cross_fitted(rows)
    gap = losses(found, rows) - losses(e, rows)
    # What is told is what is used: all rows are read here, and calibrated.
    assert best.log_loss == pytest.approx(losses(found, rows).mean(), abs=1e-12)
    error = gap.std() / np.sqrt(len(gap))
    assert -3 * error < gap.mean() < 0.01
    others = [trial.log_loss for trial in model.trials if trial.kind not in winners]
    assert min(others) > best.log_loss + 0.001
    assert np.abs(found - e).mean() < 0.035


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", ["user", "unit"])
def test_flipping_one_moves_others_and_not_himself(kind: str, who: str) -> None:
    """Models and calibrators: neither a user's rows nor a unit's say anything about themselves."""
    rows = promotions(users=40, units=40)
    quick = BoostConfig(rounds=8, leaves=6, min_rows_leaf=20, feature_share=1.0)
    settings: dict[str, Any] = {"kinds": (kind,), "config": quick}
    before = fitted(rows, **settings).cross_fitted(rows)
    for one in range(6):
        mine = getattr(rows, who) == one
        flipped = replace(rows, treatment=np.where(mine, 1 - rows.treatment, rows.treatment))
        moved = fitted(flipped, **settings).cross_fitted(rows) != before
        assert not moved[mine].any()
        assert moved[~mine].any()


@pytest.mark.parametrize("kind", KINDS)
def test_later_rows_of_a_user_are_judged_by_others(kind: str) -> None:
    rows = promotions(users=40, units=40)
    before = fitted(rows, kinds=(kind,)).predict(rows.features, rows.user)
    for user in range(4):
        mine = rows.user == user
        flipped = replace(rows, treatment=np.where(mine, 1 - rows.treatment, rows.treatment))
        moved = fitted(flipped, kinds=(kind,)).predict(rows.features, rows.user) != before
        assert not moved[mine].any()
        assert moved[~mine].any()


def coins(*, users: int = 1_500) -> Rows:
    """A fair coin for each user, who can be told by his features."""
    rows, _ = world(lambda x: np.zeros(len(x)), n=4 * users, seed=2)
    rng = np.random.default_rng(3)
    coin, name = rng.integers(0, 2, users), rng.normal(size=(users, 5))
    return replace(
        rows,
        treatment=coin[rows.user].astype(np.int8),
        features=name[rows.user].astype(np.float32),
    )


def test_a_model_that_learns_users_by_heart_is_found_out() -> None:
    """Out of fold a fair coin costs log 2; without the guard the trees would seem to know it."""
    rows = coins()
    raw = fitted(rows, kinds=("boosted",), config=EAGER, calibrated=False)
    assert raw.trials[0].log_loss > 0.8  # certain, and wrong
    mended = fitted(rows, kinds=("boosted",), config=EAGER)
    assert np.log(2) - 0.01 < mended.trials[0].log_loss < np.log(2) + 0.02
    assert np.abs(mended.cross_fitted(rows) - 0.5).mean() < 0.05


def test_without_the_guard_it_would_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = coins()
    monkeypatch.setattr(FoldCells, "held_out", lambda cells, f, g: cells.user_fold < 0)
    seen = fitted(rows, kinds=("boosted",), config=EAGER)
    assert seen.trials[0].log_loss < 0.2


def slope(estimate: Array, rows: Rows) -> float:
    """Of the treatment's log odds on those of the estimate: below 1 it is too sure of itself."""
    odds = np.log(estimate / (1 - estimate))
    design = np.column_stack([np.ones(len(odds)), odds])
    t = rows.treatment.astype(np.float64)
    found = fit_logistic(design, t, weight=rows.weight, l2=np.full(2, 1e-9))
    return float(found[1])


def test_calibration_mends_trees_that_are_too_sure() -> None:
    rows, _ = world(straight, seed=4)
    settings: dict[str, Any] = {"kinds": ("boosted",), "config": EAGER}
    sure = fitted(rows, calibrated=False, **settings)
    mended = fitted(rows, **settings)
    assert slope(sure.cross_fitted(rows), rows) < 0.7
    assert slope(mended.cross_fitted(rows), rows) == pytest.approx(1, abs=0.06)
    assert mended.trials[0].log_loss < sure.trials[0].log_loss - 0.01
    # Later rows, of users and units that were not there, get it too.
    later, _ = world(straight, seed=5)
    user = later.user + 10**6
    assert slope(sure.predict(later.features, user), later) < 0.7
    found = mended.predict(later.features, user)
    assert slope(found, later) == pytest.approx(1, abs=0.12)
    assert found.mean() == pytest.approx(later.treatment.mean(), abs=0.02)


def test_weights_enter_every_kind() -> None:
    """Treated rows kept at a third, with weight three, give the odds of all rows."""
    rows, e = world(straight, n=24_000, seed=6)
    kept = (rows.treatment == 0) | (np.random.default_rng(0).random(len(rows)) < 1 / 3)
    part = rows.take(kept)
    weighted = replace(part, weight=np.where(part.treatment == 1, 3.0, 1.0))
    for kind in KINDS:
        for calibrated in (False, True):
            right, wrong = (
                fitted(each, kinds=(kind,), calibrated=calibrated).cross_fitted(part)
                for each in (weighted, part)
            )
            assert (right - e[kept]).mean() == pytest.approx(0, abs=0.02), (kind, calibrated)
            assert (wrong - e[kept]).mean() < -0.15, (kind, calibrated)


@pytest.mark.parametrize("kind", KINDS)
def test_swapped_arms_have_swapped_propensities(kind: str) -> None:
    rows, _ = world(steps, n=3_000)
    swapped = replace(rows, treatment=1 - rows.treatment)
    one, other = (fitted(each, kinds=(kind,)).cross_fitted(rows) for each in (rows, swapped))
    np.testing.assert_allclose(one, 1 - other, atol=1e-7)


def test_the_order_of_rows_changes_nothing_where_users_are_drawn() -> None:
    rows, _ = world(straight, n=9_000)
    order = np.random.default_rng(0).permutation(len(rows))
    settings: dict[str, Any] = {"kinds": ("logistic", "elastic net"), "sample_rows": 2_000}
    one, other = fitted(rows, **settings), fitted(rows.take(order), **settings)
    np.testing.assert_allclose(
        one.cross_fitted(rows)[order], other.cross_fitted(rows.take(order)), atol=1e-9
    )
    whole = fitted(rows, kinds=("logistic",))
    assert np.abs(one.cross_fitted(rows) - whole.cross_fitted(rows)).mean() > 1e-4  # it drew some


def test_a_draw_has_whole_users_of_every_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = world(straight, n=9_000, per_user=9)
    drawn = []
    whole = CrossFitPropensity._drawn

    def spy(self: CrossFitPropensity, user: Any, fold: Any) -> Any:
        drawn.append((whole(self, user, fold), fold))
        return drawn[0][0]

    monkeypatch.setattr(CrossFitPropensity, "_drawn", spy)
    fitted(rows, kinds=("logistic",), sample_rows=2_000, folds=3)
    sample, fold = drawn[0]
    users, count = np.unique(rows.user[sample], return_counts=True)
    assert (count == 9).all()
    assert 200 < len(users) < 240
    assert (np.bincount(fold[sample], minlength=3) >= 2_000 // 3).all()


def test_holes_and_categories_are_for_linear_models_too() -> None:
    """Treated where a value is missing, and in one level: no kind may need more than that."""
    rows, _ = world(lambda x: np.zeros(len(x)), n=8_000)
    rng = np.random.default_rng(1)
    x = rows.features.copy()
    x[rng.random(len(x)) < 0.3, 0] = np.nan
    x[:, 1] = rng.integers(0, 8, len(x))
    odds = -0.5 + 2.0 * np.isnan(x[:, 0]) + 1.5 * (x[:, 1] == 5)
    e = 1 / (1 + np.exp(-odds))
    rows = replace(
        rows,
        features=x,
        categorical=("x1",),
        treatment=(rng.random(len(x)) < e).astype(np.int8),
    )
    for kind, least in (("logistic", 0.97), ("elastic net", 0.9)):
        found = fitted(rows, kinds=(kind,)).cross_fitted(rows)
        assert np.corrcoef(found, e)[0, 1] > least, kind


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_to_hold_some_out_are_refused(kind: str) -> None:
    with pytest.raises(EmptyError, match="1 users and 2 units"):
        fitted(promotions(users=1, units=2), kinds=(kind,))


def test_settings_name_known_kinds() -> None:
    assert set(NuisanceConfig().propensity_kinds) == set(KINDS)
    for bad in ((), ("forest",)):
        with pytest.raises(ConfigError, match="propensity_kinds"):
            NuisanceConfig(propensity_kinds=bad)
