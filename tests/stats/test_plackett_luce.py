from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats import _race
from causal_ranker.stats.plackett_luce import (
    conditional_propensities,
    inclusion_propensities,
    sample_slate,
    sample_slates,
    slot_propensities,
)

Array = NDArray[np.float64]
score_lists = st.lists(st.floats(-6, 6), min_size=2, max_size=6)


def enumerated(scores: Array, k: int) -> dict[tuple[int, ...], float]:
    """The probability of every slate, by the urn that the model describes."""
    weight = np.exp(scores - scores.max())
    chances = {}
    for slate in permutations(range(scores.size), k):
        left, chance = float(weight.sum()), 1.0
        for place, item in enumerate(slate):
            left = float(sum(weight[i] for i in range(scores.size) if i not in slate[:place]))
            chance *= weight[item] / left
        chances[slate] = chance
    return chances


@given(score_lists, st.integers(1, 6), st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=40)
def test_inclusion_agrees_with_enumeration(scores: list[float], k: int, temperature: float) -> None:
    k = min(k, len(scores))
    expected = np.zeros(len(scores))
    for slate, chance in enumerated(np.array(scores) / temperature, k).items():
        expected[list(slate)] += chance
    found = inclusion_propensities(scores, k, temperature=temperature)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("advantage", [-12.0, -3.0, 0.0, 1.0, 4.0, 12.0])
@pytest.mark.parametrize(("n", "k"), [(200, 10), (200, 1), (200, 60), (30, 29)])
def test_one_odd_item_among_equals_has_a_closed_form(n: int, k: int, advantage: float) -> None:
    # it misses the slate if each slot in turn goes to one of the equals that are left
    scores = np.zeros(n)
    scores[n // 3] = advantage
    left = n - 1 - np.arange(k)
    chance = 1 - np.prod(left / (np.exp(advantage) + left))
    expected = np.full(n, (k - chance) / (n - 1))
    expected[n // 3] = chance
    np.testing.assert_allclose(inclusion_propensities(scores, k), expected, atol=1e-9)


def test_one_slot_is_the_softmax() -> None:
    scores = np.random.default_rng(0).normal(size=200) * 3
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(inclusion_propensities(scores, 1), expected, atol=1e-10)


@given(st.integers(0, 10**6), st.floats(0.01, 100), st.integers(1, 12))
@settings(max_examples=25)
def test_inclusion_sums_to_k_and_follows_the_scores(seed: int, temperature: float, k: int) -> None:
    scores = np.random.default_rng(seed).normal(size=60)
    found = inclusion_propensities(scores, k, temperature=temperature)
    assert found.sum() == pytest.approx(k, abs=1e-8)
    assert (np.diff(found[np.argsort(scores)]) >= -1e-9).all()  # the error that is promised
    np.testing.assert_allclose(
        inclusion_propensities(scores + 1e3, k, temperature=temperature), found, atol=1e-8
    )


def test_extreme_scores_stay_finite() -> None:
    scores = np.array([1000.0, 500.0, 0.0, 0.0, -1000.0])
    np.testing.assert_allclose(inclusion_propensities(scores, 3), [1, 1, 0.5, 0.5, 0], atol=1e-9)


def test_excluded_items_are_never_shown() -> None:
    scores = np.array([0.3, -np.inf, 1.0, -np.inf, -0.5])
    found = inclusion_propensities(scores, 2)
    assert found[[1, 3]].tolist() == [0, 0]
    np.testing.assert_allclose(found[[0, 2, 4]], inclusion_propensities(scores[[0, 2, 4]], 2))
    assert inclusion_propensities(scores, 3).tolist() == [1, 0, 1, 0, 1]
    for seed in range(20):
        slate = sample_slate(scores, 3, rng=np.random.default_rng(seed))
        assert sorted(slate.tolist()) == [0, 2, 4]
    with pytest.raises(ConfigError, match="3 candidates"):
        inclusion_propensities(scores, 4)


def test_memory_bound_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(1).normal(size=50)
    expected = inclusion_propensities(scores, 5)
    monkeypatch.setattr(_race, "_CELLS", 2000)
    np.testing.assert_allclose(inclusion_propensities(scores, 5), expected, atol=1e-14)


@given(score_lists, st.integers(1, 6))
def test_conditionals_multiply_to_the_chance_of_the_slate(scores: list[float], k: int) -> None:
    k = min(k, len(scores), 4)
    chances = enumerated(np.array(scores), k)
    assert sum(chances.values()) == pytest.approx(1)
    for slate, chance in chances.items():
        found = conditional_propensities(scores, np.array(slate))
        assert found.shape == (k,)
        assert found.prod() == pytest.approx(chance, rel=1e-9)


def test_conditionals_keep_their_digits_once_the_favourites_are_placed() -> None:
    scores = np.array([2000.0, 60.0, 0.0, 0.0, np.log(2.0)])
    found = conditional_propensities(scores, np.array([0, 1, 4, 2, 3]))
    np.testing.assert_allclose(found, [1, 1, 0.5, 0.5, 1], rtol=1e-12)


def test_temperature_divides_the_scores() -> None:
    scores, slate = np.array([1.0, 2.0, 0.5]), np.array([1, 2])
    np.testing.assert_allclose(
        conditional_propensities(scores, slate, temperature=4.0),
        conditional_propensities(scores / 4, slate),
    )
    np.testing.assert_array_equal(
        sample_slate(scores, 2, rng=np.random.default_rng(0), temperature=4.0),
        sample_slate(scores / 4, 2, rng=np.random.default_rng(0)),
    )


def test_a_batch_is_its_rows() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(30, 12))
    slates = sample_slates(scores, 5, rng=rng)
    assert slates.shape == (30, 5)
    assert all(np.unique(slate).size == 5 for slate in slates)
    found = conditional_propensities(scores, slates)
    for row in range(30):
        np.testing.assert_array_equal(
            found[row], conditional_propensities(scores[row], slates[row])
        )


def test_slates_are_drawn_with_their_probabilities() -> None:
    scores = np.array([1.0, 0.0, -0.5, 0.7])
    chances = enumerated(scores / 0.8, 2)
    n = 40_000
    rng = np.random.default_rng(3)
    slates = sample_slates(np.tile(scores, (n, 1)), 2, rng=rng, temperature=0.8)
    seen = np.bincount(slates[:, 0] * 4 + slates[:, 1], minlength=16)
    counts = [seen[first * 4 + second] for first, second in chances]
    assert sum(counts) == n
    assert 1e-3 < chisquare(counts, n * np.array(list(chances.values()))).pvalue < 1 - 1e-3
    # what a slot's logged propensity claims is what happens
    shown = np.bincount(slates.ravel(), minlength=4) / n
    expected = inclusion_propensities(scores, 2, temperature=0.8)
    assert (np.abs(shown - expected) < 4 * np.sqrt(expected * (1 - expected) / n)).all()


@pytest.mark.parametrize(
    ("scores", "k", "temperature", "error"),
    [
        ([0.0, 1.0], 3, 1.0, ConfigError),
        ([0.0, 1.0], 0, 1.0, ConfigError),
        ([0.0, 1.0], 1, 0.0, ConfigError),
        ([0.0, 1.0], 1, np.nan, ConfigError),
        ([], 1, 1.0, ConfigError),
        ([0.0, np.nan], 1, 1.0, RowError),
        ([0.0, np.inf], 1, 1.0, RowError),
        (["a", "b"], 1, 1.0, SchemaError),
        ([[0.0, 1.0]], 1, 1.0, SchemaError),
    ],
)
def test_impossible_requests_are_refused(
    scores: Any, k: int, temperature: float, error: type[Exception]
) -> None:
    with pytest.raises(error):
        sample_slate(scores, k, rng=np.random.default_rng(0), temperature=temperature)
    with pytest.raises(error):
        inclusion_propensities(scores, k, temperature=temperature)


@pytest.mark.parametrize(
    ("slate", "error"),
    [
        ([0, 0], RowError),
        ([0, 3], RowError),
        ([-1], RowError),
        ([2], RowError),
        ([0.0], SchemaError),
        ([[0]], SchemaError),
        (np.array([], dtype=int), SchemaError),
    ],
)
def test_impossible_slates_are_refused(slate: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        conditional_propensities([0.0, 1.0, -np.inf], slate)


@given(score_lists, st.integers(1, 6), st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=25)
def test_slots_agree_with_enumeration(scores: list[float], k: int, temperature: float) -> None:
    k = min(k, len(scores))
    expected = np.zeros((len(scores), k))
    for slate, chance in enumerated(np.array(scores) / temperature, k).items():
        expected[list(slate), np.arange(k)] += chance
    found = slot_propensities([scores], k, temperature=temperature)[0]
    assert found.min() >= 0
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_slots_of_a_long_list_are_columns_of_ones_and_rows_of_inclusion() -> None:
    scores = np.random.default_rng(4).normal(size=200) * 2
    scores[7] = -np.inf
    found = slot_propensities([scores], 10)[0]
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), inclusion_propensities(scores, 10), atol=1e-7)
    assert (found[7] == 0).all()
    with pytest.raises(ConfigError):
        slot_propensities([scores], 0)
