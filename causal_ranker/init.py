"""Settings for a newcomer's own logs: what their tables hold, and what is still missing."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.errors import DataError, SchemaError
from causal_ranker.logs.contract import (
    check_candidates,
    check_impressions,
    check_items,
    check_plays,
    check_users,
)

__all__ = ["Need", "checklist", "settings_text"]

#: What people call the columns of the contract.
_ALSO_CALLED: Final = {
    C.USER: ("user", "uid", "customer", "customer_id", "household_id", "member_id", "visitor_id"),
    C.ITEM: ("item", "iid", "product", "product_id", "title_id", "content_id", "movie_id", "sku"),
    C.T0: ("timestamp", "time", "ts", "shown_at", "impression_time", "served_at", "request_time"),
    C.PLAYED_AT: (
        "timestamp",
        "time",
        "ts",
        "watched_at",
        "play_time",
        "purchased_at",
        "event_time",
    ),
    C.IMPRESSION: ("id", "event_id", "imp_id", "row_id", "log_id"),
    C.PLAY: ("id", "event_id", "watch_id", "purchase_id", "row_id", "log_id"),
    C.SHOWN: ("impressed", "displayed", "exposed", "is_shown", "in_slate"),
    C.POSITION: ("rank", "slot", "pos"),
    C.PROPENSITY: ("pscore", "propensity_score", "prob", "probability"),
    C.SECONDS: ("duration", "watch_time", "play_seconds"),
    C.BASE_SCORE: ("score", "model_score", "prediction"),
}
_REQUIRED: Final = {
    "impressions": (C.IMPRESSION, C.USER, C.ITEM, C.T0),
    "plays": (C.PLAY, C.USER, C.ITEM, C.PLAYED_AT),
    "candidates": (C.USER, C.ITEM, C.T0, C.SHOWN),
    "users": (C.USER,),
    "items": (C.ITEM,),
}
_USEFUL: Final = {
    "impressions": {
        C.POSITION: "effects of position stay unknown without it",
        C.PROPENSITY: "without logged propensities they are estimated, which is an assumption",
    },
    "plays": {C.SECONDS: "without it every play counts, however short"},
    "candidates": {
        C.BASE_SCORE: "the base ranker chose what was shown, so its score belongs in the model",
        C.PROPENSITY: "without logged propensities they are estimated, which is an assumption",
    },
    "users": {},
    "items": {},
}
_CHECKS: Final = {
    "impressions": check_impressions,
    "plays": check_plays,
    "candidates": check_candidates,
    "users": check_users,
    "items": check_items,
}


@dataclass(frozen=True)
class Need:
    """One line of the checklist.

    Parameters
    ----------
    table, column : str
        What is asked for.
    state : {"there", "rename", "missing", "useful", "broken"}
        ``rename``: a column of another name probably holds it; ``useful``: absent, and not
        required; ``broken``: the table breaks the contract.
    note : str
        What to do, or what the absence costs.
    """

    table: str
    column: str
    state: str
    note: str


def checklist(tables: Mapping[str, ibis.Table]) -> list[Need]:
    """Compare tables with the contract.

    Parameters
    ----------
    tables : mapping of str to ibis.Table
        By name: impressions, plays, candidates, users, items.

    Returns
    -------
    list of Need
        Required columns first, by table; then what is useful; then the first broken rule of
        tables whose required columns are all there.

    Raises
    ------
    SchemaError
        If a table of another name is given.
    """
    unknown = sorted(tables.keys() - _REQUIRED.keys())
    if unknown:
        raise SchemaError(
            expected=f"tables of {', '.join(_REQUIRED)}",
            came=", ".join(unknown),
            do="Leave the others out.",
        )
    needs: list[Need] = []
    for name, table in tables.items():
        required = [_need(name, column, table) for column in _REQUIRED[name]]
        needs += required
        needs += [
            Need(name, column, "useful", cost)
            for column, cost in _USEFUL[name].items()
            if column not in table.columns
        ]
        if all(need.state == "there" for need in required):
            try:
                _CHECKS[name](table)
            except DataError as error:  # told, not raised: the list is the answer
                needs.append(Need(name, "", "broken", str(error)))
    return needs


def _need(name: str, column: str, table: ibis.Table) -> Need:
    if column in table.columns:
        return Need(name, column, "there", str(table[column].type()))
    taken = set(_REQUIRED[name])
    free = {other.lower(): other for other in table.columns if other not in taken}
    named = [free[also] for also in _ALSO_CALLED.get(column, ()) if also in free]
    near = [free[match] for match in difflib.get_close_matches(column, free, n=2, cutoff=0.7)]
    guesses = list(dict.fromkeys([*named, *near]))
    if len(guesses) == 1:
        return Need(name, column, "rename", f"rename '{guesses[0]}' to '{column}'?")
    if guesses:
        either = " or ".join(f"'{guess}'" for guess in guesses)
        return Need(name, column, "rename", f"which holds it: {either}? Rename that one.")
    return Need(name, column, "missing", "no column looks like it; add it where the log is written")


def settings_text(tables: Mapping[str, ibis.Table]) -> str:
    """Write commented settings for `fit --config`, with what the tables offer.

    Parameters
    ----------
    tables : mapping of str to ibis.Table
        As for `checklist`.

    Returns
    -------
    str
        TOML that `causal_ranker.chain.config.ChainConfig` reads.
    """

    def features(name: str, key: str) -> tuple[list[str], list[str]]:
        if name not in tables:
            return [], []
        kinds = {c: k for c, k in tables[name].schema().items() if c != key}
        return (
            [c for c, k in kinds.items() if k.is_numeric()],
            [c for c, k in kinds.items() if k.is_string() or k.is_boolean()],
        )

    users, items = features("users", C.USER), features("items", C.ITEM)
    lines = [
        "# Settings of `causal-ranker fit --config` and `evaluate --config`.",
        "# Every line that is left out keeps its default.",
        "",
        "[attribution]",
        "window_hours = 24.0  # a play this long after an impression may be credited to it",
        'touch = "last"  # "first" and "linear" are the others; credit never enters the outcome',
        "",
        "[features]",
        "windows_days = [28, 84, 364]  # trailing windows of counts; the last bounds all history",
        f"user_numbers = {json.dumps(users[0])}  # columns of --users known before t0",
        f"user_categories = {json.dumps(users[1])}",
        f"item_numbers = {json.dumps(items[0])}  # columns of --items known before t0",
        f"item_categories = {json.dumps(items[1])}",
    ]
    return "\n".join(lines) + "\n"
