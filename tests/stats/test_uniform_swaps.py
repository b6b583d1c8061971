"""Chances of slates by uniform swaps, against every way that the swaps can go."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.stats.uniform_swaps import swapped_slot_propensities


def by_enumeration(n: int, k: int, epsilon: float) -> np.ndarray:
    """Follow every order that there can be, slot by slot."""
    orders = {tuple(range(n)): 1.0}
    for slot in range(k):
        after: dict[tuple[int, ...], float] = defaultdict(float)
        for order, chance in orders.items():
            after[order] += chance * (1 - epsilon)
            for other in range(slot, n):
                swapped = list(order)
                swapped[slot], swapped[other] = swapped[other], swapped[slot]
                after[tuple(swapped)] += chance * epsilon / (n - slot)
        orders = after
    found = np.zeros((n, k))
    for order, chance in orders.items():
        for slot in range(k):
            found[order[slot], slot] += chance
    return found


@pytest.mark.parametrize(("n", "k"), [(1, 1), (4, 1), (5, 3), (6, 5), (5, 5)])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_against_enumeration(n: int, k: int, epsilon: float) -> None:
    found = swapped_slot_propensities(n, k, epsilon=epsilon)
    assert found.shape == (n, k)
    np.testing.assert_allclose(found, by_enumeration(n, k, epsilon), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-12)


def test_many_items() -> None:
    found = swapped_slot_propensities(1000, 20, epsilon=0.2)
    np.testing.assert_allclose(found.sum(), 20)
    left_out = np.prod(1 - 0.2 / (1000 - np.arange(20)))
    np.testing.assert_allclose(found[20:].sum(axis=1), 1 - left_out)


@pytest.mark.parametrize(
    ("n", "k", "epsilon", "came"),
    [(3, 4, 0.1, "k = 4"), (3, 0, 0.1, "0"), (3, 1, 1.5, "1.5"), (3, 1, float("nan"), "nan")],
)
def test_what_cannot_be(n: int, k: int, epsilon: float, came: str) -> None:
    with pytest.raises(ConfigError, match=came):
        swapped_slot_propensities(n, k, epsilon=epsilon)
