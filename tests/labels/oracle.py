"""Labels in plain Python: every candidate against every play, impression and credit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

Row = dict[str, Any]
KEY = ("user_id", "item_id", "t0")


def label_slowly(
    candidates: list[Row],
    impressions: list[Row],
    plays: list[Row],
    credits: list[Row],
    *,
    log_end: datetime,
    minimum_seconds: float,
    items: Sequence[Row] = (),
    minimum_viewable_ms: float = 0,
    unknown_viewability: str = "viewable",
) -> tuple[dict[Any, tuple[int, int, str]], int]:
    """Return {(user, item, t0): (T, Y, kind)} and how many rows are censored."""
    rows, censored = {}, 0
    for row in candidates:
        if row["horizon_end"] > log_end:
            censored += 1
            continue
        key = tuple(row[name] for name in KEY)
        played = any(
            (p["user_id"], p["item_id"]) == key[:2]
            and row["t0"] <= p["played_at"] < row["horizon_end"]
            and (p["seconds"] is None or p["seconds"] >= minimum_seconds)
            for p in plays
        )
        credited = any(
            c["impression_id"] is not None
            and tuple(c[name] for name in KEY) == key
            and c["played_at"] < row["horizon_end"]
            for c in credits
        )
        views = [
            _view(i, minimum_viewable_ms)
            for i in impressions
            if tuple(i[name] for name in KEY) == key
        ]
        views = [unknown_viewability if view is None else view for view in views or [None]]
        gone = any(
            (it["available_from"] is not None and row["t0"] < it["available_from"])
            or (it["available_until"] is not None and row["t0"] >= it["available_until"])
            for it in items
            if it["item_id"] == row["item_id"]
        )
        kind = _kind(row["shown"], played, credited, "viewable" not in views, gone)
        rows[key] = (int(row["shown"]), int(played), kind)
    return rows, censored


def _view(impression: Row, minimum_ms: float) -> str | None:
    """What the flag and the time in view say together; None if neither says anything."""
    flag, time = impression["viewable"], impression.get("viewable_ms")
    said = [] if flag is None else [flag]
    if time is not None:
        said.append(time >= max(minimum_ms, 1e-9))
    if not said:
        return None
    return "viewable" if all(said) else "hidden"


def _kind(shown: bool, played: bool, credited: bool, hidden: bool, gone: bool) -> str:
    if played:
        return "attributed_play" if shown and credited else "organic_play"
    if not shown:
        return "control_negative"
    if hidden:
        return "unviewable"
    return "unplayable" if gone else "true_negative"
