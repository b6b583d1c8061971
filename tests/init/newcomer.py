"""A newcomer's two CSV files: another service's names, made from a seeded world."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from causal_ranker.columns import Columns as C
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.streaming import StreamingWorld

#: Enough to learn from, and quick.
WORLD = WorldConfig(
    users=60, items=30, candidates=12, slate_size=4, days=38, late_share=0.0, seed=11
)


def offers(world: WorldConfig = WORLD) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What could have been shown with a flag for what was, and what was watched; no ids."""
    logs = StreamingWorld(world).simulate()
    offered = pd.DataFrame(
        {
            "member": _named("m", logs.candidates[C.USER]),
            "title": _named("t", logs.candidates[C.ITEM]),
            "shown_at": _written(logs.candidates[C.T0]),
            "displayed": logs.candidates[C.SHOWN].astype(int),
            "model_score": logs.candidates[C.BASE_SCORE],
            "chance": logs.candidates[C.PROPENSITY],
        }
    )
    watched = pd.DataFrame(
        {
            "member": _named("m", logs.plays[C.USER]),
            "title": _named("t", logs.plays[C.ITEM]),
            "watched_at": _written(logs.plays[C.PLAYED_AT]),
            "watch_seconds": logs.plays[C.SECONDS].round().astype(int),
        }
    )
    return offered, watched.drop_duplicates(["member", "title", "watched_at"])


def shown_alone(world: WorldConfig = WORLD) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same service, which logged only what it showed, and neither scores nor chances."""
    offered, watched = offers(world)
    shown = offered[offered["displayed"] == 1][["member", "title", "shown_at"]]
    return shown, watched


def write(folder: Path, impressions: pd.DataFrame, plays: pd.DataFrame) -> list[str]:
    """Write both as CSV, and return their paths."""
    paths = [str(folder / "impressions.csv"), str(folder / "plays.csv")]
    impressions.to_csv(paths[0], index=False)
    plays.to_csv(paths[1], index=False)
    return paths


def _named(letter: str, ids: pd.Series) -> pd.Series:
    return letter + ids.astype(str).str.zfill(3)


def _written(moments: pd.Series) -> pd.Series:
    return moments.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
