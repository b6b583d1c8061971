"""Labels in plain Python: every candidate against every play, impression and credit."""

from __future__ import annotations

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
        views = [i["viewable"] for i in impressions if tuple(i[name] for name in KEY) == key]
        hidden = bool(views) and all(view is False for view in views)
        rows[key] = (int(row["shown"]), int(played), _kind(row["shown"], played, credited, hidden))
    return rows, censored


def _kind(shown: bool, played: bool, credited: bool, hidden: bool) -> str:
    if played:
        return "attributed_play" if shown and credited else "organic_play"
    if not shown:
        return "control_negative"
    return "unviewable" if hidden else "true_negative"
