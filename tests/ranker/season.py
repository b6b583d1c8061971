"""A season of a small streaming world, cut in two: what a ranker is fitted and judged on."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.chain.config import ChainConfig
from causal_ranker.evaluation.refute.material import RefuteConfig
from causal_ranker.features.config import FeatureConfig
from causal_ranker.ranker import CausalRanker
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

K = 5
KEY = ["user_id", "item_id", "t0"]
TREES = BoostConfig(rounds=50, learning_rate=0.08, leaves=8, min_rows_leaf=100)
SMALL = (
    BoostConfig(rounds=50, learning_rate=0.08, leaves=4, min_rows_leaf=200),
    BoostConfig(rounds=50, learning_rate=0.08, leaves=8, min_rows_leaf=200),
)
CANDIDATES = (
    Candidate(learner="constant"),
    *(Candidate(learner="dr", final=trees, stops=(1.0,)) for trees in SMALL),
)
FEATURES = FeatureConfig(
    windows_days=(3, 14),
    item_group="genre",
    item_numbers=("buzz", "minutes"),
    item_categories=("genre",),
    user_numbers=("tenure_days", "taste_breadth", "skip_rate"),
    user_categories=("favourite_genre",),
    row_numbers=("hour", "session_so_far"),
    row_categories=("device",),
)


def config(**settings: Any) -> ChainConfig:
    """Give the settings that fit so few rows."""
    fast = {
        "features": FEATURES,
        "dr": LearnerConfig(final=TREES, nuisance=NuisanceConfig(outcome=TREES, propensity=TREES)),
        "candidates": CANDIDATES,
        "base_trials": SMALL,
        "base_stops": (0.25, 0.5, 0.75, 1.0),
        "choose_days": 2,
        "base_first_days": 2,
        "base_refit_days": 2,
        # It fits models several times over; tests/ranker/test_refute.py is about it.
        "refute": RefuteConfig(enabled=False),
    }
    return ChainConfig(**(fast | settings))


@cache
def season(
    *, users: int = 800, days: int = 12, last_days: float = 4, seed: int = 3
) -> tuple[WorldLogs, WorldLogs]:
    """Run a world and cut off its last days. The tables are shared: change copies only."""
    world = WorldConfig(users=users, items=100, candidates=20, slate_size=K, days=days, seed=seed)
    past, later = StreamingWorld(world).simulate().split(last_days=last_days)
    return past, later


def tables(logs: WorldLogs, kind: Any = lambda table: table) -> dict[str, Any]:
    """Give what `fit` and `evaluate` both take, as tables of another kind."""
    return {name: kind(getattr(logs, name)) for name in ("impressions", "plays", "candidates")} | {
        "log_end": logs.log_end
    }


def fit(logs: WorldLogs, *, kind: Any = lambda table: table, **settings: Any) -> CausalRanker:
    ranker = CausalRanker(**({"k": K, "config": config(), "seed": 1} | settings))
    return ranker.fit(**tables(logs, kind), users=kind(logs.users), items=kind(logs.items))


def candidates_at_once(past: WorldLogs, later: WorldLogs, *, users: int) -> pd.DataFrame:
    """Let the first later requests of some users all come at the moment of the cut."""
    table = later.candidates
    first = table.groupby("user_id")["t0"].transform("min") == table["t0"]
    chosen = table["user_id"].isin(table["user_id"].unique()[:users])
    table = table[first & chosen]

    def clock(moment: datetime) -> pd.Series:
        return pd.Series(moment, index=table.index, dtype=table["t0"].dtype)

    ends = past.log_end + timedelta(days=1)
    return table.assign(t0=clock(past.log_end), horizon_end=clock(ends))


def true_value(truth: pd.DataFrame, score: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Mean over requests of (1/k) times the effects of the first k candidates with overlap."""
    table = truth[["assignment_unit", "tau"]].assign(score=score)[inside]
    first = table.sort_values("score", ascending=False, kind="stable").groupby("assignment_unit")
    return float(first.head(K).groupby("assignment_unit")["tau"].sum().mean() / K)
