"""What the words of a CSV file mean, and which of them mean nothing.

DuckDB settles a column's type by its first rows. Of later words it makes an empty value where they
are no timestamp, UTC where they name no zone, and a whole number where they are a fraction. So
every word is looked at once, in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import ibis
import ibis.expr.datatypes as dt

from causal_ranker.errors import RowError
from causal_ranker.logs.rules import Contract, Kind

__all__ = ["Words", "judge_words", "read_word", "refuse_words", "said_type", "unreadable"]

_AWARE: Final = dt.Timestamp(timezone="UTC")
# An offset or the name of a zone, behind a time of day: a date alone ends in "-10", too.
_ZONE: Final = (
    r":[0-9]{2}([.,][0-9]+)?\s*([Zz]|[+-][0-9]{2}(:?[0-9]{2}){0,2}|[A-Za-z][A-Za-z0-9_/+-]*)\s*$"
)
_FLAG: Final = r"^\s*(?i:true|false|t|f|yes|no)\s*$"
_PROMISED: Final = {Kind.TIME: _AWARE, Kind.FLAG: dt.boolean, Kind.NUMBER: dt.int64}
_SAMPLE: Final = 3
_LONG: Final = 60


@dataclass(frozen=True)
class Words:
    """How one column's words are read.

    Attributes
    ----------
    kind : ibis.expr.datatypes.DataType
        The type.
    unreadable : int
        Words that are no such value.
    naive : int
        Those of them that are instants without a time zone.
    """

    kind: dt.DataType
    unreadable: int
    naive: int


def judge_words(
    words: ibis.Table, kinds: Mapping[str, dt.DataType], contract: Contract | None
) -> dict[str, Words]:
    """Settle the type of each column, and count the words that are no such value.

    A column of whole numbers with a later fraction becomes one of fractions. A column that the
    contract knows, and that some words made a text, is of the contract's type where any word is,
    or where there is no word. What it calls text is text, and ids are text where one of them is no
    number, or begins with a zero that a number would lose.

    Parameters
    ----------
    words : ibis.Table
        The rows, each value as it is written.
    kinds : mapping of str to ibis.expr.datatypes.DataType
        Types by the first rows.
    contract : Contract, optional
        What the table should be.

    Returns
    -------
    dict of str to Words
        Every column that came as words.
    """
    columns = [name for name, kind in words.schema().items() if kind.is_string()]
    promised = {**contract.required, **contract.optional} if contract else {}
    tried: dict[str, list[dt.DataType]] = {}
    for column in columns:
        kind, promise = kinds[column], promised.get(column)
        if kind.is_string() and promise is not None:
            kind = _PROMISED.get(promise, kind)
        if promise is Kind.TEXT or (promise is Kind.ID and not kind.is_numeric()):
            kind = dt.string
        fraction = kind.is_integer() and promise is not Kind.ID
        tried[column] = [kind, dt.float64] if fraction else [kind]
    aims: dict[str, Any] = {}
    for i, column in enumerate(columns):
        word = words[column]
        # Counted in every column, so that each line is taken apart to its end.
        aims[f"words_{i}"] = word.count()
        for j, kind in enumerate(tried[column]):
            aims[f"bad_{i}_{j}"] = unreadable(word, kind).cast("int64").sum()
        if _is_aware(tried[column][0]):
            aims[f"naive_{i}"] = _naive(word).cast("int64").sum()
        if promised.get(column) is Kind.ID:
            aims[f"named_{i}"] = _is_name(word).cast("int64").sum()
    counts = words.aggregate(**aims).to_pyarrow().to_pylist()[0] if aims else {}
    found: dict[str, Words] = {}
    for i, column in enumerate(columns):
        bads = [int(counts[f"bad_{i}_{j}"] or 0) for j in range(len(tried[column]))]
        kind = tried[column][bads.index(min(bads))]
        if counts.get(f"named_{i}"):  # whatever the first rows were taken for
            found[column] = Words(kind=dt.string, unreadable=0, naive=0)
        elif 0 < min(bads) == counts[f"words_{i}"]:  # a column of another type, and no bad word
            found[column] = Words(kind=kinds[column], unreadable=0, naive=0)
        else:
            naive = int(counts.get(f"naive_{i}") or 0)
            found[column] = Words(kind=kind, unreadable=min(bads), naive=naive)
    return found


def read_word(word: Any, kind: dt.DataType) -> Any:
    """Return what a word means.

    Parameters
    ----------
    word : ibis.Column
        Text.
    kind : ibis.expr.datatypes.DataType
        What it should be.

    Returns
    -------
    ibis.Column
        Values of that type; null where the word is none.
    """
    if kind.is_string():
        return word
    value = word.try_cast(kind)
    if kind.is_integer():  # the engine rounds fractions
        rounded = (word.try_cast("float64") != value.cast("float64")).fill_null(False)
        return ibis.ifelse(rounded, ibis.null(kind), value)
    if kind.is_boolean():
        return ibis.ifelse(word.re_search(_FLAG), value, ibis.null(kind))
    if _is_aware(kind):
        return ibis.ifelse(word.re_search(_ZONE), value, ibis.null(kind))
    return value


def unreadable(word: Any, kind: dt.DataType) -> Any:
    """Tell the words that are no value of a type; an empty one is no word.

    Parameters
    ----------
    word : ibis.Column
        Text.
    kind : ibis.expr.datatypes.DataType
        What it should be.

    Returns
    -------
    ibis.Column
        Boolean.
    """
    return word.notnull() & read_word(word, kind).isnull()


def refuse_words(words: ibis.Table, judged: Mapping[str, Words], *, name: str) -> None:
    """Refuse words that are no value of their column's type.

    Parameters
    ----------
    words : ibis.Table
        The rows, each value as it is written.
    judged : mapping of str to Words
        What `judge_words` found.
    name : str
        What the table is, for messages.

    Raises
    ------
    RowError
        If there are any; the message names the column and some of the words.
    """
    for column, each in judged.items():
        if not each.unreadable:
            continue
        word = words[column]
        bad = unreadable(word, each.kind)
        expected = f"{said_type(each.kind)} in every value of the column '{column}' of {name}"
        came, count = "otherwise", each.unreadable
        do = "Mend these values, or leave them empty where the value is unknown."
        if each.naive:
            bad, count = _naive(word), each.naive
            expected = f"a time zone in every value of the column '{column}' of {name}"
            came = "without one"
            do = "Say where their clock stood: localise them before they are mixed with others."
        some = words.filter(bad).limit(_SAMPLE).to_pyarrow().to_pylist()
        said = ", ".join(dict.fromkeys(row[column][:_LONG] for row in some))
        first = ", ".join(str(value) for value in some[0].values())[:_LONG]
        rows = words.count().to_pyarrow().as_py()
        raise RowError(
            expected=expected,
            came=f"{count} of {rows} {came}, e.g. {said}, first in the row {first!r}",
            do=do,
        )


def said_type(kind: dt.DataType) -> str:
    """Return how messages call a type.

    Parameters
    ----------
    kind : ibis.expr.datatypes.DataType
        The type.

    Returns
    -------
    str
        Its name in the plural.
    """
    if _is_aware(kind):
        return Kind.TIME.value
    if kind.is_integer():
        return "whole numbers"
    if kind.is_numeric():
        return Kind.NUMBER.value
    return Kind.FLAG.value if kind.is_boolean() else f"values of the type {kind}"


def _is_aware(kind: dt.DataType) -> bool:
    return bool(kind.is_timestamp()) and kind.timezone is not None


def _is_name(word: Any) -> Any:
    padded = word.startswith("0") & word.substr(1, 1).between("0", "9")
    return unreadable(word, dt.float64) | padded


def _naive(word: Any) -> Any:
    return ibis.ifelse(word.re_search(_ZONE), False, word.try_cast("timestamp").notnull())
