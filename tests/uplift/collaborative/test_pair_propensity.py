from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, OverlapError, RowError
from causal_ranker.stats.logistic import probability
from causal_ranker.uplift.collaborative import fitted_propensity, logistic_factors
from causal_ranker.uplift.collaborative.fitted_propensity import (
    FittedPropensity,
    PropensityConfig,
    fit_pair_propensity,
    popularity_propensity,
)
from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense
from causal_ranker.uplift.collaborative.logistic_factors import Cells, start_factors
from causal_ranker.uplift.collaborative.pair_propensity import (
    Bend,
    FactorPropensity,
    with_propensity,
)
from causal_ranker.uplift.collaborative.propensities import PAIR_PROPENSITIES, with_propensities

Array = NDArray[np.float64]


class World(NamedTuple):
    p: Array
    exposed: NDArray[np.bool_]

    @property
    def interactions(self) -> Interactions:
        return from_dense(self.exposed, self.exposed)

    def excess(self, chance: Array) -> float:
        """Expected log-loss of a pair above that of the truth, in nats."""
        p = self.p
        gap = p * np.log(p / chance) + (1 - p) * np.log((1 - p) / (1 - chance))
        return float(gap.mean())


@cache
def grocery(seed: int = 0, users: int = 500, items: int = 350) -> World:
    """What an item is promoted, times what a user visits, times three tastes of stores."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 0.7, (users, 1)) + rng.normal(0, 1.2, items) - 3.0
    odds = odds + 0.5 * rng.normal(size=(users, 3)) @ rng.normal(size=(3, items))
    p = probability(odds)
    return World(p, rng.random(p.shape) < p)


@cache
def films(seed: int = 0, users: int = 500, items: int = 350) -> World:
    """Thirty recommendations a user, falling as 1/rank of a taste of four factors."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=items) + 0.7 * rng.normal(size=(users, 4)) @ rng.normal(size=(4, items))
    share = 1.0 / (1 + np.argsort(np.argsort(-taste, axis=1), axis=1))
    p = np.minimum(0.97, 30 * share / share.sum(axis=1, keepdims=True))
    return World(p, rng.random(p.shape) < p)


@cache
def fitted(name: str) -> FittedPropensity:
    world = grocery() if name == "grocery" else films()
    return fit_pair_propensity(world.interactions)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("grocery", 0.004, 0.012), ("films", 0.01, 0.025)]
)
def test_fitted_ones_are_nearer_to_the_truth_than_popularity(
    name: str, low: float, high: float
) -> None:
    world = grocery() if name == "grocery" else films()
    every = np.arange(500)
    found = world.excess(fitted(name).of_users(every))
    popular = world.excess(popularity_propensity(world.interactions).of_users(every))
    assert low < found < high
    assert found < 0.5 * popular
    constant = world.excess(np.full(world.p.shape, world.exposed.mean()))
    assert popular < 0.9 * constant


@pytest.mark.parametrize("name", ["grocery", "films"])
def test_as_much_is_predicted_as_was_shown_and_groups_of_pairs_are_right(name: str) -> None:
    world, model = (grocery() if name == "grocery" else films()), fitted(name)
    chance = model.of_users(np.arange(500))
    assert model.observed == world.exposed.mean()
    assert chance.mean() == pytest.approx(world.exposed.mean(), rel=1e-8)
    assert 0 < chance.min() < chance.max() < 1
    order = np.argsort(chance, axis=None)
    for part in np.array_split(order, 10)[3:]:
        ratio = chance.ravel()[part].mean() / world.p.ravel()[part].mean()
        assert 0.8 < ratio < 1.25


@pytest.mark.parametrize("name", ["grocery", "films"])
def test_log_losses_are_those_of_pairs_left_out(name: str) -> None:
    """By the truth of as many pairs: the expected log-loss of the truth is a little below."""
    world, model = (grocery() if name == "grocery" else films()), fitted(name)
    p = world.p
    truth = float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).mean())
    assert model.left_out == pytest.approx(0.0952 * p.size, rel=0.02)
    noise = 4 * np.sqrt(np.mean(p * (1 - p) * np.log(p / (1 - p)) ** 2) / model.left_out)
    assert truth - noise < model.held_out_log_loss < truth + 0.03 + noise
    assert model.held_out_log_loss < model.held_out_popularity - 0.005


def test_a_bend_calibrates_what_a_straight_line_cannot() -> None:
    world = films()
    straight = fit_pair_propensity(world.interactions, config=PropensityConfig(knots=0))
    every = np.arange(500)
    bent = world.excess(fitted("films").of_users(every))
    assert bent < 0.95 * world.excess(straight.of_users(every))


def test_factors_that_are_not_needed_are_dropped() -> None:
    assert 4 <= fitted("grocery").user.shape[1] <= 8  # of 17, with the intercept
    rng = np.random.default_rng(0)
    p = probability(rng.normal(size=(300, 1)) + rng.normal(size=200) - 2)
    world = World(p, rng.random(p.shape) < p)
    model = fit_pair_propensity(world.interactions)
    assert model.user.shape[1] <= 2
    # 500 intercepts cost half a nat each, of 60,000 pairs
    assert 0.003 < world.excess(model.of_users(np.arange(300))) < 0.006


def test_steps_end_where_the_penalised_slopes_are_zero() -> None:
    """Without uncertainty and with priors held still, that is the penalised likelihood's best."""
    world = grocery(1, users=60, items=50)
    model = start_factors(60, 50, level=-2.0, factors=2, rng=np.random.default_rng(0))
    pairs = world.interactions
    cells = Cells(fitted_propensity._exposures(pairs))
    users, items = model.users, model.items
    for _ in range(400):
        for own, other, part in ((users, items, cells), (items, users, cells.turned())):
            own.covariance[:] = other.covariance[:] = 0
            own.precision[:] = 2.0
            logistic_factors._step(own, other, part, level=-2.0)
            own.precision[:] = 2.0
    odds = users.mean[:, 1:] @ items.mean[:, 1:].T + users.mean[:, :1] + items.mean[:, 0] - 2.0
    error = world.exposed - probability(odds.astype(np.float64))
    np.testing.assert_allclose(error.sum(axis=1), 2 * users.mean[:, 0], atol=2e-3)
    np.testing.assert_allclose(error.sum(axis=0), 2 * items.mean[:, 0], atol=2e-3)
    np.testing.assert_allclose(error @ items.mean[:, 1:], 2 * users.mean[:, 1:], atol=5e-3)
    np.testing.assert_allclose(error.T @ users.mean[:, 1:], 2 * items.mean[:, 1:], atol=5e-3)


def test_what_the_other_side_multiplies_by_is_sure_of_its_one() -> None:
    model = start_factors(4, 3, level=0.0, factors=2, rng=np.random.default_rng(0))
    model.items.covariance[:] = 0.5
    design, unsure = model.items.as_design()
    np.testing.assert_array_equal(design[:, 0], 1)
    np.testing.assert_array_equal(design[:, 1:], model.items.mean[:, 1:])
    np.testing.assert_array_equal(unsure[:, 0], 0)
    np.testing.assert_array_equal(unsure[:, :, 0], 0)
    np.testing.assert_array_equal(unsure[:, 1:, 1:], 0.5)


def test_popularity_without_what_is_left_out() -> None:
    world = grocery(3, users=40, items=30)
    counts = np.random.default_rng(0).random(world.p.shape) > 0.2
    ones = fitted_propensity._exposures(world.interactions)
    left_out = fitted_propensity._matrix(*np.nonzero(~counts), world.p.shape)
    found = fitted_propensity._popularity(ones, left_out).of_users(np.arange(40))
    average = world.exposed[counts].mean()
    shown = world.exposed & counts
    by_user = (shown.sum(axis=1) + average) / (counts.sum(axis=1) + 1)
    by_item = (shown.sum(axis=0) + average) / (counts.sum(axis=0) + 1)
    odds = by_user[:, None] / (1 - by_user[:, None]) * by_item / (1 - by_item)
    odds = odds * (1 - average) / average
    np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-5)


def test_blocks_change_nothing_and_equal_seeds_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grocery(2, users=80, items=60)
    config = PropensityConfig(factors=3, sweeps=4)
    first = fit_pair_propensity(world.interactions, config=config, seed=5)
    again = fit_pair_propensity(world.interactions, config=config, seed=5)
    every = np.arange(80)
    np.testing.assert_array_equal(first.of_users(every), again.of_users(every))
    monkeypatch.setattr(logistic_factors, "_CELLS", 7 * 60)
    monkeypatch.setattr(fitted_propensity, "_CELLS", 7 * 60)
    parts = fit_pair_propensity(world.interactions, config=config, seed=5)
    np.testing.assert_allclose(parts.of_users(every), first.of_users(every), rtol=2e-3)
    other = fit_pair_propensity(world.interactions, config=config, seed=6)
    assert (other.of_users(every) != first.of_users(every)).mean() > 0.9


def test_popularity_adds_the_log_odds_of_two_shares() -> None:
    world = grocery(3, users=40, items=30)
    model = popularity_propensity(world.interactions)
    average = world.exposed.mean()

    def odds(shown: int, of: int) -> float:
        share = (shown + average) / (of + 1)
        return float(np.log(share / (1 - share)))

    for user, item in ((0, 0), (7, 29), (39, 4)):
        expected = odds(int(world.exposed[user].sum()), 30)
        expected += odds(int(world.exposed[:, item].sum()), 40)
        expected -= np.log(average / (1 - average))
        found = model.of(np.array([user]), np.array([item]))
        assert found[0] == pytest.approx(1 / (1 + np.exp(-expected)), rel=1e-5)


def test_pairs_and_rows_agree_and_strangers_are_average() -> None:
    rng = np.random.default_rng(0)
    model = FactorPropensity(
        -1.0,
        rng.normal(size=(5, 3)).astype(np.float32),
        rng.normal(size=(4, 3)).astype(np.float32),
        Bend(np.array([-1.0, 0.5]), np.array([0.2, -0.3, 0.4, -0.1])),
    )
    grid = model.of_users(np.array([3, -1, 0]))
    for row, user in enumerate((3, -1, 0)):
        np.testing.assert_allclose(model.of(np.full(4, user), np.arange(4)), grid[row], rtol=1e-6)
    odds = -1.0 + model.user[2, 0]
    bent = odds + 0.2 - 0.3 * odds + 0.4 * max(odds + 1, 0) - 0.1 * max(odds - 0.5, 0)
    found = model.of(np.array([2]), np.array([-1]))
    assert found[0] == pytest.approx(1 / (1 + np.exp(-bent)), rel=1e-6)
    with pytest.raises(RowError, match="user codes from 0 to 4"):
        model.of_users(np.array([5]))


def test_a_calibration_never_changes_the_order_of_pairs() -> None:
    """Where the sample asks for a slope below 0, turns are given up, and then all of it."""
    rng = np.random.default_rng(0)
    odds = rng.normal(size=4000)
    for truth in (np.abs(odds), -odds):
        shown = (rng.random(4000) < probability(truth)).astype(np.float64)
        bend = fitted_propensity._bend(odds, shown, knots=3)
        assert (np.diff(bend(np.linspace(-9, 9, 200))) > 0).all()
    np.testing.assert_array_equal(bend(odds), odds)
    nothing = fitted_propensity._bend(odds, np.zeros(4000), knots=3)
    np.testing.assert_array_equal(nothing(odds), odds)


def test_kinds_by_name() -> None:
    world = grocery(4, users=60, items=40)
    rng = np.random.default_rng(0)
    played = world.exposed & (rng.random(world.p.shape) < 0.5)
    pairs = from_dense(world.exposed, played)
    assert PAIR_PROPENSITIES == ("logged", "popularity", "fitted", "propcare")
    with pytest.raises(RowError, match=rf"{len(pairs)} of {len(pairs)} pairs without"):
        with_propensities(pairs, "logged")
    for kind in ("popularity", "fitted"):
        found = with_propensities(pairs, kind)
        assert np.isnan(pairs.propensity).all()
        assert ((found.propensity > 0) & (found.propensity < 1)).all()
        np.testing.assert_array_equal(found.exposed, pairs.exposed)
        assert with_propensities(found, "logged") is found
    expected = with_propensity(pairs, popularity_propensity(pairs)).propensity
    np.testing.assert_array_equal(with_propensities(pairs, "popularity").propensity, expected)
    inferred = with_propensities(from_dense(played & False, played), "propcare")
    assert inferred.exposed.sum() > 0
    assert inferred.played.sum() == played.sum()


def test_what_cannot_be_fitted_is_refused() -> None:
    shown = np.ones((3, 4), dtype=bool)
    for fit in (fit_pair_propensity, popularity_propensity):
        with pytest.raises(EmptyError, match="PropCare"):
            fit(from_dense(~shown, shown))
        with pytest.raises(OverlapError, match="all 12 pairs"):
            fit(from_dense(shown, shown))
    pairs = grocery(4, users=60, items=40).interactions
    with pytest.raises(ConfigError, match="logged, popularity, fitted, propcare"):
        with_propensities(pairs, "guess")  # type: ignore[arg-type]
    for kind in ("popularity", "propcare"):
        with pytest.raises(ConfigError, match="got a PropensityConfig"):
            with_propensities(pairs, kind, config=PropensityConfig())
    with pytest.raises(ConfigError, match="left_out"):
        PropensityConfig(left_out=1.0)


@pytest.mark.parametrize("shown", [True, False])
def test_a_part_of_which_all_or_nothing_was_shown_has_finite_losses(shown: bool) -> None:
    """The one pair that is another way may be among those left out."""
    exposed = np.full((4, 3), shown)
    exposed[2, 1] = not shown
    pairs = from_dense(exposed, np.ones((4, 3), dtype=np.bool_))
    config = PropensityConfig(left_out=0.9, factors=2)
    for seed in range(5):
        model = fit_pair_propensity(pairs, config=config, seed=seed)
        assert np.isfinite([model.held_out_log_loss, model.held_out_popularity]).all()
