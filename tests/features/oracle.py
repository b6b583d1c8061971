"""Every feature of one row, in plain Python from the definition."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import nan
from typing import Any

import pandas as pd

from tests.features.logs import Logs

WINDOWS = (2, 7, 21)
PRIOR = 5.0


def features_of(logs: Logs, row: dict[str, Any]) -> dict[str, float]:
    """Return the features of one labelled row under the config of `tests.features.logs`."""
    user, item, t0 = row["user_id"], row["item_id"], row["t0"]
    hour = t0.replace(minute=0, second=0, microsecond=0)  # item state is read on the hour
    plays = logs.plays.to_dict("records")
    shelf = _records(logs.items, "item_id")
    mine = [p for p in plays if p["user_id"] == user and _within(p, t0, days=WINDOWS[-1])]
    pair = [p for p in mine if p["item_id"] == item]
    genre = _get(shelf, item, "genre")
    alike = [p for p in mine if genre is not None and _get(shelf, p["item_id"], "genre") == genre]
    everyone = [p for p in plays if p["item_id"] == item]
    found: dict[str, float] = {}
    for days in WINDOWS:
        for of, some, moment in (
            ("user", mine, t0),
            ("pair", pair, t0),
            ("group", alike, t0),
            ("item", everyone, hour),
        ):
            found[f"{of}_plays_{days}d"] = sum(_within(p, moment, days=days) for p in some)
    found["pair_credited_plays"] = sum(p["credit"] for p in pair)
    found["pair_days_since_play"] = _days_since(max, pair, t0)
    found["pair_days_since_first_play"] = _days_since(min, pair, t0)
    found["user_days_since_play"] = _days_since(max, mine, t0)
    found["user_days_since_first_play"] = _days_since(min, mine, t0)
    credited = sum(p["credit"] for p in mine)
    found["user_credited_share"] = (credited + 1) / (len(mine) + 4) if mine else nan
    found |= _rates(logs.rows, item, hour)
    shown = [
        {"played_at": r["t0"]}
        for r in logs.rows.to_dict("records")
        if (r["user_id"], r["item_id"], r["treatment"]) == (user, item, 1)
        and _within({"played_at": r["t0"]}, t0, days=WINDOWS[-1])
    ]
    for days in WINDOWS:
        found[f"pair_shown_{days}d"] = sum(_within(s, t0, days=days) for s in shown)
    found["pair_days_since_shown"] = _days_since(max, shown, t0)
    found["hour_of_day"], found["day_of_week"] = float(t0.hour), float(t0.weekday())
    people = _records(logs.users, "user_id")
    found["user_age"] = _number(_get(people, user, "age"))
    found["user_country"] = _code(_get(people, user, "country"), ["AT", "BR"])
    found["item_minutes"] = _number(_get(shelf, item, "minutes"))
    look = _get(shelf, item, "look")
    for place in range(2):
        found[f"item_look_{place}"] = nan if look is None else float(look[place])
    found["item_genre"] = _code(genre, ["crime", "drama"])
    found["item_kids"] = _code(_get(shelf, item, "kids"), [False, True])
    found["visits"] = _number(row["visits"])
    found["device"] = _code(row["device"], ["phone", "tv"])
    found["base_score"] = found["base_rank"] = nan
    return found


def _within(play: dict[str, Any], moment: datetime, *, days: int) -> bool:
    return bool(moment - timedelta(days=days) <= play["played_at"] < moment)


def _days_since(which: Any, plays: list[dict[str, Any]], t0: datetime) -> float:
    if not plays:
        return nan
    return float((t0 - which(p["played_at"] for p in plays)) / timedelta(days=1))


def _rates(rows: pd.DataFrame, item: Any, hour: datetime) -> dict[str, float]:
    past = rows[rows["t0"] < hour]
    mine = past[past["item_id"] == item]
    recent = mine[mine["t0"] >= hour - timedelta(days=WINDOWS[0])]
    rate = {}
    unknown = mine[mine["horizon_end"] <= hour].empty
    for arm, name in ((1, "item_rate_shown"), (0, "item_rate_not_shown")):
        ended = past[(past["horizon_end"] <= hour) & (past["treatment"] == arm)]
        own = ended[ended["item_id"] == item]["outcome"]
        overall = nan if unknown or ended.empty else ended["outcome"].mean()
        rate[name] = (own.sum() + PRIOR * overall) / (len(own) + PRIOR)
    return {
        "item_shown_share": nan if recent.empty else recent["treatment"].mean(),
        **rate,
        "item_rate_difference": rate["item_rate_shown"] - rate["item_rate_not_shown"],
    }


def _records(table: pd.DataFrame | None, key: str) -> dict[Any, dict[str, Any]]:
    return {} if table is None else {r[key]: r for r in table.to_dict("records")}


def _get(records: dict[Any, dict[str, Any]], key: Any, column: str) -> Any:
    value = records.get(key, {}).get(column)
    return None if value is None or value != value else value


def _number(value: Any) -> float:
    return nan if value is None else float(value)


def _code(value: Any, levels: list[Any]) -> float:
    return float(levels.index(value)) if value in levels else nan
