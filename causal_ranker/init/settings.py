"""Settings as a commented file: proposals with their reasons, open questions in their place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from causal_ranker.columns import Columns as C
from causal_ranker.init.found import Found, naive_times, zone_is_open
from causal_ranker.init.looks import TableLook
from causal_ranker.init.propose import Proposal
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.mapping import TableSource

__all__ = ["settings_text"]


def settings_text(
    paths: Mapping[str, str],
    looks: Mapping[str, TableLook],
    proposals: Mapping[str, list[Proposal]],
    *,
    sources: Mapping[str, TableSource],
    found: Found,
    time_zone: str | None,
) -> str:
    """Write commented settings for `attribute`, `label`, `fit` and `evaluate`.

    Parameters
    ----------
    paths : mapping of str to str
        Files by table.
    looks, proposals : mapping of str
        What they hold, and which of their columns are which.
    sources : mapping of str to TableSource
        Tables that are decided.
    found : Found
        What they allow.
    time_zone : str or None
        Where clocks without a zone stood.

    Returns
    -------
    str
        TOML that `causal_ranker.chain.project.ProjectConfig` reads once nothing in it is open.
    """
    lines = [
        "# Settings of `causal-ranker attribute`, `label`, `fit` and `evaluate`, by --config.",
        "# Proposed by `causal-ranker init` from the tables; each line says why. Lines with DECIDE",
        "# are yours: a command refuses the file until you have. `causal-ranker explain-config`",
        "# tells what each setting means, and which others there are.",
    ]
    if found.span is not None and not found.base_score:
        days = max(1, int((found.span[1] - found.span[0]) / timedelta(days=4)))
        lines += [
            "",
            f"base_first_days = {days}  # a quarter of the log, before the built-in base speaks",
        ]
    for name, path in paths.items():
        lines += _table(name, path, looks[name], proposals[name], time_zone=time_zone)
        if name == "impressions" and "candidates" not in paths:
            lines += _candidates(looks[name], proposals[name], source=sources.get("candidates"))
    lines += ["", "[run]", *_run(found)]
    users, items = (_features(name, looks, proposals) for name in ("users", "items"))
    lines += [
        "",
        "[attribution]",
        "window_hours = 24.0  # a play this long after an impression may be credited to it",
        'touch = "last"  # "first" and "linear" are others; credit never enters the outcome',
        "",
        "[features]",
        "windows_days = [28, 84, 364]  # trailing windows of counts; the last bounds all history",
        f"user_numbers = {json.dumps(users[0])}  # columns of the users known before t0",
        f"user_categories = {json.dumps(users[1])}",
        f"item_numbers = {json.dumps(items[0])}  # columns of the items known before t0",
        f"item_categories = {json.dumps(items[1])}",
    ]
    return "\n".join(lines) + "\n"


def _table(
    name: str, path: str, look: TableLook, proposals: list[Proposal], *, time_zone: str | None
) -> list[str]:
    lines = ["", f"[tables.{name}]  # {look.rows:,} rows", f"path = {_said(path)}"]
    naive = naive_times(look, proposals, name=name)
    if zone_is_open(look, proposals, time_zone=time_zone, name=name):
        lines += [
            f"# DECIDE: {', '.join(naive)} name no time zone. Where did that clock stand?",
            'time_zone = ""  # such as "UTC" or "Europe/Berlin"',
        ]
    elif naive:
        lines.append(f"time_zone = {_said(time_zone)}  # as you said, of {', '.join(naive)}")
    shown = next((each for each in proposals if each.column == C.SHOWN), None)
    if name == "impressions" and shown is not None:
        lines += _only_if(shown)
    columns = [each for each in proposals if not (name == "impressions" and each is shown)]
    lines.append(f"[tables.{name}.columns]  # ours = theirs; others keep their names")
    for each in columns:
        lines += _column(each)
    unread = [
        column
        for column in look.columns
        if column not in {each.theirs for each in proposals if isinstance(each.theirs, str)}
    ]
    if unread:
        lines.append(f"# not mapped: {', '.join(unread)}")
    return lines


def _column(each: Proposal) -> list[str]:
    if each.state == "there":
        return []
    if each.decided:
        return [f"{each.column} = {_said(each.theirs)}  # {each.reason}"]
    if each.state == "question":
        return [f"# {each.reason} If so:", f'# {each.column} = ""']
    return [f"# DECIDE: {each.column}: {each.reason}", f'{each.column} = ""']


def _only_if(shown: Proposal) -> list[str]:
    if shown.decided:
        return [
            f"only_if = {_said(shown.theirs)}  # the file also holds what was not shown: the "
            "candidates, below",
        ]
    return [
        f"# {shown.reason} If so, the file holds the candidates, too: name the flag here, and",
        "# write [tables.candidates] with the same path and columns, and shown = that flag.",
        '# only_if = ""',
    ]


def _candidates(
    look: TableLook, proposals: list[Proposal], *, source: TableSource | None
) -> list[str]:
    shown = next((each for each in proposals if each.column == C.SHOWN), None)
    if shown is None or not shown.decided:
        return []
    lines = ["", "[tables.candidates]  # the same file, all rows"]
    if source is None:
        return [*lines[:-1], "# [tables.candidates]: run init again once the above is decided"]
    lines.append(f"path = {_said(source.path)}")
    if source.time_zone is not None:
        lines.append(f"time_zone = {_said(source.time_zone)}")
    lines.append("[tables.candidates.columns]")
    reasons = {each.column: each.reason for each in proposals}
    lines += [
        f"{column} = {_said(theirs)}  # {reasons[column]}"
        for column, theirs in source.columns.items()
    ]
    return lines


def _run(found: Found) -> list[str]:
    lines = ["horizon_hours = 24.0  # a play this long after t0 is an outcome of its rows"]
    if found.slots is None:
        lines.append("k = 10  # slots of a slate; not known from the tables yet")
    else:
        lines.append(f"k = {found.slots}  # slots of a slate: the median number shown at a request")
    if found.span is None:
        lines.append("# holdout_from = 2025-01-01T00:00:00Z  # from here on lists are judged")
    else:
        lines.append(
            f"holdout_from = {_holdout(*found.span)}  # lists are judged on what comes from here "
            "on, the last quarter"
        )
    if not found.candidates:
        lines += [
            "# DECIDE: no log says what else could have been shown. Did the recommender choose",
            "# among all items at each request? Then every_item = true, and labels, fit and",
            "# evaluate are possible; if not, bring a candidate log.",
            "every_item = false",
        ]
    if found.base_score:
        lines.append('base = "logged"  # the base_score of the candidates')
    else:
        lines.append('base = "boosted"  # no base score is logged: the built-in ranker stands in')
    return lines


def _holdout(first: datetime, last: datetime) -> str:
    cut = first + 0.75 * (last - first)
    return f"{cut.astimezone(first.tzinfo):%Y-%m-%d}T00:00:00Z"


def _features(
    name: str, looks: Mapping[str, TableLook], proposals: Mapping[str, list[Proposal]]
) -> tuple[list[str], list[str]]:
    if name not in looks:
        return [], []
    ids = {each.theirs for each in proposals[name]} | set(CONTRACTS[name].required)
    free = [each for each in looks[name].columns.values() if each.name not in ids]
    numbers = [each.name for each in free if each.values in ("whole numbers", "numbers")]
    return numbers, [each.name for each in free if each.values in ("text", "flags")]


def _said(value: str | tuple[str, ...] | None) -> str:
    """Write text, or a list of texts, as TOML does."""
    return json.dumps(value, ensure_ascii=False)
