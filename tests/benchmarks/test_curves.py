from __future__ import annotations

from typing import Any

import pytest

from benchmarks import curves
from benchmarks._curves_child import ours


def test_the_scores_differ_as_they_should() -> None:
    found = ours(20_000, 50)
    assert found["gap"] > 2
    assert found["seconds"] > 0


@pytest.mark.slow
def test_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "_ROWS", 200_000)
    monkeypatch.setattr(curves, "_LARGE", 400_000)
    found = curves.run(quick=True)
    assert all(len(row) == len(found.columns) for row in found.rows)
    figures: dict[str, Any] = dict(found.figures)
    assert figures["rows"] == 4_000
    assert figures["draws"] == 100
    assert figures["seconds"] > 0
    assert figures["speedup_vs_causalml"] == pytest.approx(
        figures["causalml_seconds"] / figures["seconds"], rel=0.3
    )
    assert 50 < figures["peak_rss_mb"] < 6 * 1024
