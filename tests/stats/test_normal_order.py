"""Who is largest, second, ...: beside all orders, closed forms, and what must add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats import normal_order
from causal_ranker.stats.normal_order import LargestFirst, largest_by_place
from tests.stats.normal_orders import chances_of_orders

Array = NDArray[np.float64]


def chances_in(order: Any, mean: Any, sd: Any, *, places: int | None = None) -> list[float]:
    named = LargestFirst(mean, sd, places=len(order) if places is None else places)
    return [named.next(int(item)) for item in order]


@pytest.mark.parametrize(("n", "k"), [(2, 1), (3, 3), (4, 2), (5, 3), (6, 2)])
@pytest.mark.parametrize("narrowest", [1.0, 0.05])
def test_against_all_orders(n: int, k: int, narrowest: float) -> None:
    rng = np.random.default_rng([n, k])
    mean, sd = rng.normal(size=n), rng.uniform(narrowest, 1.0, n)
    expected = chances_of_orders(mean.tolist(), sd.tolist(), k)
    assert sum(expected.values()) == pytest.approx(1, abs=1e-9)
    by_place = np.zeros((n, k))
    for order, chance in expected.items():
        found = chances_in(order, mean, sd)
        assert np.prod(found) == pytest.approx(chance, abs=1e-8)
        by_place[list(order), range(k)] += chance
    np.testing.assert_allclose(largest_by_place(mean, sd, places=k), by_place, atol=1e-8)


@settings(max_examples=15, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.floats(-3, 3), st.floats(-6, 0).map(np.exp)), min_size=2, max_size=12
    ),
    data=st.data(),
)
def test_every_place_is_taken_once_whatever_stands_above(parts: Any, data: Any) -> None:
    mean, sd = (np.array(each) for each in zip(*parts, strict=True))
    n = len(parts)
    k = data.draw(st.integers(1, n))
    found = largest_by_place(mean, sd, places=k)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=0), 1.0, atol=1e-8)
    assert found.sum(axis=1).max() <= 1 + 1e-8
    # of a list that may well be: the drawn values are the means
    order = np.argsort(-mean, kind="stable")
    above = order[: k - 1]
    last = [chances_in([*above, item], mean, sd)[-1] for item in order[k - 1 :]]
    assert sum(last) == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize(("n", "k"), [(200, 10), (1000, 20), (60, 60), (300, 25), (200, 100)])
def test_equals_share_every_place(n: int, k: int) -> None:
    mean, sd = np.full(n, 0.3), np.full(n, 0.01)
    some = np.random.default_rng(0).permutation(n)[:k]
    expected = 1 / (n - np.arange(k))
    np.testing.assert_allclose(chances_in(some, mean, sd), expected, rtol=1e-6, atol=1e-9)
    if n * k < 5_000:
        found = largest_by_place(mean, sd, places=k)
        np.testing.assert_allclose(found, 1 / n, atol=1e-9)


@pytest.mark.parametrize("ratio", [1.0, 0.01, 1e-4, 30.0])
@pytest.mark.parametrize("gap", [-6.0, -0.4, 0.0, 2.0])
def test_two_variables_have_a_closed_form(ratio: float, gap: float) -> None:
    mean, sd = [gap, 0.0], [1.0, ratio]
    expected = norm.cdf(gap / np.hypot(1.0, ratio))
    for item, chance in ((0, expected), (1, 1 - expected)):
        assert chances_in([item], mean, sd)[0] == pytest.approx(chance, abs=1e-10)
    both = [[expected, 1 - expected], [1 - expected, expected]]
    np.testing.assert_allclose(largest_by_place(mean, sd, places=2), both, atol=1e-10)


def test_many_candidates_beside_as_many_draws() -> None:
    rng = np.random.default_rng(5)
    n, k, draws = 200, 10, 20_000
    mean, sd = rng.normal(0, 0.05, n), rng.uniform(0.002, 0.06, n)
    found = largest_by_place(mean, sd, places=k)
    np.testing.assert_allclose(found.sum(axis=0), 1.0, atol=1e-9)
    first = [chances_in([item], mean, sd, places=k)[0] for item in range(20)]
    np.testing.assert_allclose(found[:20, 0], first, atol=1e-9)
    values = mean + sd * rng.standard_normal((draws, n))
    top = np.argsort(-values, axis=1)[:, :k]
    counts = np.stack([np.bincount(top[:, slot], minlength=n) for slot in range(k)], axis=1)
    spread = np.sqrt(draws * found * (1 - found)) + 1
    assert np.abs((counts - draws * found) / spread).max() < 5


def test_who_can_never_be_named_costs_nothing_and_changes_nothing() -> None:
    mean, sd = np.array([0.0, 0.5, 0.2, -50.0]), np.array([1.0, 0.3, 0.6, 0.1])
    found = largest_by_place(mean, sd, places=2)
    assert found[3].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found[:3], largest_by_place(mean[:3], sd[:3], places=2), atol=1e-12)
    assert chances_in([3, 0], mean, sd) == [0.0, 0.0]
    # a list that nobody draws has no chance, and no number of it is NaN
    far = np.array([0.0, 30.0, 60.0])
    assert chances_in([0, 1, 2], far, np.ones(3)) == [0.0, 0.0, 0.0]


def test_memory_bound_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    mean, sd = np.arange(5) / 4, np.array([1.0, 0.1, 0.7, 0.3, 0.4])
    expected = largest_by_place(mean, sd, places=3)
    monkeypatch.setattr(normal_order, "_CELLS", 100)
    np.testing.assert_allclose(largest_by_place(mean, sd, places=3), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("mean", "sd", "places", "error", "words"),
    [
        ([0.0, np.nan], [1.0, 1.0], 1, RowError, "mean"),
        ([0.0, 1.0], [1.0, 0.0], 1, RowError, "above 0"),
        ([0.0, 1.0], [1.0, np.inf], 1, RowError, "sd"),
        ([0.0, 1.0], [1.0, 1e-9], 1, RowError, "ten-millionth"),
        ([0.0, 1.0], [1.0], 1, SchemaError, "sd"),
        ([0.0, 1.0], [1.0, 1.0], 3, ConfigError, "places = 3"),
        ([0.0, 1.0], [1.0, 1.0], 0, ConfigError, "places"),
    ],
)
def test_what_cannot_be_is_refused(
    mean: Any, sd: Any, places: int, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        LargestFirst(mean, sd, places=places)
    with pytest.raises(error, match=words):
        largest_by_place(mean, sd, places=places)


@pytest.mark.parametrize("item", [-1, 2, 0])
def test_each_is_named_once(item: int) -> None:
    named = LargestFirst([0.0, 1.0], [1.0, 1.0], places=2)
    named.next(0)
    with pytest.raises(SchemaError, match="named before"):
        named.next(item)
