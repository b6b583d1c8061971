"""p-values of many tests: by their definitions, and by how often they raise a false alarm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from causal_ranker.errors import EmptyError, RowError
from causal_ranker.stats.multiplicity import benjamini_hochberg, holm

p_values = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=12)


@given(p_values)
def test_scipy_and_the_definition_give_the_same(p: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), atol=1e-12)
    n, ordered = len(p), sorted(p)
    for value, found in zip(p, holm(p), strict=True):
        # Each is rejected once all smaller ones are, against ever fewer others.
        steps = [min(1.0, (n - j) * ordered[j]) for j in range(n) if ordered[j] <= value]
        assert found == pytest.approx(max(steps))


def test_by_hand_in_the_order_given() -> None:
    p = [0.04, 0.01, 0.02]
    np.testing.assert_allclose(holm(p), [0.04, 0.03, 0.04])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.04, 0.03, 0.03])
    assert p == [0.04, 0.01, 0.02]


def test_false_alarms_are_as_rare_as_they_say() -> None:
    rng = np.random.default_rng(0)
    runs, tests = 4_000, 8
    p = rng.random((runs, tests))
    for adjust in (holm, benjamini_hochberg):  # where nothing is true both bound any false alarm
        alarms = np.mean([(adjust(row) <= 0.05).any() for row in p])
        assert abs(alarms - 0.05) < 4 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_what_is_no_p_value_is_refused(adjust: object) -> None:
    for wrong in ([-0.1, 0.5], [0.5, 1.1]):
        with pytest.raises(RowError, match=r"p-values in \[0, 1\]"):
            adjust(wrong)  # type: ignore[operator]
    with pytest.raises(EmptyError):
        adjust([])  # type: ignore[operator]
    np.testing.assert_array_equal(adjust([0.0, 1.0]), [0.0, 1.0])  # type: ignore[operator]
