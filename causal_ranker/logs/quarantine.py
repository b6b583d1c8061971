"""Set rows that break a contract aside, each with its reason, and go on with the others.

Nothing is repaired and nothing is lost: rows in = rows kept + rows set aside, and that is checked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow.parquet as pq

from causal_ranker.errors import ConfigError, DataError, EmptyError, RowError
from causal_ranker.logs.csv_faults import LINE, REASON, FaultyRows
from causal_ranker.logs.failures import reading
from causal_ranker.logs.rules import Contract, RowRule, check

__all__ = ["REASON", "Quarantine", "quarantine_rows"]

_COPY, _VERSIONS = "quarantine_copy", "quarantine_versions"
_SAME = "a row like another one in every column, of which one is kept"
_OTHER = "other rows have the same {key} and differ elsewhere"


@dataclass(frozen=True)
class Quarantine:
    """One table after its bad rows were set aside.

    Attributes
    ----------
    name : str
        The table's name.
    kept : ibis.Table
        The rows that keep the contract, lazily.
    rows : int
        Rows that came in.
    reasons : dict of str to int
        Rows set aside, by reason, the most frequent first.
    path : Path or None
        The Parquet file that holds them; None if there are none.
    """

    name: str
    kept: ibis.Table
    rows: int
    reasons: dict[str, int]
    path: Path | None

    @property
    def quarantined(self) -> int:
        """Rows set aside."""
        return sum(self.reasons.values())

    def __str__(self) -> str:
        """Say in one line how many rows went where, and why."""
        said = "; ".join(f"{reason}: {rows:,}" for reason, rows in self.reasons.items())
        where = f" in {self.path} ({said})" if self.path else ""
        return f"{self.name}: {self.quarantined:,} of {self.rows:,} rows set aside{where}"


def quarantine_rows(
    table: ibis.Table | FaultyRows,
    contract: Contract,
    *,
    folder: Path,
    known_unique: bool = False,
    may_be_empty: bool = False,
) -> Quarantine:
    """Set aside the rows that break a contract.

    Of rows that are alike in every column one is kept. Of rows that share a key and differ
    elsewhere nobody knows which is right: all are set aside. A word that cannot be read is set
    aside as it was written, and so is a line that is no row.

    Parameters
    ----------
    table : ibis.Table or FaultyRows
        The table, on the embedded engine; or what
        `causal_ranker.logs.csv_faults.read_faulty_csv` made of files with faults.
    contract : Contract
        What rows must keep.
    folder : Path
        Where the Parquet file ``{name}.parquet`` is written; made if need be. Rows that an earlier
        run set aside there stay: this run's file then gets a number.
    known_unique : bool, default False
        The rows are unique by construction: no search for duplicates while no row is bad.
    may_be_empty : bool, default False
        Accept that no row is there or is kept, as in a slice of a log.

    Returns
    -------
    Quarantine
        The rows kept, and what was set aside why.

    Raises
    ------
    SchemaError
        If a column is missing or has the wrong type: then every row is bad.
    EmptyError
        If there is no row, or none that keeps the contract, and should be.
    ConfigError
        If the folder cannot be written.
    DataError
        If the rows cannot be read, or change while they are.
    """
    path: Path | None = None
    faulty = table if isinstance(table, FaultyRows) else None
    came = table.table if isinstance(table, FaultyRows) else table
    columns = [name for name in came.columns if not faulty or name not in faulty.words.values()]
    try:
        check(came, contract, known_unique=known_unique, may_be_empty=may_be_empty)
    except EmptyError:
        if faulty is None:
            raise
        judged = came.mutate(**{REASON: ibis.literal("")})  # no row, so no types either
    except RowError:
        judged = _judge(came, contract, columns=columns, faulty=faulty)
    else:
        if faulty is None:
            with reading(contract.name):
                rows = int(came.count().execute())
            return Quarantine(name=contract.name, kept=came, rows=rows, reasons={}, path=None)
        judged = _judge(came, contract, columns=columns, faulty=faulty)
    told = judged.select(REASON)
    if faulty is not None:
        told = told.union(faulty.lines.select(REASON))
    with reading(contract.name):
        counts = told.group_by(REASON).aggregate(rows=told.count()).to_pyarrow()
    by_reason = dict(zip(counts[REASON].to_pylist(), counts["rows"].to_pylist(), strict=True))
    rows = sum(by_reason.values())
    kept_rows = by_reason.pop("", 0)
    reasons = dict(sorted(by_reason.items(), key=lambda entry: (-entry[1], entry[0])))
    if reasons:
        bad = judged.filter(judged[REASON] != "")
        if faulty is not None:
            bad = _as_written(bad, columns, faulty)
        path = _write(
            bad, folder / f"{contract.name}.parquet", name=contract.name, rows=rows - kept_rows
        )
    if not kept_rows and not may_be_empty:
        raise EmptyError(
            expected=f"at least one row in {contract.name} that keeps its contract",
            came=f"{rows} rows, all set aside",
            do=f"Read the reasons in {path}.",
        )
    return Quarantine(
        name=contract.name,
        kept=judged.filter(judged[REASON] == "").select(*columns),
        rows=rows,
        reasons=reasons,
        path=path,
    )


def _judge(
    table: ibis.Table, contract: Contract, *, columns: list[str], faulty: FaultyRows | None
) -> ibis.Table:
    """Add the reason why a row is bad; an empty text for the others."""
    reason: Any = ibis.literal("")
    unread: dict[str, Any] = {}
    for rule in faulty.rules if faulty else ():
        unread[rule.column] = rule.bad(table)
        reason = reason + ibis.ifelse(unread[rule.column], _say(rule), "")
    for rule in contract.all_rules:
        if rule.column in columns:
            bad = rule.bad(table).fill_null(False)
            # A word that cannot be read is null here: that it is no empty value was said above.
            bad = bad & ~unread[rule.column] if rule.column in unread else bad
            reason = reason + ibis.ifelse(bad, _say(rule), "")
    judged = table.mutate(**{REASON: reason.substr(2)})
    # Only rows that are good by themselves can stand in each other's way.
    alike = ibis.window(group_by=[*columns, REASON], order_by=list(contract.key))
    judged = judged.mutate(**{_COPY: ibis.row_number().over(alike)})
    first = (judged[_COPY] == 0).cast("int64")
    judged = judged.mutate(
        **{_VERSIONS: first.sum().over(ibis.window(group_by=[*contract.key, REASON]))}
    )
    key = ", ".join(contract.key)
    good = judged[REASON] == ""
    return judged.mutate(
        **{
            REASON: ibis.cases(
                (good & (judged[_VERSIONS] > 1), _OTHER.format(key=key)),
                (good & (judged[_COPY] > 0), _SAME),
                else_=judged[REASON],
            )
        }
    ).drop(_COPY, _VERSIONS)


def _say(rule: RowRule) -> str:
    return f"; {rule.column}: expected {rule.expected}"


def _as_written(bad: ibis.Table, columns: list[str], faulty: FaultyRows) -> ibis.Table:
    """Put back the words that could not be read, and the lines that are no rows."""
    rows = bad.select(
        REASON, **{name: bad[faulty.words.get(name, name)] for name in columns}
    ).mutate(**{LINE: ibis.null("string")})
    lines = faulty.lines.mutate(**{name: ibis.null(rows[name].type()) for name in columns})
    return rows.union(lines.select(*rows.columns)).select(*columns, LINE, REASON)


def _write(bad: ibis.Table, path: Path, *, name: str, rows: int) -> Path:
    """Write the bad rows, whole or not at all, and return where."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.touch()
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with reading(f"the bad rows of {name}"):
            bad.to_parquet(fresh)
            written = pq.read_metadata(fresh).num_rows
            if written != rows:
                raise DataError(
                    expected=f"{rows} rows of {name} to set aside",
                    came=f"{written} when they were written",
                    do="Give a table that does not change while it is read.",
                )
            return _rename(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _rename(fresh: Path, path: Path) -> Path:
    """Give a file a name, with a number where the rows of another run lie there already."""
    number, free = 1, path
    while True:
        try:
            free.touch(exist_ok=False)  # taken in one step: another run may look for a name, too
            break
        except FileExistsError:
            number += 1
            free = path.with_stem(f"{path.stem}-{number}")
    try:
        os.replace(fresh, free)
    except OSError:
        free.unlink()
        raise
    return free


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        expected=f"a folder that can be written at {path.parent}",
        came=str(error),
        do="Give another folder for the rows that are set aside.",
    )
