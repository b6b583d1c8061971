"""Intervals of the average effect and of group effects hold the truth as often as they say.

`python -m benchmarks interval_coverage` does the same with LightGBM nuisances in every regime.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks._coverage import boosted, coverage, linear
from benchmarks._regimes import REGIMES

pytestmark = pytest.mark.slow

DRAWS = 1000
LOW, HIGH = 0.926, 0.974  # 95 % -/+ 3.5 binomial standard errors of 1,000 draws

FEW, LEAST = 200, 0.896  # the same of 200 draws; the upper end is above 1


@pytest.mark.parametrize("name", list(REGIMES))
def test_linear_nuisances(name: str) -> None:
    found = coverage(name, linear, draws=DRAWS)
    assert LOW <= found.average <= HIGH
    assert LOW <= min(found.groups) <= max(found.groups) <= HIGH
    assert LOW <= found.difference <= HIGH
    assert LOW <= found.everywhere <= HIGH
    assert found.average_by_row < LOW  # the test can fail: ignoring the users does not pass


def test_lightgbm_nuisances() -> None:
    found = coverage("confounded", boosted, draws=FEW)
    assert found.average >= LEAST
    assert min(found.groups) >= LEAST
    assert found.difference >= LEAST
    # At 95 % so few draws show no excess: 68 % intervals do.
    band = 3.5 * np.sqrt(0.6827 * 0.3173 / FEW)
    assert 0.6827 - band <= found.average_68 <= 0.6827 + band
