"""Small logs by hand, read and labelled on one engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd

from causal_ranker.chain.blocks import BlockReader
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import (
    LabelledLogs,
    Logs,
    label_logs,
    read_logs,
)
from causal_ranker.features.config import FeatureConfig
from causal_ranker.logs.sources import connect

ENGINE = connect(threads=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
FEATURES = FeatureConfig(windows_days=(7,))


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def tables() -> dict[str, pd.DataFrame]:
    """Two users, three items and four requests, a day apart; the last one is censored."""
    keys = [(1, 0), (2, 1), (1, 30), (2, 100)]
    candidates = pd.DataFrame(
        [
            {
                "user_id": user,
                "item_id": item,
                "t0": at(hour),
                "shown": item == user,
                "base_score": [0.1, 0.5, 0.3][item],
                "base_rank": 17 + item,
            }
            for user, hour in keys
            for item in range(3)
        ]
    )
    shown = candidates[candidates["shown"]]
    impressions = shown[["user_id", "item_id", "t0"]].assign(impression_id=range(len(shown)))
    plays = pd.DataFrame(
        [
            (1, 1, 1, at(2), 600.0),  # credited to the impression at hour 0
            (2, 1, 2, at(3), 600.0),  # organic: never shown to user 1
            (3, 2, 2, at(24.5), 20.0),  # credited, and very short
            (4, 1, 1, at(90), None),  # after every horizon of user 1
        ],
        columns=["play_id", "user_id", "item_id", "played_at", "seconds"],
    )
    return {"impressions": impressions, "plays": plays, "candidates": candidates}


def logs(**changed: pd.DataFrame) -> Logs:
    return read_logs(ENGINE, **{**tables(), **changed})


def label(some: Logs | None = None, *, hours: float | None = 24, **settings: Any) -> LabelledLogs:
    config = ChainConfig(**{"features": FEATURES} | settings)
    return label_logs(ENGINE, some or logs(), log_end=at(110), horizon_hours=hours, config=config)


def reader_of(labelled: LabelledLogs) -> BlockReader:
    return BlockReader(
        ENGINE,
        rows=labelled.dataset.table,
        requests=labelled.requests,
        history=labelled.history,
        config=FEATURES,
    )


def frame(table: ibis.Table) -> pd.DataFrame:
    return table.to_pyarrow().to_pandas()
