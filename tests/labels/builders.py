"""Small logs by hand and at random, and the labels that come of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.logs.sources import connect, read_table

START = datetime(2024, 3, 9, tzinfo=UTC)
ENGINE = connect(threads=1)
Row = dict[str, Any]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def candidate(hours: float, *, shown: bool = True, horizon: float = 10, **other: Any) -> Row:
    row = {"user_id": 1, "item_id": 1, "t0": at(hours), "shown": shown}
    return row | {"horizon_end": at(hours + horizon)} | other


def impression(number: int, hours: float, **other: Any) -> Row:
    row = {"impression_id": number, "user_id": 1, "item_id": 1, "t0": at(hours), "viewable": None}
    return row | other


def play(number: int, hours: float, **other: Any) -> Row:
    row = {"play_id": number, "user_id": 1, "item_id": 1, "played_at": at(hours)}
    return row | {"seconds": None, "surface": "home"} | other


def filler(candidates: list[Row]) -> tuple[Row, Row]:
    """Give an impression and a play of nobody: frames without rows would lose their types."""
    nobody = {name: type(candidates[0][name])(-1) for name in ("user_id", "item_id")}
    return impression(-1, -1000, **nobody), play(-1, -2000, **nobody)


def collect(
    candidates: list[Row],
    plays: list[Row],
    *,
    impressions: list[Row] | None = None,
    items: list[Row] | None = None,
    log_end: float = 100,
    attribution: AttributionConfig | None = None,
    **config: Any,
) -> tuple[UpliftDataset, list[Row]]:
    no_impression, no_play = filler(candidates)
    shown = pd.DataFrame([*(impressions or []), no_impression]).astype({"viewable": "boolean"})
    if "viewable_ms" in shown:
        shown = shown.astype({"viewable_ms": "float64"})
    played = pd.DataFrame([*plays, no_play]).astype({"seconds": "float64"})
    tables = [
        read_table(frame, ENGINE, name=name)
        for frame, name in ((shown, "impressions"), (played, "plays"))
    ]
    credits = attribute(*tables, config=attribution or AttributionConfig(window_hours=10))
    rows = collect_labels(
        read_table(pd.DataFrame(candidates), ENGINE, name="candidates"),
        *tables,
        credits=credits,
        config=LabelConfig(log_end=at(log_end), **config),
        items=None if items is None else read_table(pd.DataFrame(items), ENGINE, name="items"),
    )
    return rows, credits.to_pyarrow().to_pylist()


def arms(rows: UpliftDataset) -> dict[Any, tuple[int, int, str]]:
    return {
        (r["user_id"], r["item_id"], r["t0"]): (r["treatment"], r["outcome"], r["label_kind"])
        for r in rows.table.to_pyarrow().to_pylist()
    }


def only(rows: UpliftDataset) -> tuple[int, int, str]:
    found = list(arms(rows).values())
    assert len(found) == 1
    return found[0]


def random_world(rng: np.random.Generator, users: int, name: Any) -> list[list[Row]]:
    """Draw logs on a coarse clock, so that edges are hit and keys repeat."""
    candidates, impressions, plays = [], [], []
    for user in range(users):
        for item in range(2):
            who = {"user_id": name(user), "item_id": name(item)}
            for hours in rng.choice(20, size=rng.integers(0, 6), replace=False):
                shown = bool(rng.integers(0, 2))
                horizon = int(rng.integers(1, 8))
                candidates.append(candidate(int(hours), shown=shown, horizon=horizon, **who))
                for _ in range(rng.integers(1, 3) if shown else 0):
                    view = [True, False, None][rng.integers(0, 3)]
                    number = len(impressions)
                    impressions.append(impression(number, int(hours), viewable=view, **who))
            for _ in range(rng.integers(0, 4)):
                seconds = [None, 10.0, 60.0][rng.integers(0, 3)]
                hours = int(rng.integers(0, 25))
                plays.append(play(len(plays), hours, seconds=seconds, **who))
    return [candidates, impressions, plays]
