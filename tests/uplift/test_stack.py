"""Stacks: weights are those of least squares that may not be negative."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from causal_ranker.uplift.base import Effect
from causal_ranker.uplift.stack import StackedEffect, stack_weights

RNG = np.random.default_rng(0)
N = 3_000
TAU = RNG.normal(scale=0.1, size=N)
SCORES = 0.05 + TAU + RNG.normal(size=N)
WEIGHT = RNG.uniform(1, 3, N)
AVERAGE = float(np.average(SCORES, weights=WEIGHT))


def loss(weights: np.ndarray, estimates: list[np.ndarray]) -> float:
    guess = AVERAGE + sum(w * (e - AVERAGE) for w, e in zip(weights, estimates, strict=True))
    return float(np.average((SCORES - guess) ** 2, weights=WEIGHT))


def test_it_is_the_best_of_all_subsets() -> None:
    """Non-negative least squares is the best non-negative solution over all subsets."""
    estimates = [
        0.05 + TAU + RNG.normal(scale=0.1, size=N),
        0.05 - TAU + RNG.normal(scale=0.2, size=N),
        0.05 + 0.5 * TAU,
        RNG.normal(scale=0.1, size=N),
    ]
    found = stack_weights(estimates, SCORES, weight=WEIGHT, average=AVERAGE)
    best = np.inf
    root = np.sqrt(WEIGHT)
    for size in range(1, 5):
        for chosen in itertools.combinations(range(4), size):
            design = np.column_stack([(estimates[i] - AVERAGE) * root for i in chosen])
            part = np.linalg.lstsq(design, (SCORES - AVERAGE) * root, rcond=None)[0]
            if (part >= 0).all():
                weights = np.zeros(4)
                weights[list(chosen)] = part
                best = min(best, loss(weights, estimates))
    assert loss(found, estimates) == pytest.approx(best, rel=1e-7)
    assert (found >= 0).all()
    assert found[1] == 0


def test_noise_shrinks_to_one_effect_for_all() -> None:
    noise = [RNG.normal(scale=1.0, size=N) for _ in range(3)]
    found = stack_weights(noise, SCORES, weight=WEIGHT, average=AVERAGE)
    assert found.sum() < 0.1


def test_estimates_that_are_alike_share_their_weight() -> None:
    estimate = 0.05 + TAU
    found = stack_weights([estimate, estimate.copy()], SCORES, weight=WEIGHT, average=AVERAGE)
    alone = stack_weights([estimate], SCORES, weight=WEIGHT, average=AVERAGE)
    assert found.sum() == pytest.approx(alone[0], rel=1e-3)
    assert alone[0] == pytest.approx(1, abs=0.45)  # two standard errors of 0.2


def test_a_constant_estimate_has_no_say() -> None:
    level = np.full(N, AVERAGE)
    found = stack_weights([level, 0.05 + TAU], SCORES, weight=WEIGHT, average=AVERAGE)
    assert np.isfinite(found).all()
    assert found[1] > 0.5


class Line:
    """Predicts its slope times the first feature."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def predict(self, features: np.ndarray) -> Effect:
        return Effect(point=self.slope * features[:, 0].astype(float))


def test_it_predicts_the_weighted_departures() -> None:
    stack = StackedEffect(average=0.5, members=[Line(1), Line(2)], weights=np.array([0.25, 0.5]))
    x = np.array([[1.0], [4.0]], dtype=np.float32)
    expected = [0.5 + 0.25 * (1 - 0.5) + 0.5 * (2 - 0.5), 0.5 + 0.25 * 3.5 + 0.5 * 7.5]
    np.testing.assert_allclose(stack.predict(x).point, expected)
