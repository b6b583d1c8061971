"""Attribution in plain Python: every play against every impression."""

from __future__ import annotations

from typing import Any

from causal_ranker.attribution.windows import AttributionConfig

Row = dict[str, Any]


def attribute_slowly(
    impressions: list[Row], plays: list[Row], config: AttributionConfig
) -> list[tuple[Any, Any, float]]:
    """Return (play, impression or None, credit), sorted."""
    credits: list[tuple[Any, Any, float]] = []
    for play in plays:
        if play["seconds"] is not None and play["seconds"] < config.minimum_seconds:
            continue
        eligible = []
        for impression in impressions:
            same = (impression["user_id"], impression["item_id"]) == (
                play["user_id"],
                play["item_id"],
            )
            hidden = config.viewable_only and impression["viewable"] is False
            delay = (play["played_at"] - impression["t0"]).total_seconds()
            in_time = config.minimum_delay_seconds <= delay < config.window_hours * 3600
            if same and in_time and not hidden:
                eligible.append((impression["t0"], impression["impression_id"]))
        eligible.sort()
        if not eligible:
            chosen = [None]
        elif config.touch == "linear":
            chosen = [name for _, name in eligible]
        else:
            chosen = [eligible[-1 if config.touch == "last" else 0][1]]
        credits += [(play["play_id"], name, 1 / len(chosen)) for name in chosen]
    return sorted(credits, key=str)
