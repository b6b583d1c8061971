"""What a table must look like, as data: column kinds, row rules, and how they are checked.

A rule is one boolean expression, so a check of all rules is one pass over the table, on
whatever engine holds it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import ibis

from causal_ranker.errors import DataError, EmptyError, RowError, SchemaError
from causal_ranker.logs.failures import reading
from causal_ranker.logs.flags import zero_or_one

__all__ = [
    "Contract",
    "Kind",
    "RowRule",
    "check",
    "check_any_row",
    "check_columns",
    "require_columns",
]

_SAMPLE = 3


class Kind(Enum):
    """What a column must hold; the value is how messages say it."""

    ID = "integers or strings"
    TIME = "UTC-aware timestamps"
    NUMBER = "numbers"
    FLAG = "true or false"
    TEXT = "text"


@dataclass(frozen=True)
class RowRule:
    """One thing that must hold in every row.

    Parameters
    ----------
    column : str
        The column that the rule is about; the rule is skipped where the table has none.
    expected : str
        What must hold, e.g. ``"1 or more"``.
    do : str
        What the reader of the message can do.
    bad : callable
        From the table to a boolean expression, true in bad rows; null counts as fine.
    """

    column: str
    expected: str
    do: str
    bad: Callable[[ibis.Table], Any]


@dataclass(frozen=True)
class Contract:
    """The contract of one table.

    Parameters
    ----------
    name : str
        The table's name in messages.
    key : tuple of str
        Columns that together identify a row.
    required : dict of str to Kind
        Columns that must be there, without nulls.
    optional : dict of str to Kind
        Columns that are checked when they are there.
    rules : tuple of RowRule
        What must hold in every row.
    """

    name: str
    key: tuple[str, ...]
    required: dict[str, Kind]
    optional: dict[str, Kind] = field(default_factory=dict)
    rules: tuple[RowRule, ...] = ()

    @property
    def all_rules(self) -> tuple[RowRule, ...]:
        """The row rules, after one rule against nulls for each required column."""
        return tuple(_not_null(column) for column in self.required) + self.rules


def check(
    table: ibis.Table,
    contract: Contract,
    *,
    known_unique: bool = False,
    may_be_empty: bool = False,
) -> ibis.Table:
    """Check a table against its contract: names and types first, then all rows in one query.

    Parameters
    ----------
    table : ibis.Table
        The table to check, on any engine.
    contract : Contract
        What it must look like.
    known_unique : bool, default False
        Leave out the search for duplicate keys, the one check that costs memory in proportion
        to the rows.
    may_be_empty : bool, default False
        Accept a table without rows, such as a slice of a log.

    Returns
    -------
    ibis.Table
        The same table.

    Raises
    ------
    SchemaError
        If a column is missing or has the wrong type.
    EmptyError
        If the table has no row, and should.
    RowError
        If some rows break a rule, or share a key.
    DataError
        If the rows cannot be read.
    """
    check_columns(table, contract)
    rules = [rule for rule in contract.all_rules if rule.column in table.columns]
    with reading(contract.name):
        counts = _counts(table, contract, rules, known_unique)
    if counts["rows"] == 0 and not may_be_empty:
        raise _empty(contract)
    broken = [(rule, counts[f"bad_{i}"]) for i, rule in enumerate(rules) if counts[f"bad_{i}"]]
    if broken:
        raise _bad_rows(table, contract, broken, counts["rows"])
    if counts["keys"] < counts["rows"]:
        raise _duplicates(table, contract, counts["rows"] - counts["keys"])
    return table


def check_columns(table: ibis.Table, contract: Contract) -> None:
    """Check names and types of columns; no row is read while they are right.

    Parameters
    ----------
    table : ibis.Table
        The table to check.
    contract : Contract
        What it must look like.

    Raises
    ------
    SchemaError
        If a column is missing or has the wrong type.
    EmptyError
        If one has the wrong type, and the table has no row.
    """
    require_columns(table, contract.required, name=contract.name)
    for column, kind in {**contract.required, **contract.optional}.items():
        if column in table.columns and not _is_kind(table[column].type(), kind):
            raise _wrong_type(table, contract, column, kind)


def check_any_row(table: ibis.Table, contract: Contract) -> None:
    """Check that there is a row, without a look at the others.

    Parameters
    ----------
    table : ibis.Table
        The table to check.
    contract : Contract
        What it must look like.

    Raises
    ------
    EmptyError
        If the table has no row.
    DataError
        If the rows cannot be read.
    """
    with reading(contract.name):
        some = table.select(*contract.key).limit(1).to_pyarrow().num_rows
    if not some:
        raise _empty(contract)


def require_columns(table: ibis.Table, columns: Any, *, name: str) -> None:
    """Raise if a column is missing.

    Parameters
    ----------
    table : ibis.Table
        The table.
    columns : iterable of str
        Names that must be there.
    name : str
        The table's name in the message.

    Raises
    ------
    SchemaError
        If one is missing; the message lists the columns that came, and the nearest name.
    """
    missing = [column for column in columns if column not in table.columns]
    if not missing:
        return
    near = difflib.get_close_matches(missing[0], table.columns, n=1, cutoff=0.6)
    hint = f"Rename '{near[0]}' to '{missing[0]}'?" if near else "Rename the column that holds it."
    raise SchemaError(
        expected=f"the column{'s' * (len(missing) > 1)} {_quoted(missing)} in {name}",
        came=f"the columns {_quoted(table.columns)}",
        do=hint,
    )


def _not_null(column: str) -> RowRule:
    return RowRule(
        column=column,
        expected="a value in every row",
        do="Fill the value from its source, or leave these rows out.",
        bad=lambda table: table[column].isnull(),
    )


def _counts(
    table: ibis.Table, contract: Contract, rules: list[RowRule], known_unique: bool
) -> dict[str, int]:
    aims: dict[str, Any] = {
        f"bad_{i}": zero_or_one(rule.bad(table).fill_null(False)).sum()
        for i, rule in enumerate(rules)
    }
    aims["rows"] = table.count()
    if known_unique:
        aims["keys"] = table.count()
    elif len(contract.key) == 1:
        aims["keys"] = table[contract.key[0]].nunique()
    row = table.aggregate(**aims).to_pyarrow().to_pylist()[0]
    if "keys" not in row:
        # Engines differ in how they count distinct tuples; a distinct sub-select is portable.
        row["keys"] = table.select(*contract.key).distinct().count().to_pyarrow().as_py()
    return {name: int(value or 0) for name, value in row.items()}


def _is_kind(dtype: Any, kind: Kind) -> bool:
    if kind is Kind.ID:
        return bool(dtype.is_integer() or dtype.is_string())
    if kind is Kind.TIME:
        return bool(dtype.is_timestamp()) and dtype.timezone is not None
    if kind is Kind.NUMBER:
        return bool(dtype.is_numeric())
    if kind is Kind.TEXT:
        return bool(dtype.is_string())
    return bool(dtype.is_boolean())


def _empty(contract: Contract) -> EmptyError:
    return EmptyError(
        expected=f"at least one row in {contract.name}",
        came="an empty table",
        do="Check the path, and any filter on dates before it.",
    )


def _wrong_type(table: ibis.Table, contract: Contract, column: str, kind: Kind) -> DataError:
    dtype = table[column].type()
    with reading(contract.name):
        rows = table.count().to_pyarrow().as_py()
        values = table.select(column).limit(_SAMPLE).to_pyarrow()[column].to_pylist()
    if rows == 0:
        return _empty(contract)  # an empty frame's columns often have no type
    sample = ", ".join(_say(value) for value in values)
    if kind is Kind.TIME and dtype.is_timestamp():
        came = f"timestamps without a time zone in {rows} rows, e.g. {sample}"
        do = (
            f"Say where its clock stood: in pandas frame['{column}'].dt.tz_localize('UTC') (or "
            f"'America/New_York'), in SQL {column} AT TIME ZONE 'UTC', in CSV write '+00:00'."
        )
    else:
        came = f"the type {dtype} in {rows} rows, e.g. {sample}"
        do = _CAST[kind].format(column=column)
    return SchemaError(
        expected=f"{kind.value} in the column '{column}' of {contract.name}", came=came, do=do
    )


_CAST = {
    Kind.ID: "Cast it to integers or strings; pandas makes floats of integer ids with gaps, "
    "so drop the rows without one and use astype('int64').",
    Kind.TIME: "Parse it, e.g. pandas.to_datetime(frame['{column}'], utc=True).",
    Kind.NUMBER: "Cast it to a number.",
    Kind.FLAG: "Cast it to a boolean, e.g. frame['{column}'].astype('boolean').",
    Kind.TEXT: "Cast it to text, or leave the column out where it is never known.",
}


def _bad_rows(
    table: ibis.Table, contract: Contract, broken: list[tuple[RowRule, int]], rows: int
) -> RowError:
    rule, count = broken[0]
    with reading(contract.name):
        sample = _sample(table.filter(rule.bad(table)), (*contract.key, rule.column))
    also = "".join(f"; also {other.column}: {n} rows" for other, n in broken[1:])
    return RowError(
        expected=f"{rule.expected} in the column '{rule.column}' of {contract.name}",
        came=f"{count} of {rows} rows otherwise, e.g. {sample}{also}",
        do=rule.do,
    )


def _duplicates(table: ibis.Table, contract: Contract, surplus: int) -> RowError:
    repeated = table.group_by(*contract.key).aggregate(rows=table.count())
    with reading(contract.name):
        sample = _sample(repeated.filter(repeated.rows > 1), (*contract.key, "rows"))
    return RowError(
        expected=f"one row for each {_quoted(contract.key)} in {contract.name}",
        came=f"{surplus} duplicate rows, e.g. {sample}",
        do="Keep one row of each, e.g. with drop_duplicates or SELECT DISTINCT; "
        "if they are different events, give them different ids.",
    )


def _sample(table: ibis.Table, columns: tuple[str, ...]) -> str:
    names = list(dict.fromkeys(columns))
    rows = table.select(*names).limit(_SAMPLE).to_pyarrow().to_pylist()
    said = ({name: _say(value) for name, value in row.items()} for row in rows)
    return ", ".join("{" + ", ".join(f"{k}: {v}" for k, v in row.items()) + "}" for row in said)


def _say(value: Any) -> str:
    return str(value) if hasattr(value, "isoformat") else repr(value)


def _quoted(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)
