"""From a test's table to one row for each unit that was assigned, all rows checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import ibis
import numpy as np

from causal_ranker.errors import RowError
from causal_ranker.experiments.config import ReadoutConfig
from causal_ranker.logs.failures import reading
from causal_ranker.logs.rules import Contract, Kind, RowRule, check, require_columns

__all__ = ["GROUP", "MIXED", "NEW", "STRATUM", "TRIGGERED", "USERS", "Units", "checked_units"]

_TABLE: Final = "the test"
_BANDS: Final = 5
#: Columns of the units' table that no table of a test has, as a name may not end so.
NEW: Final = "new arm?"
TRIGGERED: Final = "triggered?"
GROUP: Final = "group?"
STRATUM: Final = "stratum?"
MIXED: Final = "contradicts itself?"
USERS: Final = "users?"


@dataclass(frozen=True)
class Units:
    """One row for each unit.

    Parameters
    ----------
    table : ibis.Table
        `NEW`, `TRIGGERED`, `GROUP` and `STRATUM` of the unit; `MIXED`, whether its rows do not
        agree on them; `USERS` in it; and the columns of the metrics, as numbers.
    left_out : int
        Rows of other arms.
    caps : dict of str to float
        By capped metric: the value to which larger ones were set.
    capped : dict of str to float
        Share of users to whom that happened, of those who are read.
    """

    table: ibis.Table
    left_out: int
    caps: dict[str, float]
    capped: dict[str, float]


def checked_units(table: ibis.Table, config: ReadoutConfig) -> Units:
    """Check a test's table, and prepare its units.

    Parameters
    ----------
    table : ibis.Table
        One or many rows per user.
    config : ReadoutConfig
        What is read.

    Returns
    -------
    Units
        The units; only what checks and caps need has been computed.

    Raises
    ------
    SchemaError
        If a column is absent or of the wrong type.
    EmptyError, RowError
        If there is no row, or one that cannot be.
    """
    numbers = _numbers(config)
    named = (config.arm, config.groups, config.strata, config.exposed_at)
    others = [each for each in named if each is not None]
    require_columns(table, [*others, *numbers], name=_TABLE)
    check(table, _contract(config), known_unique=True)
    rows, left_out = _in_arms(table, config)
    users = rows.select(
        **{name: rows[name] for name in (config.user, config.cluster) if name is not None},
        **{NEW: _is_new(rows, config)},
        **{TRIGGERED: ibis.literal(True) if config.triggered is None else rows[config.triggered]},
        **{GROUP: _group(rows, config.groups), STRATUM: _words(rows, config.strata)},
        **{name: rows[name].cast("float64") for name in numbers},
    ).mutate(**{MIXED: ibis.literal(False), USERS: ibis.literal(1.0)})
    if config.rows == "many":
        sums = [name for name in numbers if name not in config.past]
        users = _joined(users, config.user, sums=sums, same=(*config.past, config.cluster))
    else:
        _refuse_repeats(users, config.user)
    users, caps, capped = _capped(users, config)
    if config.cluster is not None:
        own = [metric.numerator for metric in config.metrics if metric.cap is not None]
        users = _joined(users, config.cluster, sums=[*numbers, *own, USERS], same=())
    return Units(users, left_out, caps, capped)


def _numbers(config: ReadoutConfig) -> tuple[str, ...]:
    parts = [name for each in config.metrics for name in (each.column, each.per) if name]
    return tuple(dict.fromkeys([*parts, *config.past]))


def _contract(config: ReadoutConfig) -> Contract:
    required = {config.user: Kind.ID}
    if config.cluster is not None:
        required[config.cluster] = Kind.ID
    if config.triggered is not None:
        required[config.triggered] = Kind.FLAG
    optional = dict.fromkeys(_numbers(config), Kind.NUMBER)
    if config.exposed_at is not None:
        optional[config.exposed_at] = Kind.TIME  # who did not come has none
    return Contract(
        name=_TABLE,
        key=(config.user,),
        required=required,
        optional=optional,
        rules=tuple(_rules(config)),
    )


def _rules(config: ReadoutConfig) -> Iterator[RowRule]:
    allowed = [0, 1]

    def wrong_arm(table: ibis.Table) -> Any:
        arm = table[config.arm]
        if config.names is not None or arm.type().is_boolean():
            return arm.isnull()
        return arm.isnull() | arm.notin(allowed)

    what = "an arm" if config.names else "0 for the control or 1 for the new arm"
    yield RowRule(
        config.arm, what, "Write down who was assigned where; name arms with names.", wrong_arm
    )
    never = {metric.column for metric in config.metrics if not metric.signed}
    never |= {metric.per for metric in config.metrics if metric.per is not None}
    for name in _numbers(config):
        yield _finite(name)
        if name in never:
            yield _not_negative(name)
    if config.exposed_at is not None:
        yield _exposed(config, config.exposed_at)
        yield from _within(config, config.exposed_at)


def _finite(name: str) -> RowRule:
    def bad(table: ibis.Table) -> Any:
        column = table[name]
        if column.type().is_floating():
            return column.isnull() | column.isnan() | column.isinf()
        return column.isnull()

    return RowRule(
        name,
        "a number in every row",
        "Write 0 for who did nothing. If it was not measured for everybody, leave the metric out: "
        "users cannot be left out for what came after their assignment.",
        bad,
    )


def _not_negative(name: str) -> RowRule:
    return RowRule(
        name,
        "counts of 0 or more",
        "Check how they were summed; a metric that may be negative is declared as signed.",
        lambda table: table[name] < 0,
    )


def _exposed(config: ReadoutConfig, column: str) -> RowRule:
    def bad(table: ibis.Table) -> Any:
        missing = table[column].isnull()
        return missing if config.triggered is None else missing & table[config.triggered]

    return RowRule(
        column,
        "a value in every row" + ("" if config.triggered is None else " that was triggered"),
        "Take it from the log of exposures, of both arms alike. If some never came to where the "
        "arms differ, name the column that says who did (triggered): users cannot be left out for "
        "what came after their assignment.",
        bad,
    )


def _within(config: ReadoutConfig, column: str) -> Iterator[RowRule]:
    do = "Take the log of this test, and its dates."
    if (start := config.start) is not None:
        yield RowRule(
            column,
            f"exposures from {start.isoformat()} on",
            do,
            lambda table: table[column] < ibis.timestamp(start),
        )
    if (end := config.end) is not None:
        yield RowRule(
            column,
            f"exposures before {end.isoformat()}",
            do,
            lambda table: table[column] >= ibis.timestamp(end),
        )


def _in_arms(table: ibis.Table, config: ReadoutConfig) -> tuple[ibis.Table, int]:
    if config.names is None:
        return table, 0
    ours = table[config.arm].isin(config.names)
    with reading(_TABLE):
        left_out = int(table.filter(~ours).count().to_pyarrow().as_py())
    return table.filter(ours), left_out


def _is_new(rows: ibis.Table, config: ReadoutConfig) -> Any:
    arm = rows[config.arm]
    if config.names is not None:
        return arm == config.names[1]
    return arm if arm.type().is_boolean() else arm == 1


def _group(rows: ibis.Table, column: str | None) -> Any:
    """Name each row's group; a floating column, such as a predicted uplift, is cut into fifths."""
    if column is None or not rows[column].type().is_floating():
        return _words(rows, column)
    values = rows[column].nullif(float("nan"))
    shares = np.arange(1, _BANDS) / _BANDS
    with reading(_TABLE):
        asked = {f"{share:g}": values.quantile(share) for share in shares.tolist()}
        edges = rows.aggregate(**asked).to_pyarrow().to_pylist()[0].values()
    cuts = sorted({edge for edge in edges if edge is not None})
    of = len(cuts) + 1
    below = [(values <= cut, f"{at} of {of}: up to {cut:.3g}") for at, cut in enumerate(cuts, 1)]
    last = (values.notnull(), f"{of} of {of}: above {cuts[-1]:.3g}" if cuts else "")
    return ibis.cases(*below, last, else_="missing")


def _words(rows: ibis.Table, column: str | None) -> Any:
    if column is None:
        return ibis.literal("")
    return rows[column].cast("string").fill_null("missing")


def _joined(
    users: ibis.Table, key: str, *, sums: list[str], same: tuple[str | None, ...]
) -> ibis.Table:
    """Sum the rows of each user or cluster, and see whether they agree on what they share."""
    shared = [NEW, TRIGGERED, GROUP, STRATUM, *(name for name in same if name is not None)]
    agree = [users[name].min() == users[name].max() for name in shared]
    mixed = users[MIXED].max()
    for each in agree:
        mixed = mixed | ~each
    return users.group_by(key).aggregate(
        **{name: users[name].min() for name in shared},
        **{name: users[name].sum() for name in sums if name != USERS},
        **{MIXED: mixed, USERS: users[USERS].sum() if USERS in sums else users[USERS].max()},
    )


def _refuse_repeats(users: ibis.Table, key: str) -> None:
    counts = users.aggregate(rows=users.count(), users=users[key].nunique())
    with reading(_TABLE):
        found = counts.to_pyarrow().to_pylist()[0]
        if found["rows"] == found["users"]:
            return
        several = users.group_by(key).aggregate(
            rows=users.count(), both=users[NEW].min() != users[NEW].max()
        )
        several = several.filter(several.rows > 1)
        told = several.aggregate(
            users=several.count(), both=several.both.cast("int64").sum(), one=several[key].min()
        )
        found = told.to_pyarrow().to_pylist()[0]
    raise RowError(
        expected="one row for each user",
        came=f"{found['users']} users with several, {found['both']} of them in both arms, "
        f"e.g. {found['one']!r}",
        do="Sum each user's rows (rows='many'), and find out why anybody was in both arms.",
    )


def _capped(
    users: ibis.Table, config: ReadoutConfig
) -> tuple[ibis.Table, dict[str, float], dict[str, float]]:
    metrics = {each.name: each for each in config.metrics if each.cap is not None}
    if not metrics:
        return users, {}, {}
    read = users.filter(users[TRIGGERED])
    with reading(_TABLE):
        # One value for both arms, which knows nothing of who is in which.
        asked = {name: read[each.column].quantile(each.cap) for name, each in metrics.items()}
        caps = read.aggregate(**asked).to_pyarrow().to_pylist()[0]
        above = {name: (read[each.column] > caps[name]) for name, each in metrics.items()}
        shares = read.aggregate(**{name: each.mean() for name, each in above.items()})
        capped = shares.to_pyarrow().to_pylist()[0]
    cut = {
        each.numerator: ibis.least(users[each.column], caps[name]) for name, each in metrics.items()
    }
    return users.mutate(**cut), caps, capped
