from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.evaluation.wording import (
    decimals_for,
    interval_text,
    percent,
    range_text,
    root_text,
)
from causal_ranker.stats.intervals import Interval

NAN = float("nan")


def interval(point: float, half_width: float) -> Interval:
    return Interval(point, point - half_width, point + half_width, half_width / 2)


@pytest.mark.parametrize(
    ("point", "half_width", "text"),
    [
        (0.0123, 0.0073, "+1.23 (0.50 to 1.96)"),
        (-0.004, 0.012, "-0.4 (-1.6 to 0.8)"),
        (0.5, 0.2, "+50 (30 to 70)"),
        (0.00004, 0.00003, "+0.0040 (0.0010 to 0.0070)"),
        (-1e-9, 0.01, "+0.0 (-1.0 to 1.0)"),
        (0.0, 0.0, "+0.00 (0.00 to 0.00)"),
    ],
)
def test_an_estimate_with_its_interval(point: float, half_width: float, text: str) -> None:
    found = interval(point, half_width)
    assert interval_text(found, decimals=decimals_for([found])) == text


def test_an_end_that_is_not_0_is_not_written_as_0() -> None:
    found = Interval(0.0073, 0.00002, 0.01458, 0.0037)
    assert range_text(found, decimals=decimals_for([found])) == "0.002 to 1.458"


def test_a_column_shares_its_decimals() -> None:
    column = [interval(0.046, 0.012), interval(0.005, 0.0006)]
    assert decimals_for(column) == 2
    assert decimals_for([interval(0.046, 0.012), interval(0.005, 0.2)]) == 0


def test_no_interval_is_no_number() -> None:
    found = Interval(0.02, NAN, NAN, NAN)
    assert interval_text(found, decimals=decimals_for([found])) == "+2.00 (n/a)"
    assert interval_text(Interval(NAN, NAN, NAN, NAN), decimals=2) == "n/a (n/a)"


@given(point=st.floats(-2, 2), half_width=st.floats(1e-6, 2))
def test_what_is_written_excludes_0_as_the_interval_does(point: float, half_width: float) -> None:
    found = interval(point, half_width)
    low, high = map(float, range_text(found, decimals=decimals_for([found])).split(" to "))
    if min(abs(found.low), abs(found.high)) > 1e-7:
        assert (low > 0) == (found.low > 0)
        assert (high < 0) == (found.high < 0)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.95, "95 %"),
        (0.123, "12.3 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.0001, "less than 0.1 %"),
        (0.9999, "more than 99.9 %"),
        (0.99, "99 %"),
        (0.0012, "0.12 %"),
    ],
)
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("point", "low", "high", "text"),
    [
        (0.0004, 0.0001, 0.0009, "2 (1 to 3) plays"),
        (0.0004, -0.0001, 0.0009, "not distinguishable from 0 (at most 3 plays)"),
        (-0.0004, -0.001, 0.0009, "not distinguishable from 0 (at most 3 plays)"),
        (-0.0004, -0.001, -0.0001, "not distinguishable from 0"),
        (NAN, NAN, NAN, "n/a"),
    ],
)
def test_a_mean_square_below_0_is_no_0(point: float, low: float, high: float, text: str) -> None:
    assert root_text(Interval(point, low, high, 0.01), unit="plays") == text
