"""The two factorisations: against the loss they minimise, and against a planted truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError
from causal_ranker.worlds.semisynthetic.rating_factors import RatingConfig, predict_ratings
from causal_ranker.worlds.semisynthetic.watch_factors import WatchConfig, predict_watches


def planted(seed: int, *, scale: float) -> NDArray[np.float64]:
    """A rank-2 matrix of 300 x 200 with biases of rows and columns."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 200))
    biases = rng.normal(size=(300, 1)) + rng.normal(size=200)
    return scale * (vectors + biases)


def rank_of(matrix: NDArray[np.float32]) -> int:
    values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    return int((values > 1e-4 * values[0]).sum())


def test_ratings_recover_a_planted_rank() -> None:
    rng = np.random.default_rng(1)
    truth = 3.5 + planted(0, scale=0.5)
    given = rng.random(truth.shape) < 0.3
    noisy = (truth + 0.1 * rng.normal(size=truth.shape)).astype(np.float32)
    predicted = predict_ratings(
        noisy, given, config=RatingConfig(factors=2, l2=0.05, sweeps=30), seed=3
    )
    error = (predicted - truth)[~given]
    assert np.sqrt(np.square(error).mean()) < 0.05
    assert predicted.dtype == np.float32
    # a constant, a bias of each row and each column, and two factors
    assert rank_of(predicted) <= 4


def test_only_given_ratings_are_read() -> None:
    rng = np.random.default_rng(2)
    given = rng.random((40, 30)) < 0.4
    rating = rng.integers(1, 6, size=given.shape).astype(np.float32)
    holes = np.where(given, rating, np.float32(np.nan))
    np.testing.assert_array_equal(predict_ratings(holes, given), predict_ratings(rating, given))


def test_a_sweep_of_ratings_never_raises_the_penalised_error() -> None:
    """More sweeps fit no worse, with next to no penalty; and the first does not do it all."""
    rng = np.random.default_rng(4)
    given = rng.random((30, 25)) < 0.5
    rating = rng.integers(1, 6, size=given.shape).astype(np.float32)
    errors = []
    for sweeps in (1, 2, 4, 8, 16):
        config = RatingConfig(factors=3, l2=1e-3, sweeps=sweeps)
        predicted = predict_ratings(rating, given, config=config)
        errors.append(float(np.square(predicted - rating)[given].mean()))
    assert all(after <= before * 1.001 for before, after in pairwise(errors))
    assert errors[-1] < 0.7 * errors[0]


def test_a_stronger_penalty_leads_to_the_mean() -> None:
    rng = np.random.default_rng(4)
    given = rng.random((30, 25)) < 0.5
    rating = rng.integers(1, 6, size=given.shape).astype(np.float32)
    predicted = predict_ratings(rating, given, config=RatingConfig(l2=1e7))
    np.testing.assert_allclose(predicted, rating[given].mean(), atol=1e-3)


def test_watches_recover_planted_chances() -> None:
    rng = np.random.default_rng(1)
    truth = 1 / (1 + np.exp(1.5 - planted(5, scale=0.7)))
    watched = rng.random(truth.shape) < truth
    known = rng.random(truth.shape) < 0.9
    predicted = predict_watches(
        watched, known=known, config=WatchConfig(factors=2, l2=1.0, sweeps=80)
    ).astype(np.float64)
    hidden = ~known

    def loss(chance: NDArray[np.float64]) -> float:
        return float(-np.where(watched, np.log(chance), np.log1p(-chance))[hidden].mean())

    base = loss(np.full(truth.shape, watched[known].mean()))
    # 500 rows and columns of 3 numbers each: maximum likelihood loses half a number's worth of a
    # pair for each of them, and that is little of what the truth gains over the base rate
    lost = 500 * 3 / 2 / known.sum()
    assert 0.7 * lost < loss(predicted) - loss(truth) < 1.3 * lost < 0.2 * (base - loss(truth))
    # as many are watched as the model says: no drift of the level
    assert predicted[known].mean() == pytest.approx(watched[known].mean(), abs=0.01)
    assert predicted.min() > 0


def test_a_hidden_pair_says_nothing() -> None:
    rng = np.random.default_rng(6)
    watched = rng.random((30, 20)) < 0.3
    known = rng.random(watched.shape) < 0.8
    other = np.where(known, watched, ~watched)
    np.testing.assert_array_equal(
        predict_watches(watched, known=known), predict_watches(other, known=known)
    )
    assert (predict_watches(watched) != predict_watches(other)).any()


def test_each_sweep_of_watches_lowers_the_loss() -> None:
    rng = np.random.default_rng(7)
    watched = rng.random((60, 50)) < 0.2
    losses = []
    for sweeps in (1, 2, 5, 20, 80):
        config = WatchConfig(factors=4, l2=0.5, sweeps=sweeps)
        chance = predict_watches(watched, config=config).astype(np.float64)
        losses.append(float(-np.where(watched, np.log(chance), np.log1p(-chance)).mean()))
    assert all(after < before for before, after in pairwise(losses))


def test_a_chance_near_1_overflows_nothing() -> None:
    watched = np.zeros((6, 5), dtype=np.bool_)
    watched[:3] = True
    config = WatchConfig(factors=1, l2=1e-6, sweeps=400)
    chance = predict_watches(watched, config=config)
    assert np.isfinite(chance).all()
    assert chance[:3].min() > 0.99
    assert chance[3:].max() < 0.01


@pytest.mark.parametrize("of", [RatingConfig, WatchConfig])
def test_equal_seeds_give_equal_bytes(of: type[RatingConfig] | type[WatchConfig]) -> None:
    rng = np.random.default_rng(8)
    seen = rng.random((50, 40)) < 0.3
    stars = rng.integers(1, 6, size=seen.shape).astype(np.float32)

    def predict(seed: int) -> bytes:
        if of is WatchConfig:
            return predict_watches(seen, config=WatchConfig(l2=0.1), seed=seed).tobytes()
        return predict_ratings(stars, seen, config=RatingConfig(l2=0.1), seed=seed).tobytes()

    assert predict(0) == predict(0) != predict(1)
    with pytest.raises(ConfigError, match="factors"):
        of(factors=0)
