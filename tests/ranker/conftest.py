"""One fitted ranker for all tests, and nothing may talk on the side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker
from tests.ranker.season import (
    fit,
    season,
    tables,
)
from tests.ranker.shared import figures, small


@pytest.fixture(scope="session")
def ranker() -> CausalRanker:
    return fit(season()[0])


@pytest.fixture(scope="session")
def report(ranker: CausalRanker) -> Report:
    return ranker.evaluate(**tables(season()[1]))


@pytest.fixture(scope="session")
def small_report() -> Report:
    past, later = small()
    return fit(past).evaluate(**tables(later))


@pytest.fixture(scope="session")
def small_figures(small_report: Report) -> bytes:
    return figures(small_report)


@pytest.fixture(autouse=True)
def _quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing may talk on the side, LightGBM included."""
    yield
    out, err = capfd.readouterr()
    assert "LightGBM" not in out + err
