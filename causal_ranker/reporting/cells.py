"""How a value is written in a table, the same in HTML and on the console."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from numbers import Integral, Real

from causal_ranker.reporting.blocks import Table

__all__ = ["flush_right", "format_cell", "format_rows", "numeric_columns"]

_MISSING = "n/a"
_WHOLE_FROM = 1000.0  # above this, decimals are noise
_NUMBER = r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
# A number, a percentage, a range, or a number with its interval: what `evaluation.wording` writes.
_FIGURE = re.compile(rf"{_NUMBER}(?: %)?(?: to {_NUMBER})?(?: \((?:{_NUMBER} to {_NUMBER}|n/a)\))?")
_NO_FIGURE = {"", _MISSING, "none", "reference", "cannot be told"}


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def format_cell(value: object) -> str:
    """Write one value as a table shows it.

    Parameters
    ----------
    value : object
        Text stays as it is; integers get thousands separators; other numbers four significant
        digits, or none after the point from 1,000 on; None and NaN become "n/a"; times are cut
        to the minute.

    Returns
    -------
    str
        The text of the cell.
    """
    if value is None:
        return _MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        number = float(value)
        if math.isnan(number):
            return _MISSING
        return f"{number:,.0f}" if abs(number) >= _WHOLE_FROM else f"{number:.4g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    return str(value)


def _decimals(column: Sequence[object]) -> int | None:
    """Digits after the point that suit a whole column of fractions; None where none suit."""
    sizes = [
        abs(float(value))
        for value in column
        if isinstance(value, Real) and math.isfinite(value) and value != 0
    ]
    whole = all(isinstance(value, Integral) for value in column if value is not None)
    if not sizes or whole or max(sizes) >= _WHOLE_FROM:
        return None
    digits = max(2 - math.floor(math.log10(max(sizes))), 0)
    # where the smallest would be written as zero, each value is better off alone
    return digits if min(sizes) >= 10.0**-digits else None


def format_rows(table: Table) -> list[list[str]]:
    """Write all cells of a table, the fractions of one column with the same number of digits.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    list of list of str
        The cells' texts, row by row.
    """
    numeric = numeric_columns(table)
    digits = [
        _decimals([row[at] for row in table.rows]) if numeric[at] else None
        for at in range(len(table.columns))
    ]

    def text(value: object, places: int | None) -> str:
        if places is None or not isinstance(value, Real) or not math.isfinite(value):
            return format_cell(value)
        return f"{float(value):.{places}f}"

    return [[text(value, digits[at]) for at, value in enumerate(row)] for row in table.rows]


def numeric_columns(table: Table) -> Sequence[bool]:
    """Say which columns hold numbers only, and are set flush right.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    sequence of bool
        One value per column; a column of nothing but missing values is not numeric.
    """
    columns = [[row[at] for row in table.rows] for at in range(len(table.columns))]
    return [
        any(_is_number(value) for value in column)
        and all(value is None or _is_number(value) for value in column)
        for column in columns
    ]


def flush_right(table: Table) -> Sequence[bool]:
    """Say which columns hold figures, written as numbers or as text such as ``+1.2 (0.5 to 1.9)``.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    sequence of bool
        One value per column; figures may be missing, but there is at least one.
    """
    columns = [[format_cell(row[at]) for row in table.rows] for at in range(len(table.columns))]
    return [
        any(_FIGURE.fullmatch(cell) for cell in column)
        and all(cell in _NO_FIGURE or _FIGURE.fullmatch(cell) for cell in column)
        for column in columns
    ]
