from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.stats.logistic import probability
from causal_ranker.uplift.collaborative import propcare
from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense
from causal_ranker.uplift.collaborative.propcare import PropCare, PropCareConfig, fit_propcare

USERS, ITEMS = 300, 200


class World(NamedTuple):
    p: NDArray[np.float64]
    played: NDArray[np.bool_]

    @property
    def plays(self) -> Interactions:
        return from_dense(np.zeros_like(self.played), self.played)

    def correlation(self, chance: NDArray[Any]) -> float:
        return float(np.corrcoef(chance.ravel(), self.p.ravel())[0, 1])


@cache
def world(seed: int) -> World:
    """What is pushed is liked a little less; a few plays come without an exposure."""
    rng = np.random.default_rng(seed)

    def low_rank(k: int) -> NDArray[np.float64]:
        return rng.normal(size=(USERS, k)) @ rng.normal(size=(k, ITEMS))

    pushed = rng.normal(0, 1.3, ITEMS)
    p = probability(-2.6 + rng.normal(0, 0.8, (USERS, 1)) + pushed + 0.6 * low_rank(2))
    r = probability(-0.3 - 0.3 * pushed + 0.6 * low_rank(3))
    shape = (USERS, ITEMS)
    played = (rng.random(shape) < p) & (rng.random(shape) < r) | (rng.random(shape) < 0.01)
    return World(p, played)


@cache
def fitted(seed: int) -> PropCare:
    return fit_propcare(world(seed).plays, config=PropCareConfig(epochs=60))


@pytest.mark.parametrize("seed", [0, 1])
def test_nearer_to_the_truth_than_popularity_and_than_without_what_it_assumes(seed: int) -> None:
    """By the correlation of propensities over all pairs; a constant has none at all."""
    truth = world(seed)
    every = np.arange(USERS)
    found = truth.correlation(fitted(seed).propensity.of_users(every))
    popular = truth.correlation(np.broadcast_to(truth.played.mean(axis=0), truth.p.shape))
    bare = fit_propcare(truth.plays, config=PropCareConfig(popularity=0, prior=0, epochs=30))
    assert 0.55 < found < 0.75
    assert 0.02 < found - popular < 0.1
    assert found > truth.correlation(bare.propensity.of_users(every)) + 0.05


def test_propensities_spread_as_assumed_and_losses_fall() -> None:
    chance = fitted(0).propensity.of_users(np.arange(USERS))
    assert chance.mean() == pytest.approx(0.2 / 1.2, abs=0.05)
    assert ((chance > 0) & (chance < 1)).all()
    wide = fit_propcare(world(0).plays, config=PropCareConfig(alpha=2, beta=2, prior=50))
    assert wide.propensity.of_users(np.arange(USERS)).mean() == pytest.approx(0.5, abs=0.07)
    losses = fitted(0).losses
    assert losses.shape == (60,)
    assert losses[-1] < 0.75 * losses[0]


def test_slopes_are_those_of_the_loss() -> None:
    """By finite differences; kappa is a weight, so it is held where it was."""
    rng = np.random.default_rng(0)
    shown, liked = rng.normal(size=(2, 4, 6))
    config = PropCareConfig(popularity=0.7, prior=3.0, closeness=0.0)
    played = (rng.random((4, 6)) < 0.4).astype(np.float64)
    other = rng.permutation(6)
    sign = np.sign(rng.normal(size=6))
    quantiles = np.sort(rng.random(24))

    def slopes(a: NDArray[np.float64], b: NDArray[np.float64]) -> Any:
        return propcare._slopes(
            a, b, played, other=other, sign=sign, quantiles=quantiles, config=config
        )

    at = slopes(shown, liked)
    step = 1e-6
    for place in np.ndindex(4, 6):
        moved = np.zeros((4, 6))
        moved[place] = step
        by_shown = (slopes(shown + moved, liked).loss - slopes(shown - moved, liked).loss) / 2
        by_liked = (slopes(shown, liked + moved).loss - slopes(shown, liked - moved).loss) / 2
        assert by_shown / step == pytest.approx(at.shown[place], abs=1e-7)
        assert by_liked / step == pytest.approx(at.liked[place], abs=1e-7)


def test_the_loss_from_its_formula() -> None:
    rng = np.random.default_rng(1)
    shown, liked = rng.normal(size=(2, 3, 5))
    config = PropCareConfig(popularity=0.7, prior=3.0, closeness=4.0)
    played = (rng.random((3, 5)) < 0.4).astype(np.float64)
    other, sign = rng.permutation(5), np.array([1.0, -1, 0, 1, -1])
    quantiles = np.sort(rng.random(15))
    p, r = probability(shown), probability(liked)
    total = 0.0
    ranked = sorted(p.ravel())
    for u in range(3):
        for i in range(5):
            j, y = other[i], p[u, i] * r[u, i]
            total -= np.log(y) if played[u, i] else np.log(1 - y)
            kappa = np.exp(-4.0 * (y - p[u, j] * r[u, j]) ** 2)
            for ahead in (sign[i] * (p[u, i] - p[u, j]), sign[i] * (r[u, j] - r[u, i])):
                total -= 0.7 * kappa * np.log(1 / (1 + np.exp(-ahead)))
            total += 3.0 * (p[u, i] - quantiles[ranked.index(p[u, i])]) ** 2
    found = propcare._slopes(
        shown, liked, played, other=other, sign=sign, quantiles=quantiles, config=config
    )
    assert found.loss == pytest.approx(total / 15, rel=1e-9)


def test_exposures_are_not_read_and_equal_seeds_are_equal() -> None:
    truth = world(0)
    config = PropCareConfig(epochs=3)
    every = np.arange(USERS)
    first = fit_propcare(truth.plays, config=config, seed=4).propensity.of_users(every)
    shown = from_dense(np.random.default_rng(0).random(truth.p.shape) < 0.1, truth.played)
    again = fit_propcare(shown, config=config, seed=4).propensity.of_users(every)
    np.testing.assert_array_equal(first, again)
    other = fit_propcare(truth.plays, config=config, seed=5).propensity.of_users(every)
    assert (first != other).mean() > 0.9


def test_as_many_pairs_are_inferred_to_be_shown_as_propensities_sum_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truth, model = world(0), fitted(0)
    monkeypatch.setattr(propcare, "_CELLS", 70 * ITEMS)
    shown = np.random.default_rng(0).random(truth.p.shape) < 0.1
    found = model.infer(from_dense(shown, truth.played))  # what is listed as shown is not read
    chance = model.propensity.of_users(np.arange(USERS))
    assert found.exposed.sum() == pytest.approx(chance.sum(), rel=1e-3)
    listed = np.zeros(truth.p.shape, dtype=bool)
    listed[found.user, found.item] = True
    exposed = np.zeros_like(listed)
    exposed[found.user[found.exposed], found.item[found.exposed]] = True
    assert chance[exposed].min() > chance[~exposed].max()
    np.testing.assert_array_equal(listed, exposed | truth.played)
    np.testing.assert_array_equal(found.played, truth.played[found.user, found.item])
    np.testing.assert_allclose(found.propensity, chance[found.user, found.item], rtol=1e-6)
    # what is said to be shown is shown more often than the rest
    assert truth.p[exposed].mean() > 2 * truth.p[~exposed].mean()


def test_what_cannot_be_learned_from_is_refused() -> None:
    shown = np.ones((3, 4), dtype=bool)
    with pytest.raises(EmptyError, match="none in 12 pairs"):
        fit_propcare(from_dense(shown, ~shown))
    with pytest.raises(ConfigError, match="alpha"):
        PropCareConfig(alpha=0)


@pytest.mark.parametrize("rate", [5.0, 1e20])
def test_divergence_is_an_error_and_no_overflow(rate: float) -> None:
    with pytest.raises(ConfigError, match=r"within 40 of 0; .*: learning diverged at a learning"):
        fit_propcare(world(0).plays, config=PropCareConfig(learning_rate=rate))


def test_plays_of_others_are_refused_and_not_dropped() -> None:
    played = np.eye(4, 3, dtype=bool)
    model = fit_propcare(from_dense(~played, played), config=PropCareConfig(factors=1, epochs=1))
    more = np.eye(5, 3, dtype=bool)
    with pytest.raises(ConfigError, match="4 users and 3 items of the fit; got 5 users and 3"):
        model.infer(from_dense(~more, more))
