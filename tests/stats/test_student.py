from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from causal_ranker.stats._student import two_sided_quantile


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 9, 30, 99, 199, 200, 201, 500, 10**6])
@pytest.mark.parametrize("level", [0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_it_agrees_with_scipy(degrees: int, level: float) -> None:
    expected = t.ppf(0.5 + level / 2, degrees)
    assert two_sided_quantile(level, degrees=degrees) == pytest.approx(expected, rel=1e-9)


def test_it_falls_to_the_normal_quantile() -> None:
    found = [two_sided_quantile(0.95, degrees=degrees) for degrees in range(1, 1000)]
    assert (np.diff(found) < 0).all()
    assert two_sided_quantile(0.95, degrees=10**9) == pytest.approx(1.959963984540054, abs=1e-8)
