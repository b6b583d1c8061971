"""The parts of the benchmark that need no server: what they find is what is asked."""

from __future__ import annotations

import pytest

from benchmarks import _serving_faults, _serving_swaps


@pytest.mark.slow
def test_whatever_a_model_does_the_base_order_is_answered() -> None:
    found = _serving_faults.run(quick=True)
    assert found["fault_ok_share"] == 1.0
    assert found["fault_requests"] == 240


@pytest.mark.slow
def test_every_list_is_of_the_version_that_it_names() -> None:
    found = _serving_swaps.run(quick=True)
    assert found["swap_failures"] == 0
    assert found["swaps"] == 3
