"""Slot propensities against enumeration, against invariants, and against inclusion."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.stats._arrays import Array
from causal_ranker.stats.plackett_luce import inclusion_propensities, slot_propensities


def enumerated(scores: Array, slots: int, *, temperature: float) -> Array:
    weights = np.exp((scores - scores.max()) / temperature)
    placed = np.zeros((len(scores), slots))
    for slate in itertools.permutations(range(len(scores)), slots):
        left = [
            weights[[j for j in range(len(scores)) if j not in slate[:slot]]].sum()
            for slot in range(slots)
        ]
        chance = np.prod(weights[list(slate)] / left)
        placed[list(slate), range(slots)] += chance
    return placed


@pytest.mark.parametrize(
    ("candidates", "slots", "temperature"),
    [(5, 1, 1.0), (5, 4, 1.0), (7, 3, 0.1), (7, 6, 0.3), (6, 5, 50.0), (7, 4, 0.05)],
)
def test_equals_enumeration(candidates: int, slots: int, temperature: float) -> None:
    scores = np.random.default_rng(3).normal(scale=1.3, size=(4, candidates))
    found = slot_propensities(scores, slots, temperature=temperature)
    expected = [enumerated(row, slots, temperature=temperature) for row in scores]
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize(("candidates", "slots"), [(50, 10), (21, 20), (200, 20), (12, 1)])
@pytest.mark.parametrize("temperature", [100.0, 1.0, 0.3, 0.1])
def test_every_slot_is_filled_once_at_any_temperature(
    candidates: int, slots: int, temperature: float
) -> None:
    scores = np.random.default_rng(4).normal(scale=1.3, size=(3, candidates))
    found = slot_propensities(scores, slots, temperature=temperature)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
    assert found.min() >= 0
    assert found.sum(axis=2).max() <= 1 + 1e-6


def test_inclusion_is_the_sum_over_slots() -> None:
    scores = np.random.default_rng(5).normal(scale=2.0, size=(3, 60))
    found = slot_propensities(scores, 10, temperature=0.7).sum(axis=2)
    expected = [inclusion_propensities(row, 10, temperature=0.7) for row in scores]
    np.testing.assert_allclose(found, expected, atol=1e-7)


@given(
    scores=arrays(np.float64, (2, 9), elements=st.floats(-8, 8)),
    shift=st.floats(-50, 50),
    slots=st.integers(1, 8),
)
def test_only_differences_of_scores_matter_and_no_request_sees_another(
    scores: Array, shift: float, slots: int
) -> None:
    found = slot_propensities(scores, slots, temperature=1.0)
    moved = slot_propensities(scores[:, ::-1] + shift, slots, temperature=1.0)[:, ::-1]
    np.testing.assert_allclose(moved, found, atol=1e-6)
    alone = slot_propensities(scores[:1], slots, temperature=1.0)
    np.testing.assert_allclose(alone, found[:1], atol=1e-6)
    by_score = np.take_along_axis(found.sum(axis=2), np.argsort(scores, axis=1), axis=1)
    assert np.diff(by_score, axis=1).min() >= -1e-6


def test_items_that_cannot_be_shown_and_slates_of_all_that_can() -> None:
    scores = np.array([[0.3, -np.inf, 1.0, -0.5], [0.0, 1.0, 2.0, -1.0], [-np.inf, 0, -np.inf, 2]])
    found = slot_propensities(scores, 2)
    assert found[0, 1].tolist() == [0, 0]
    able = [0, 2, 3]
    np.testing.assert_allclose(
        found[0, able], enumerated(scores[0, able], 2, temperature=1.0), atol=1e-7
    )
    np.testing.assert_allclose(found[1], enumerated(scores[1], 2, temperature=1.0), atol=1e-7)
    np.testing.assert_allclose(
        found[2, [1, 3]], enumerated(scores[2, [1, 3]], 2, temperature=1.0), atol=1e-7
    )
    every = slot_propensities(scores[1:2], 4)[0]
    np.testing.assert_allclose(every, enumerated(scores[1], 4, temperature=1.0), atol=1e-7)
    assert slot_propensities([[3.0]], 1).tolist() == [[[1.0]]]


def test_far_scores_and_long_slates_are_raced_alone() -> None:
    # between 0 and -1000, -1001 nothing is in doubt but the order of the last two
    found = slot_propensities([[-1000.0, 0.0, -1001.0, 300.0, -4000.0]], 4)[0]
    first = 1 / (1 + np.exp(-1.0))
    expected = [[0, 0, first, 1 - first], [0, 1, 0, 0], [0, 0, 1 - first, first], [1, 0, 0, 0]]
    np.testing.assert_allclose(found, [*expected, [0, 0, 0, 0]], atol=1e-8)
    equal = slot_propensities(np.zeros((1, 30)), 25)
    np.testing.assert_allclose(equal, 1 / 30, atol=1e-8)


def test_input_is_checked() -> None:
    with pytest.raises(SchemaError, match="dimensions"):
        slot_propensities([0.0, 1.0], 1)
    with pytest.raises(ConfigError, match="2 candidates"):
        slot_propensities([[0.0, 1.0, -np.inf], [0.0, 1.0, 2.0]], 3)
