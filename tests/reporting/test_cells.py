from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import SchemaError
from causal_ranker.reporting.blocks import Table
from causal_ranker.reporting.cells import (
    flush_right,
    format_cell,
    format_rows,
    numeric_columns,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"),
        (float("nan"), "n/a"),
        (np.float64("nan"), "n/a"),
        (float("inf"), "inf"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (np.int64(-1234), "-1,234"),
        (0.0053217, "0.005322"),
        (0.0, "0"),
        (123456.7, "123,457"),
        ("blend", "blend"),
        (datetime.datetime(2017, 8, 28, 4, tzinfo=datetime.UTC), "2017-08-28 04:00+00:00"),
    ],
)
def test_values_are_written_for_people(value: object, text: str) -> None:
    assert format_cell(value) == text


def column(*values: object) -> list[str]:
    return [row[0] for row in format_rows(Table(["x"], [[value] for value in values]))]


def test_fractions_of_a_column_line_up() -> None:
    assert column(0.0523, 0.03, 0, None) == ["0.0523", "0.0300", "0.0000", "n/a"]
    assert column(12.345, -0.5) == ["12.3", "-0.5"]
    assert column(0.999, 1.0) == ["1.00", "1.00"]


def test_a_column_that_spans_too_much_keeps_each_value() -> None:
    assert column(12.5, 0.00031) == ["12.5", "0.00031"]
    assert column(52341.5, 0.25) == ["52,342", "0.25"]


@given(st.lists(st.floats(-999, 999), min_size=1, max_size=8))
def test_no_value_but_zero_is_written_as_zero(values: list[float]) -> None:
    values = [value if abs(value) > 1e-300 else 0.0 for value in values]
    for value, text in zip(values, column(*values), strict=True):
        assert (float(text.replace(",", "")) == 0) == (value == 0)
        assert float(text.replace(",", "")) == pytest.approx(value, rel=0.6)


def test_numeric_columns_hold_numbers_only() -> None:
    table = Table(["a", "b", "c", "d"], [[1, "x", None, True], [None, 2, None, False]])
    assert list(numeric_columns(table)) == [True, False, False, False]


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"rows of 2 cells.*a row of 1"):
        Table(["a", "b"], [[1, 2], [3]])


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        ([1, 2.5, None], True),
        (["+1.23 (0.50 to 1.96)", "reference"], True),
        (["-8.5 (-14.7 to -2.3)", "+0.1 (n/a)"], True),
        (["24 %", "100 %"], True),
        (["-10 to -1", "n/a"], True),
        (["12,240", "1e-05", ""], True),
        (["n/a", None, ""], False),  # no figure at all
        (["base", "uplift"], False),
        (["lowers (-0.92)", "raises (+0.83)"], False),
        (["4.7.0", "1.5.6"], False),  # versions are words
        (["2025-01-10 00:00"], False),
        (["5", "dr"], False),
    ],
)
def test_figures_stand_flush_right_however_they_are_written(
    cells: list[object], right: bool
) -> None:
    assert list(flush_right(Table(["x"], [[cell] for cell in cells]))) == [right]
