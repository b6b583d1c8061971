"""Attribution in plain Python: every play against every impression."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.shares import SurfaceShares

Row = dict[str, Any]


def attribute_slowly(
    impressions: list[Row], plays: list[Row], config: AttributionConfig
) -> list[tuple[Any, Any, float]]:
    """Return (play, impression or None, credit), sorted."""
    shown = _kept(impressions, config)
    credits: list[tuple[Any, Any, float]] = []
    for play in plays:
        if not _counts(play, config):
            continue
        eligible = [row for row in shown if _eligible(row, play, config)]
        eligible.sort(key=_place)
        if not eligible:
            credits.append((play["play_id"], None, 1.0))
        weights = _weights(eligible, config)
        credits += [
            (play["play_id"], row["impression_id"], weight / sum(weights))
            for row, weight in zip(eligible, weights, strict=True)
            if weight > 0
        ]
    return sorted(credits, key=str)


def _place(row: Row) -> tuple[Any, Any]:
    """By time, then by id: integers by value, strings by the MD5 of their bytes."""
    name = row["impression_id"]
    return row["t0"], hashlib.md5(name.encode()).digest() if isinstance(name, str) else name


def _counts(play: Row, config: AttributionConfig) -> bool:
    long = play["seconds"] is None or play["seconds"] >= config.minimum_seconds
    enough = play["fraction"] is None or play["fraction"] >= config.minimum_fraction
    return long and enough and not (config.leave_out_bots and play["is_bot"])


def _kept(impressions: list[Row], config: AttributionConfig) -> list[Row]:
    unknown = config.unknown_viewability == "viewable"
    if config.most_impressions_a_day is not None:
        people = (
            impressions
            if not config.leave_out_bots
            else [row for row in impressions if not row["is_bot"]]
        )
        days = [(row["user_id"], row["t0"].date()) for row in people]
        impressions = [
            row
            for row, day in zip(people, days, strict=True)
            if days.count(day) <= config.most_impressions_a_day
        ]
    rows = []
    for row in sorted(impressions, key=_place):
        if config.leave_out_bots and row["is_bot"]:
            continue
        flag = unknown if row["viewable"] is None else row["viewable"]
        if config.viewable_only and not flag:
            continue
        in_view = row["viewable_ms"]
        in_view = in_view >= config.minimum_viewable_ms if in_view is not None else unknown
        if config.minimum_viewable_ms and not in_view:
            continue
        who = [(old["user_id"], old["item_id"]) for old in rows]
        when = [(old["user_id"], old["item_id"], old["t0"]) for old in rows]
        again = (row["user_id"], row["item_id"], row["t0"]) in when
        if config.duplicates == "first" and again:
            continue
        if config.exposures == "first" and (row["user_id"], row["item_id"]) in who:
            continue
        rows.append(row)
    return rows


def _eligible(row: Row, play: Row, config: AttributionConfig) -> bool:
    if any(row[key] != play[key] for key in ("user_id", "item_id")):
        return False
    if config.same_session and (
        row["session_id"] is None or row["session_id"] != play["session_id"]
    ):
        return False
    delay = play["played_at"] - row["t0"]
    if delay < timedelta(seconds=config.minimum_delay_seconds):
        return False
    hours = config.surface_window_hours.get(row["surface"], config.window_hours)
    if delay < timedelta(hours=hours):
        return True
    if config.click_window_hours is None or row["clicked_at"] is None:
        return False
    since = play["played_at"] - row["clicked_at"]
    return timedelta(0) <= since < timedelta(hours=config.click_window_hours)


def _weights(eligible: list[Row], config: AttributionConfig) -> list[float]:
    count = len(eligible)
    last = count - 1
    if config.touch == "linear":
        return [1.0] * count
    if config.touch in ("first", "last"):
        one = 0 if config.touch == "first" else last
        return [float(place == one) for place in range(count)]
    if config.touch == "time_decay":
        times = [row["t0"].timestamp() // 1 for row in eligible]
        ages = [(max(times) - time) / 3600 / config.half_life_hours for time in times]
        return [max(round(2.0 ** (40 - age)), 1) for age in ages]
    if config.surface_shares is not None:
        return _by_surface([row["surface"] for row in eligible], config.surface_shares)
    if count == 1:
        return [1.0]
    middle = (1 - (config.first_share + config.last_share)) / max(count - 2, 1)
    return [
        config.first_share if place == 0 else config.last_share if place == last else middle
        for place in range(count)
    ]


def _by_surface(surfaces: list[str | None], shares: SurfaceShares) -> list[float]:
    known = {name for each in shares.sets for name in each.surfaces}
    named = [name if name in known and name is not None else "" for name in surfaces]
    share = dict.fromkeys(named, 1.0)
    for each in shares.sets:
        if set(each.surfaces) == set(named):
            share = dict(zip(each.surfaces, each.shares, strict=True))
    return [share[name] / named.count(name) for name in named]


def count_paths_slowly(
    impressions: list[Row], plays: list[Row], config: AttributionConfig
) -> dict[frozenset[str], tuple[int, int]]:
    """Return, by set of surfaces, the impressions at which it had been seen, and the last ones."""
    shown = _kept(impressions, config)
    last = {
        name
        for _, name, _ in attribute_slowly(
            impressions, plays, config.model_copy(update={"touch": "last"})
        )
    }
    counts: dict[frozenset[str], tuple[int, int]] = {}
    for row in shown:
        asking = {**row, "played_at": row["t0"]}
        at_once = config.model_copy(update={"minimum_delay_seconds": 0.0})
        seen = frozenset(
            other["surface"] or "" for other in shown if _eligible(other, asking, at_once)
        )
        if not seen:  # without a session of its own it can lead to nothing in a session
            continue
        paths, played = counts.get(seen, (0, 0))
        counts[seen] = paths + 1, played + (row["impression_id"] in last)
    return counts
