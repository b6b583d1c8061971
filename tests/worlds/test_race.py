"""Slot propensities against enumeration, against invariants, and against the stats room."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from causal_ranker.stats.plackett_luce import inclusion_propensities
from causal_ranker.worlds.race import Array, slot_propensities


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


def test_inclusion_equals_the_stats_room() -> None:
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
