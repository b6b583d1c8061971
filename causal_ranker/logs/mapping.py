"""Files whose columns have other names, and whose clocks have no time zone, as tables of ours.

Nothing is guessed: every name, and the zone of clocks without one, stand in the settings.
"""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Self

import ibis
import ibis.expr.datatypes as dt
from pydantic import Field, field_validator

from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.logs.failures import reading
from causal_ranker.logs.flags import zero_or_one
from causal_ranker.logs.rules import Contract, Kind

__all__ = ["TableSource", "check_zone", "mapped", "their_contract"]

_OURS: Final = frozenset(
    value for name, value in vars(C).items() if name.isupper() and isinstance(value, str)
)
_BETWEEN: Final = "\x1f"  # in no id: joined ids of different columns stay different
_AWARE: Final = dt.Timestamp(timezone="UTC")
# By how much clocks are set back, in minutes; a half hour on Lord Howe Island alone.
_STEPS: Final = (30, 60)


def _timezone(zone: str, moment: Any) -> Any:
    """Stand for DuckDB's function of that name."""


#: From the clock of a zone to the moment, and back.
_instant: Final[Any] = ibis.udf.scalar.builtin(
    _timezone, name="timezone", signature=((dt.string, dt.timestamp), _AWARE)
)
_clock: Final[Any] = ibis.udf.scalar.builtin(
    _timezone, name="timezone", signature=((dt.string, _AWARE), dt.timestamp)
)


class TableSource(FrozenConfig):
    """One of the caller's files, and what its columns are called.

    Parameters
    ----------
    path : str
        A Parquet or CSV file, a folder, or a glob; from the folder in which the program runs.
    columns : dict of str to str or tuple of str
        Our name of a column, and theirs. Several names make one id of several columns. Columns
        that are not named here keep their names.
    time_zone : str, optional
        Where the clock stood that wrote times without a time zone, such as ``"UTC"`` or
        ``"Europe/Berlin"``. Times that have a zone keep theirs.
    only_if : str, optional
        Their column of a flag: rows in which it is not true are left out. For a file that holds
        what could have been shown, with a flag for what was.

    Raises
    ------
    ConfigError
        If a name is left open, is none of ours, or the time zone is none that this machine knows.
    """

    path: Annotated[str, Field(min_length=1)]
    columns: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    time_zone: str | None = None
    only_if: str | None = None

    @field_validator("columns")
    @classmethod
    def _check_columns(
        cls, columns: dict[str, str | tuple[str, ...]]
    ) -> dict[str, str | tuple[str, ...]]:
        for ours, theirs in columns.items():
            if ours not in _OURS:
                known = sorted(_OURS)
                near = difflib.get_close_matches(ours, known, n=1, cutoff=0.6)
                raise ConfigError(
                    expected="names of ours on the left, names of the file on the right",
                    came=f"{ours} = {theirs!r}",
                    do=f"Is {near[0]!r} meant?" if near else f"Ours are {', '.join(known)}.",
                )
            if not theirs or not all(theirs):
                raise ConfigError(
                    expected=f"the column that holds '{ours}'",
                    came=f"{ours} = {theirs!r}, which nobody has decided yet",
                    do="Write the column's name there; the comment above says what is in question.",
                )
        return columns

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, zone: str | None) -> str | None:
        check_zone(zone)
        return zone

    def at(self, path: str) -> Self:
        """Return the same names for another file.

        Parameters
        ----------
        path : str
            The file.

        Returns
        -------
        TableSource
            The mapping of that file.
        """
        return self.model_copy(update={"path": path})


def check_zone(zone: str | None) -> None:
    """Refuse a time zone that this machine does not know.

    Parameters
    ----------
    zone : str or None
        Its name, such as ``"Europe/Berlin"``; None is fine.

    Raises
    ------
    ConfigError
        If it is unknown, or empty: then nobody has decided yet.
    """
    known = zoneinfo.available_timezones()
    if zone is None or zone in known:
        return
    near = difflib.get_close_matches(zone, sorted(known), n=1, cutoff=0.6)
    undecided = ", which nobody has decided yet" if not zone else ""
    raise ConfigError(
        expected="the time zone of clocks that name none, such as 'UTC' or 'Europe/Berlin'",
        came=f"time_zone = {zone!r}{undecided}",
        do=f"Is {near[0]!r} meant?" if near else "Write where the clock stood.",
    )


def their_contract(contract: Contract, source: TableSource) -> Contract:
    """Say what each of their columns has to hold, so that CSV files are read as such.

    Parameters
    ----------
    contract : Contract
        What our table must look like.
    source : TableSource
        What the columns are called.

    Returns
    -------
    Contract
        The same kinds by their names; times are left out where they may have no zone, and ids
        that are made of several columns.
    """

    def theirs(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        named = {ours: source.columns.get(ours, ours) for ours in kinds}
        return {
            their: kinds[ours]
            for ours, their in named.items()
            if isinstance(their, str)
            and not (source.time_zone is not None and kinds[ours] is Kind.TIME)
        }

    # A column that is named twice (a time that is also part of an id) is what it is named alone.
    return replace(
        contract, required=theirs(contract.required), optional=theirs(contract.optional), rules=()
    )


def mapped(
    table: ibis.Table, source: TableSource, *, name: str, contract: Contract | None
) -> ibis.Table:
    """Give a table of theirs our names.

    Parameters
    ----------
    table : ibis.Table
        Theirs, on DuckDB.
    source : TableSource
        What the columns are called.
    name : str
        What the table is, for messages.
    contract : Contract, optional
        What our table must look like: it says which columns are times and flags.

    Returns
    -------
    ibis.Table
        The named columns, and those of theirs that nothing was made of; lazy.

    Raises
    ------
    SchemaError
        If the file lacks a column that is named.
    RowError
        If a flag is neither 0 nor 1, or a naive time is no moment, or two, on the clock of the
        time zone.
    """
    _check_there(table, source, name=name)
    kinds = {} if contract is None else {**contract.optional, **contract.required}
    made = {}
    for ours in dict.fromkeys(
        [*source.columns, *(each for each in kinds if each in table.columns)]
    ):
        theirs = source.columns.get(ours, ours)
        if isinstance(theirs, str):
            column = _as_kind(table, theirs, kinds.get(ours), source=source, name=name)
        else:
            column = ibis.literal(_BETWEEN).join([table[each].cast("string") for each in theirs])
        made[ours] = column
    used = {theirs for theirs in source.columns.values() if isinstance(theirs, str)}
    if source.only_if is not None:
        used.add(source.only_if)
        flag = _as_kind(table, source.only_if, Kind.FLAG, source=source, name=name)
        made["only_if"] = flag
    rest = {each: table[each] for each in table.columns if each not in used and each not in made}
    renamed = table.select(**made, **rest)
    if source.only_if is None:
        return renamed
    return renamed.filter(renamed["only_if"]).drop("only_if")


def _check_there(table: ibis.Table, source: TableSource, *, name: str) -> None:
    asked = {
        their: ours
        for ours, theirs in source.columns.items()
        for their in ([theirs] if isinstance(theirs, str) else theirs)
    }
    if source.only_if is not None:
        asked[source.only_if] = "only_if"
    for their, ours in asked.items():
        if their not in table.columns:
            near = difflib.get_close_matches(their, table.columns, n=1, cutoff=0.6)
            raise SchemaError(
                expected=f"the column '{their}' in {name} ({source.path}), named as '{ours}'",
                came=f"the columns {', '.join(map(repr, table.columns))}",
                do=f"Is '{near[0]}' meant?" if near else "Name another column in the settings.",
            )


def _as_kind(
    table: ibis.Table, theirs: str, kind: Kind | None, *, source: TableSource, name: str
) -> ibis.Value:
    column = table[theirs]
    if kind is Kind.FLAG and column.type().is_numeric():
        return _flag(table, theirs, name=name)
    if kind is Kind.TIME and column.type().is_timestamp() and column.type().timezone is None:
        return column if source.time_zone is None else _located(table, theirs, source, name=name)
    return column


def _flag(table: ibis.Table, theirs: str, *, name: str) -> ibis.Value:
    """Read 0 and 1 as a flag, and nothing else."""
    other = table.filter(~table[theirs].isin([0, 1]))
    with reading(name):
        found = other.aggregate(rows=other.count(), some=other[theirs].min()).to_pyarrow()
    rows, some = (found[each][0].as_py() for each in ("rows", "some"))
    if rows:
        raise RowError(
            expected=f"0 or 1 in the column '{theirs}' of {name}, a flag",
            came=f"{rows} rows otherwise, e.g. {some}",
            do="Name a column of true and false, or of 0 and 1.",
        )
    return table[theirs] == 1


def _located(table: ibis.Table, theirs: str, source: TableSource, *, name: str) -> ibis.Value:
    """Read naive times on a clock, and refuse those it never showed, or showed twice."""
    shown = table[theirs].cast("timestamp")
    moment = _instant(source.time_zone, shown)
    skipped = _clock(source.time_zone, moment) != shown
    twice = ibis.or_(
        *(
            _clock(source.time_zone, moment + sign * ibis.interval(minutes=step)) == shown
            for step in _STEPS
            for sign in (1, -1)
        )
    )
    for bad, what in ((skipped, "that this clock leaves out"), (twice, "that it shows twice")):
        found = table.aggregate(rows=zero_or_one(bad).sum(), some=shown.min(where=bad))
        with reading(name):
            line = found.to_pyarrow().to_pylist()[0]
        if line["rows"]:
            raise RowError(
                expected=f"times in '{theirs}' of {name} that are one moment in {source.time_zone}",
                came=f"{line['rows']} {what} where it is set back or forward, e.g. {line['some']}",
                do="Write that column in UTC, or with its offset (+01:00), where the log is made.",
            )
    return moment
