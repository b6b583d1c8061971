"""Attribution in plain Python: every play against every impression."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from causal_ranker.attribution.config import AttributionConfig

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
        eligible = sorted(
            (row["t0"], row["impression_id"]) for row in shown if _eligible(row, play, config)
        )
        if not eligible:
            credits.append((play["play_id"], None, 1.0))
        weights = _weights(eligible, config)
        credits += [
            (play["play_id"], name, weight / sum(weights))
            for (_, name), weight in zip(eligible, weights, strict=True)
            if weight > 0
        ]
    return sorted(credits, key=str)


def _counts(play: Row, config: AttributionConfig) -> bool:
    long = play["seconds"] is None or play["seconds"] >= config.minimum_seconds
    enough = play["fraction"] is None or play["fraction"] >= config.minimum_fraction
    return long and enough and not (config.leave_out_bots and play["is_bot"])


def _kept(impressions: list[Row], config: AttributionConfig) -> list[Row]:
    unknown = config.unknown_viewability == "viewable"
    rows = []
    for row in sorted(impressions, key=lambda row: (row["t0"], row["impression_id"])):
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


def _weights(eligible: list[tuple[Any, Any]], config: AttributionConfig) -> list[float]:
    count = len(eligible)
    last = count - 1
    if config.touch == "linear":
        return [1.0] * count
    if config.touch in ("first", "last"):
        one = 0 if config.touch == "first" else last
        return [float(place == one) for place in range(count)]
    if config.touch == "time_decay":
        times = [time.timestamp() // 1 for time, _ in eligible]
        ages = [(max(times) - time) / 3600 / config.half_life_hours for time in times]
        return [max(round(2.0 ** (40 - age)), 1) for age in ages]
    if count == 1:
        return [1.0]
    middle = (1 - (config.first_share + config.last_share)) / max(count - 2, 1)
    return [
        config.first_share if place == 0 else config.last_share if place == last else middle
        for place in range(count)
    ]
