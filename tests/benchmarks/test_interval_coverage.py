from __future__ import annotations

import pytest

from benchmarks import interval_coverage


@pytest.mark.slow
def test_one_regime_by_both_nuisances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval_coverage, "REGIMES", ["randomised"])
    found = interval_coverage.run(quick=True)
    assert [row[:3] for row in found.rows] == [
        ("linear", "randomised", 100),
        ("LightGBM", "randomised", 20),
    ]
    assert all(len(row) == len(found.columns) for row in found.rows)
    assert found.figures["checked"] == 14  # the average, five groups and their ends, twice
    low, high = found.figures["lowest_linear"], found.figures["highest_linear"]
    assert 0.85 < low <= high <= 1
