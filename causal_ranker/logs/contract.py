"""The contract of the logs: what each table must hold before the chain may use it.

Checks raise and never repair, because a silent repair moves the answer (`quarantine` sets bad rows
aside instead, with their reasons). Each table costs one
aggregate query (candidates a second one for their three-column key).
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.errors import SchemaError
from causal_ranker.logs.rules import Contract, Kind, RowRule, check

__all__ = [
    "CONTRACTS",
    "check_candidates",
    "check_impressions",
    "check_items",
    "check_plays",
    "check_same_ids",
    "check_users",
]

# not (p > 0 and p <= 1), rather than p <= 0 or p > 1, so that NaN is bad on every engine.
_PROPENSITY = RowRule(
    column=C.PROPENSITY,
    expected="probabilities in (0, 1]",
    do="Fix the logging; if propensities were not logged, leave the whole column out "
    "(a 0 means the row could never be shown, so it has no comparable rows).",
    bad=lambda t: ~((t[C.PROPENSITY] > 0) & (t[C.PROPENSITY] <= 1)) | t[C.PROPENSITY].isnull(),
)


def _at_least_one(column: str) -> RowRule:
    return RowRule(
        column=column,
        expected="1 or more",
        do="Count from 1 at the top of the list; if it counts from 0, add 1.",
        bad=lambda t: t[column] < 1,
    )


_UNIT = RowRule(
    column=C.ASSIGNMENT_UNIT,
    expected="the unit in which the row's treatment was assigned, in every row",
    do="Give each row its unit, or leave the column out where each user is a unit.",
    bad=lambda t: t[C.ASSIGNMENT_UNIT].isnull(),
)

_SLATE = {
    C.ASSIGNMENT_UNIT: Kind.ID,
    C.BASE_SCORE: Kind.NUMBER,
    C.PROPENSITY: Kind.NUMBER,
    C.HOUR: Kind.NUMBER,
    C.IS_COLD: Kind.FLAG,
}

_IMPRESSIONS = Contract(
    name="impressions",
    key=(C.IMPRESSION,),
    required={C.IMPRESSION: Kind.ID, C.USER: Kind.ID, C.ITEM: Kind.ID, C.T0: Kind.TIME},
    optional={
        C.POSITION: Kind.NUMBER,
        C.VIEWABLE: Kind.FLAG,
        C.VIEWABLE_MS: Kind.NUMBER,
        C.CLICKED_AT: Kind.TIME,
        C.IS_BOT: Kind.FLAG,
        C.SESSION: Kind.ID,
        C.SURFACE: Kind.TEXT,
        **_SLATE,
    },
    rules=(
        _at_least_one(C.POSITION),
        _PROPENSITY,
        _UNIT,
        RowRule(
            column=C.VIEWABLE_MS,
            expected="0 or more milliseconds",
            do="Fix the viewability log, or leave the value empty where it is unknown.",
            bad=lambda t: t[C.VIEWABLE_MS] < 0,
        ),
        RowRule(
            column=C.CLICKED_AT,
            expected="clicks at or after t0",
            do="Fix the clocks, or leave the value empty where there was no click.",
            bad=lambda t: t[C.CLICKED_AT] < t[C.T0],
        ),
    ),
)

_PLAYS = Contract(
    name="plays",
    key=(C.PLAY,),
    required={C.PLAY: Kind.ID, C.USER: Kind.ID, C.ITEM: Kind.ID, C.PLAYED_AT: Kind.TIME},
    optional={
        C.SECONDS: Kind.NUMBER,
        C.FRACTION: Kind.NUMBER,
        C.IS_BOT: Kind.FLAG,
        C.SESSION: Kind.ID,
    },
    rules=(
        RowRule(
            column=C.FRACTION,
            expected="shares of the item's length in [0, 1]",
            do="Divide what was played by the item's length; replays are plays of their own.",
            bad=lambda t: ~t[C.FRACTION].between(0, 1),
        ),
        RowRule(
            column=C.SECONDS,
            expected="0 or more seconds",
            do="Fix the player's clock, or leave the value empty where it is unknown.",
            bad=lambda t: t[C.SECONDS] < 0,
        ),
    ),
)

_CANDIDATES = Contract(
    name="candidates",
    key=(C.USER, C.ITEM, C.T0),
    required={C.USER: Kind.ID, C.ITEM: Kind.ID, C.T0: Kind.TIME, C.SHOWN: Kind.FLAG},
    optional={
        C.HORIZON_END: Kind.TIME,
        C.BASE_RANK: Kind.NUMBER,
        C.SAMPLING_WEIGHT: Kind.NUMBER,
        **_SLATE,
    },
    rules=(
        _at_least_one(C.BASE_RANK),
        _PROPENSITY,
        _UNIT,
        RowRule(
            column=C.HORIZON_END,
            expected="an end after t0 in every row",
            do="Set it after t0, or leave the column out and give a horizon in hours.",
            bad=lambda t: (t[C.HORIZON_END] <= t[C.T0]) | t[C.HORIZON_END].isnull(),
        ),
        RowRule(
            column=C.SAMPLING_WEIGHT,
            expected="finite weights of 1 or more",
            do="Give 1 / the rate at which the row was sampled, 1 for a row that was kept anyway.",
            bad=lambda t: (
                ~((t[C.SAMPLING_WEIGHT] >= 1) & (t[C.SAMPLING_WEIGHT] < float("inf")))
                | t[C.SAMPLING_WEIGHT].isnull()
            ),
        ),
    ),
)

_USERS = Contract(name="users", key=(C.USER,), required={C.USER: Kind.ID})
_ITEMS = Contract(name="items", key=(C.ITEM,), required={C.ITEM: Kind.ID})

#: The contract of each table, by its name.
CONTRACTS = {each.name: each for each in (_IMPRESSIONS, _PLAYS, _CANDIDATES, _USERS, _ITEMS)}


def check_impressions(table: ibis.Table) -> ibis.Table:
    """Check an impression log.

    Required are ``impression_id`` (unique), ``user_id``, ``item_id`` and ``t0``; checked when
    there are ``position`` (1 or more), ``propensity`` in (0, 1], ``viewable``, ``viewable_ms`` (0
    or more), ``clicked_at`` (t0 or later), ``is_bot``, ``session_id``, ``surface`` (text),
    ``is_cold`` (whether the item was new then) and the slate's context.

    Parameters
    ----------
    table : ibis.Table
        The log, on any engine.

    Returns
    -------
    ibis.Table
        The same table.

    Raises
    ------
    DataError
        As told in `causal_ranker.logs.rules.check`.
    """
    return check(table, _IMPRESSIONS)


def check_plays(table: ibis.Table) -> ibis.Table:
    """Check a play log.

    Required are ``play_id`` (unique), ``user_id``, ``item_id`` and ``played_at``; checked when
    there are ``seconds`` (0 or more), ``fraction`` in [0, 1], ``is_bot`` and ``session_id``.

    Parameters
    ----------
    table : ibis.Table
        The log, on any engine.

    Returns
    -------
    ibis.Table
        The same table.

    Raises
    ------
    DataError
        As told in `causal_ranker.logs.rules.check`.
    """
    return check(table, _PLAYS)


def check_candidates(table: ibis.Table, *, known_unique: bool = False) -> ibis.Table:
    """Check a log of candidates: what could have been shown, and whether it was.

    Required are ``user_id``, ``item_id``, ``t0`` (together unique) and ``shown``; checked when
    there are ``base_rank`` (1 or more), ``propensity`` in (0, 1], ``horizon_end`` (after t0),
    ``sampling_weight`` (1 or more), ``is_cold`` (whether the item was new then) and the slate's
    context.

    Parameters
    ----------
    table : ibis.Table
        The log, on any engine.
    known_unique : bool, default False
        The rows are unique by construction, e.g. a cross join of users, items and weeks: leave
        out the search for duplicates, which needs memory in proportion to the rows.

    Returns
    -------
    ibis.Table
        The same table.

    Raises
    ------
    DataError
        As told in `causal_ranker.logs.rules.check`.
    """
    return check(table, _CANDIDATES, known_unique=known_unique)


def check_users(table: ibis.Table) -> ibis.Table:
    """Check a table of users: one row for each ``user_id``; other columns are covariates.

    Parameters
    ----------
    table : ibis.Table
        The table, on any engine.

    Returns
    -------
    ibis.Table
        The same table.

    Raises
    ------
    DataError
        As told in `causal_ranker.logs.rules.check`.
    """
    return check(table, _USERS)


def check_items(table: ibis.Table) -> ibis.Table:
    """Check a table of items: one row for each ``item_id``; other columns are covariates.

    Parameters
    ----------
    table : ibis.Table
        The table, on any engine.

    Returns
    -------
    ibis.Table
        The same table.

    Raises
    ------
    DataError
        As told in `causal_ranker.logs.rules.check`.
    """
    return check(table, _ITEMS)


def check_same_ids(tables: Mapping[str, ibis.Table], *, session: bool = False) -> None:
    """Check that user and item ids have one type in all tables, so that joins can match.

    Parameters
    ----------
    tables : mapping of str to ibis.Table
        Tables by name; columns that a table lacks are skipped.
    session : bool, default False
        Whether session ids are joined, too.

    Raises
    ------
    SchemaError
        If one table holds integers where another holds strings.
    """
    for column in (C.USER, C.ITEM, *([C.SESSION] if session else [])):
        kinds = {
            name: "strings" if table[column].type().is_string() else "integers"
            for name, table in tables.items()
            if column in table.columns
        }
        if len(set(kinds.values())) > 1:
            raise SchemaError(
                expected=f"one type of '{column}' in {', '.join(kinds)}",
                came=", ".join(f"{kind} in {name}" for name, kind in kinds.items()),
                do="Cast the integers to strings in the tables that hold them.",
            )
