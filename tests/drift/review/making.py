"""Alerts, rows and entries for tests of the review queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from causal_ranker.drift.review.entries import Alert, Entry, Row

START = datetime(2026, 1, 1, tzinfo=UTC)


def alert(subject: str = "x", **values: Any) -> Alert:
    given: dict[str, Any] = {
        "detector": "monitor",
        "segment": None,
        "window": "w1",
        "statistic": 3.0,
        "threshold": 2.0,
        "p_value": 0.01,
        "effect_size": 0.2,
        "signals": {"mean": 0.2},
    }
    return Alert(subject=subject, **{**given, **values})


def row(user: int | str = 7, **values: Any) -> Row:
    given: dict[str, Any] = {
        "item_id": 3,
        "t0": START,
        "horizon_end": START + timedelta(days=1),
        "treatment": 1,
        "outcome": 0,
        "label_kind": "true_negative",
        "analysis_weight": 2.0,
    }
    return Row(user_id=user, **{**given, **values})


def entry(about: Alert | Row, score: float = 1.0) -> Entry:
    return Entry(about, score, "because", START)
