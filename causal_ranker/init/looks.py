"""What the columns of a table hold: types, missing values, different values, and their range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import ibis

from causal_ranker.logs.rules import Kind
from causal_ranker.logs.sources import reading

__all__ = ["ColumnLook", "TableLook", "look"]

Values = Literal["whole numbers", "numbers", "text", "flags", "times", "naive times", "other"]
_FITTING: Final[Mapping[Kind, tuple[Values, ...]]] = {
    Kind.ID: ("whole numbers", "text"),
    Kind.TIME: ("times", "naive times"),
    Kind.NUMBER: ("whole numbers", "numbers"),
    Kind.FLAG: ("flags", "whole numbers"),
    Kind.TEXT: ("text",),
}


@dataclass(frozen=True)
class ColumnLook:
    """What one column holds.

    Attributes
    ----------
    name : str
        The column.
    values : str
        "whole numbers", "numbers", "text", "flags", "times" (with a time zone), "naive times" or
        "other".
    rows, missing, distinct : int
        Rows, rows without a value, and different values.
    low, high : object
        The smallest and the largest value of numbers and times; None elsewhere.
    """

    name: str
    values: Values
    rows: int
    missing: int
    distinct: int
    low: Any
    high: Any

    @property
    def binary(self) -> bool:
        """Whether it is a flag: true and false, or 0 and 1 in every row, both of them."""
        zero_one = self.values == "whole numbers" and (self.low, self.high) == (0, 1)
        return (self.values == "flags" or zero_one) and self.distinct == 2 and not self.missing

    @property
    def chance(self) -> bool:
        """Whether it can be a chance: numbers above 0 and at most 1, in every row."""
        if self.values != "numbers" or self.missing or self.low is None:
            return False
        return bool(self.low > 0 and self.high <= 1)

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return not self.missing and self.distinct == self.rows

    def fits(self, kind: Kind) -> bool:
        """Say whether it can hold what a contract asks for.

        Parameters
        ----------
        kind : Kind
            What is asked for.

        Returns
        -------
        bool
            Whether its type fits; numbers are flags only where they are 0 and 1.
        """
        if kind is Kind.FLAG:
            return self.binary or self.values == "flags"
        return self.values in _FITTING[kind]


@dataclass(frozen=True)
class TableLook:
    """What a table holds.

    Attributes
    ----------
    rows : int
        Rows.
    columns : dict of str to ColumnLook
        Its columns, in order.
    """

    rows: int
    columns: dict[str, ColumnLook]


def look(table: ibis.Table, *, name: str) -> TableLook:
    """Read what the columns of a table hold, in one query.

    Parameters
    ----------
    table : ibis.Table
        The table.
    name : str
        What it is, for messages.

    Returns
    -------
    TableLook
        What was found.

    Raises
    ------
    DataError
        If the rows cannot be read.
    """
    kinds = {column: _values(kind) for column, kind in table.schema().items()}
    aims: dict[str, Any] = {"rows": table.count()}
    for number, (column, values) in enumerate(kinds.items()):
        aims[f"known_{number}"] = table[column].count()
        if values != "other":
            aims[f"distinct_{number}"] = table[column].nunique()
        if values in ("whole numbers", "numbers", "times", "naive times"):
            aims[f"low_{number}"] = table[column].min()
            aims[f"high_{number}"] = table[column].max()
    with reading(name):
        found = table.aggregate(**aims).to_pyarrow().to_pylist()[0]
    rows = int(found["rows"])
    return TableLook(
        rows=rows,
        columns={
            column: ColumnLook(
                name=column,
                values=values,
                rows=rows,
                missing=rows - int(found[f"known_{number}"]),
                distinct=int(found.get(f"distinct_{number}", 0)),
                low=found.get(f"low_{number}"),
                high=found.get(f"high_{number}"),
            )
            for number, (column, values) in enumerate(kinds.items())
        },
    )


def _values(kind: Any) -> Values:
    if kind.is_boolean():
        return "flags"
    if kind.is_integer():
        return "whole numbers"
    if kind.is_numeric():
        return "numbers"
    if kind.is_string():
        return "text"
    if kind.is_timestamp():
        return "naive times" if kind.timezone is None else "times"
    return "other"
