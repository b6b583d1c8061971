"""One look at a window of a table beside its reference: what moved, and what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Annotated, Any, Final

import ibis
import numpy as np
from pydantic import Field

from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.drift.check import Check
from causal_ranker.drift.columns import ColumnDrift, Levels, compare_columns
from causal_ranker.drift.dated import require_days
from causal_ranker.drift.days import Calendar
from causal_ranker.drift.health.checks import check_model
from causal_ranker.drift.health.roles import Roles, Sides, lists_of, read_rows
from causal_ranker.drift.notes import of_columns, of_segments, of_verdicts
from causal_ranker.drift.profiles import Profile
from causal_ranker.drift.review.feedback import MONITOR, Raised
from causal_ranker.drift.scan import Scan, plan, scan
from causal_ranker.drift.schema import SchemaChange, schema_changes
from causal_ranker.drift.together.looks import Together, look_together
from causal_ranker.drift.together.sample import draw_sides
from causal_ranker.drift.verdict import Advice, Finding, Verdict, judge, listed
from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.logs.carry import bring_over
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import connect, read_table

__all__ = ["MonitorConfig", "MonitorReport", "monitor"]

_FILLED: Final = (
    "Where columns are looked at together, the classifier takes missing values as they are; for "
    "the others they stand in the reference's middle."
)
_Share = Annotated[float, Field(gt=0, le=1)]
#: They name rows, and a new window has new ones.
_IDS: Final = frozenset({C.USER, C.ITEM, C.IMPRESSION, C.PLAY, C.SESSION, C.ASSIGNMENT_UNIT})


class MonitorConfig(FrozenConfig):
    """What counts as drift, and what it calls for.

    Parameters
    ----------
    level : float
        Rate of false alarms of everything that is looked at. It is shared evenly by the families
        that there are: signals of columns and segments, all columns at once, the model's checks.
    levels : Levels
        Which effect sizes matter.
    day : str, optional
        Column of dates or timestamps. With it days of the window are compared with days of the
        reference, and chance is learned from how days without drift differ; without it rows are
        taken for independent.
    weekly : bool
        Compare a Monday with Mondays. Without it any day is compared with all.
    segment : str, optional
        Column whose values are also looked at one by one, in the same family.
    roles : Roles
        Columns that tell of the model; they have checks of their own in the place of a comparison
        as columns.
    together : bool
        Whether all columns are also looked at at once, on rows drawn by lot: by components,
        clusters, kernel means and a classifier.
    watch_share : float
        Up to this share of drifted columns, none of them an alarm, the advice is to watch, above
        it to retrain.
    stop_share : float
        From this share of columns with an alarm on, the advice is to stop exploring.
    stop_missing : float
        From this share of values newly missing in a column on, the advice is to stop serving.
    seed : int
        Decides draws: of rows, and of days that several days of a window are judged by.
    """

    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    levels: Levels = Field(default_factory=Levels)
    day: str | None = None
    weekly: bool = True
    segment: str | None = None
    roles: Roles = Field(default_factory=Roles)
    together: bool = True
    watch_share: _Share = 0.2
    stop_share: _Share = 0.5
    stop_missing: _Share = 0.5
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class MonitorReport:
    """What moved, and what to do about it.

    Parameters
    ----------
    rows_before, rows_now : int
        Rows of reference and window.
    days_before, days_now : tuple of date
        Their days, where a column of days is named.
    schema : tuple of SchemaChange
        Columns that came, went or changed their type.
    columns : tuple of ColumnDrift
        The compared columns, first of all rows, then by segment.
    together : tuple of Check
        What was judged of all columns at once; it enters the verdict where no single column
        shows anything.
    checks : tuple of Check
        What was judged of the model: predictions, labels, causes.
    verdict : Verdict
        One sentence, an advice, and what they rest on.
    notes : tuple of str
        What was left out, and what could not be learned.
    level : float
        Rate of false alarms of the family: the asked one, or the smallest that the reference's
        days could teach.
    """

    rows_before: int
    rows_now: int
    days_before: tuple[date, ...]
    days_now: tuple[date, ...]
    schema: tuple[SchemaChange, ...]
    columns: tuple[ColumnDrift, ...]
    together: tuple[Check, ...]
    checks: tuple[Check, ...]
    verdict: Verdict
    notes: tuple[str, ...]
    level: float = field(repr=False)

    @property
    def advice(self) -> Advice:
        """What to do: "nothing", "watch", "retrain" or "stop"."""
        return self.verdict.advice

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the columns that drifted, in all rows or in a segment."""
        return tuple(dict.fromkeys(c.column for c in self.columns if c.level != "quiet"))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, the verdict first.

        Returns
        -------
        dict
            ``verdict``, ``advice``, ``exit_code``, ``findings``, then the report's own fields.
        """
        told = {
            "verdict": self.verdict.sentence,
            "advice": self.advice,
            "exit_code": self.verdict.exit_code,
            "drifted": self.drifted,
            "findings": [asdict(each) for each in self.verdict.findings],
        }
        own = asdict(self)
        del own["verdict"]
        return {**told, **own}


def monitor(
    reference: ibis.Table,
    window: ibis.Table,
    *,
    columns: Sequence[str] | None = None,
    config: MonitorConfig | None = None,
    findings: Sequence[Finding] = (),
    served: Sequence[Sides] = (),
    raised: Sequence[Raised] = (),
) -> MonitorReport:
    """Compare a window with its reference, column by column, in bounded memory.

    Both tables are streamed through DuckDB: what is kept of a numeric column are its counts in
    about 200 cells, by day and segment, and of text and booleans their counts by category, so
    that 10 million rows take no more memory than ten thousand. Timestamps, ids of the contract
    and text with more than 1,000 values are left out. Whole numbers beyond 2^53 are compared as
    doubles, to a relative 1e-16.

    Parameters
    ----------
    reference, window : ibis.Table
        Rows of the same kind from two times. On another engine than DuckDB they are brought over.
    columns : sequence of str, optional
        Columns to compare; by default all of both but ids.
    config : MonitorConfig, optional
        What counts as drift.
    findings : sequence of Finding
        What was found elsewhere (`causal_ranker.drift.service`), for the verdict.
    served : sequence of Sides
        What a service logged (`causal_ranker.serving.decisions.served`), checked with the roles.
    raised : sequence of Raised
        Signals and checks that must be larger than `config` says, by people's verdicts
        (`causal_ranker.drift.review.feedback`); the notes tell of the signals.

    Returns
    -------
    MonitorReport
        Decisions, verdict and advice.

    Raises
    ------
    ConfigError
        If the list of columns is empty.
    EmptyError
        If a table has fewer than two rows, or the reference lacks a weekday of the window.
    RowError
        If rows have no day, or the window does not begin after the reference's last day.
    SchemaError
        If a named column is absent, that of days holds none, or no column can be compared.
    """
    config = config or MonitorConfig()
    tables = [
        _on_duckdb(table, name) for table, name in ((reference, "reference"), (window, "window"))
    ]
    keys = [name for name in (config.day, config.segment) if name is not None]
    for table, name in zip(tables, ("the reference", "the window"), strict=True):
        require_columns(table, keys, name=name)
        if config.day is not None:
            require_days(table, config.day, name=name)
    require_columns(tables[0], config.roles.columns, name="the reference")
    keys += config.roles.columns
    if columns is not None:
        if not columns:
            raise ConfigError(
                expected="at least one column to compare",
                came="an empty list",
                do="Name columns, or leave them out for all.",
            )
        require_columns(tables[0], columns, name="the reference")
        tables = [_narrowed(table, [*columns, *keys]) for table in tables]
    changes = [
        change
        for change in schema_changes(*tables)
        if columns is None or change.column in {*columns, *keys}
    ]
    apart = {change.column for change in changes if change.kind != "other_number"}
    kinds = tables[0].schema()
    chosen, own = set(columns or ()), _IDS | set(config.roles.columns)
    wanted = [
        name
        for name in kinds
        if name not in apart and name != config.day and (name in chosen or name not in own)
    ]
    compared = [name for name in wanted if _comparable(kinds[name])]
    sides = [*_sides(tables, config, keep=[n for n in kinds if n not in apart]), *served]
    if not compared and not apart and not sides:
        raise SchemaError(
            expected="at least one column of numbers, text or booleans in both tables",
            came=", ".join(f"{name} ({kind})" for name, kind in kinds.items()),
            do="Pass tables of features.",
        )
    cells = plan(tables[0], compared, day=config.day, segment=config.segment)
    before = scan(tables[0], cells, name="reference")
    now = scan(tables[1], cells, name="window", like=before)
    _check_sizes(before, now, days=config.day is not None)
    ids = [name for name in kinds if name in _IDS and name not in {*chosen, *keys}]
    left = [name for name in wanted if name not in compared]
    notes = of_columns(tables, cells, (before, now), left=left, ids=ids)
    calendar = Calendar.of_days(
        before.days, now.days, weekly=config.weekly and config.day is not None
    )
    # families share the level evenly
    at_once = config.together and len(cells.columns) > 1
    level = config.level / (1 + at_once + bool(sides))
    found, chance = compare_columns(
        _profiles(before, now),
        _profiles(now, before),
        calendar=calendar,
        level=level,
        levels=config.levels,
        seed=config.seed,
        raised={
            (r.subject, r.segment, r.signal): r.effect for r in raised if r.detector == MONITOR
        },
    )
    notes += of_verdicts(raised, found, config.levels)
    together = Together((), 0.0)
    if at_once:
        drawn = draw_sides(tables, cells, (before, now), calendar=calendar, seed=config.seed)
        together = look_together(
            *drawn,
            names=cells.columns,
            weekly=config.weekly,
            level=level,
            levels=config.levels,
            seed=config.seed,
            raised=raised,
            alone=_shown_alone(raised, found, config.levels),
        )
        if any(np.isnan(side.places).any() for side in drawn):
            notes.append(_FILLED)
    checks = check_model(
        sides,
        level=level,
        levels=config.levels,
        within=config.roles.within,
        weekly=config.weekly,
        seed=config.seed,
        raised=raised,
    )
    notes += [
        f"The model's checks looked at whole users: {each.before.size} of {each.before.of} rows of "
        f"the reference, {each.now.size} of {each.now.of} of the window."
        for each in sides
        if each.before.size < each.before.of or each.now.size < each.now.of
    ]
    if config.day is not None and found and (chance is None or chance.level > level):
        learned = "no level" if chance is None else f"a level of {chance.level:.1%} at best"
        notes.append(
            f"The reference has {before.days.size} days, which teach {learned}; take at least "
            f"{math.ceil(1 / level - 1e-9) - 1}."
        )
    notes += of_segments(before, now)
    looked = [
        f"{count} {what}"
        for count, what in (
            (len(compared) - len(cells.uncounted), "columns"),
            (len(checks), "checks of the model"),
        )
        if count
    ]
    also = ", one by one or together" if any(c.decision for c in together.checks) else ""
    quiet = f"none of {' and '.join(looked)} drifted{also}"
    of_model = [check.finding for check in checks if check.finding is not None]
    of_all = [check.finding for check in together.checks if check.finding is not None][:1]
    every = [*_of_schema(changes), *of_model, *_of_columns(found, config), *of_all, *findings]
    return MonitorReport(
        rows_before=int(before.rows[None].sum()),
        rows_now=int(now.rows[None].sum()),
        days_before=_dates(before),
        days_now=_dates(now),
        schema=tuple(changes),
        columns=tuple(found),
        together=together.checks,
        checks=tuple(checks),
        verdict=judge(every, quiet=quiet),
        notes=tuple(notes),
        level=max(0.0 if chance is None else chance.level, level)
        + max(together.level, level if together.checks else 0.0)
        + (level if sides else 0.0),
    )


def _sides(
    tables: Sequence[ibis.Table], config: MonitorConfig, *, keep: Sequence[str]
) -> list[Sides]:
    roles = config.roles
    if not roles.values:
        return []
    before, now = (
        read_rows(table, roles, day=config.day, keep=keep, name=name)
        for table, name in zip(tables, ("reference", "window"), strict=True)
    )
    lists = [lists_of(side, slate=roles.slate) for side in (before, now)]
    found = [Sides(before, now)]
    if lists[0] is not None and lists[1] is not None:
        found.append(Sides(lists[0], lists[1]))
    return found


def _on_duckdb(table: ibis.Table, name: str) -> ibis.Table:
    backends, _ = table._find_backends()
    if [backend.name for backend in backends] == ["duckdb"]:
        return table
    connection = connect()
    here = read_table(table, connection, name=name)
    return here if not backends else bring_over(here, connection, name=name)


def _narrowed(table: ibis.Table, names: Sequence[str]) -> ibis.Table:
    here = [name for name in dict.fromkeys(names) if name in table.columns]
    return table.select(*here) if here else table  # its rows count nevertheless


def _comparable(kind: Any) -> bool:
    return bool(kind.is_numeric() or kind.is_string() or kind.is_boolean())


def _check_sizes(before: Scan, now: Scan, *, days: bool) -> None:
    for name, each in (("reference", before), ("window", now)):
        size = int(each.rows[None].sum())
        if size < 2:
            raise EmptyError(
                expected=f"at least two rows in the {name}",
                came=f"{size}",
                do="Check the path and the filter on dates.",
            )
    if days and now.days[0] <= before.days[-1]:
        raise RowError(
            expected=f"a window that begins after the reference's last day, {before.days[-1]}",
            came=f"a window that begins on {now.days[0]}",
            do="Pass the older rows as reference, and no day in both.",
        )


def _profiles(one: Scan, other: Scan) -> dict[tuple[str, str | None], Profile]:
    return {
        (column, segment): profile
        for segment, columns in one.columns.items()
        if one.rows[segment].sum() and segment in other.rows and other.rows[segment].sum()
        for column, profile in columns.items()
    }


def _dates(each: Scan) -> tuple[date, ...]:
    return tuple(day for day in each.days.tolist() if day is not None)


def _shown_alone(raised: Sequence[Raised], found: Sequence[ColumnDrift], levels: Levels) -> bool:
    """Say whether a single column drifted, or would have but for what people said of it."""
    held = {(each.subject, each.segment, each.signal) for each in raised}
    return any(
        each.level != "quiet"
        or any(
            (each.column, each.segment, signal.kind) in held
            and signal.decision.statistic > signal.decision.threshold
            and signal.decision.effect_size >= levels.least(signal.kind)
            for signal in each.signals
        )
        for each in found
    )


def _of_schema(changes: Sequence[SchemaChange]) -> list[Finding]:
    if not changes:
        return []
    grave = [change.column for change in changes if change.kind in {"gone", "retyped"}]
    told = (
        f"the schema changed: {len(changes)} columns came, went or changed their type "
        f"({listed([change.column for change in changes])})"
    )
    if not grave:
        return [Finding(told, "watch", "see whether the model should read them", foremost=True)]
    return [Finding(told, "stop", "stop serving, mend the logs or retrain", foremost=True)]


def _of_columns(found: Sequence[ColumnDrift], config: MonitorConfig) -> list[Finding]:
    names = list(dict.fromkeys(each.column for each in found))
    moved = [each for each in found if each.level != "quiet"]
    drifted = list(dict.fromkeys(each.column for each in moved))
    if not drifted:
        return []
    alarms = list(dict.fromkeys(each.column for each in moved if each.level == "alarm"))
    told = f"{len(drifted)} of {len(names)} columns drifted ({listed(alarms or drifted)})"
    findings = []
    gone = [
        each.column
        for each in moved
        if each.segment is None
        and (missing := each.signal("missing")).decision.drifted
        and missing.decision.effect_size >= config.stop_missing
        and each.missing_now >= config.stop_missing
    ]
    if gone:
        most = f"most values of {listed(gone)} are missing"
        findings.append(Finding(most, "stop", "stop serving until they are back"))
    if len(alarms) > 1 and len(alarms) >= config.stop_share * len(names):
        do = "stop exploring with this model, and retrain on recent logs"
        return [*findings, Finding(told, "stop", do)]
    if alarms or len(drifted) > config.watch_share * len(names):
        return [*findings, Finding(told, "retrain", "retrain on recent logs")]
    do = "watch them, and the effect once its outcomes have matured"
    return [*findings, Finding(told, "watch", do)]
