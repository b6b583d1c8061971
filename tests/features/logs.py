"""Small logs at random, and their features by the room and by plain Python."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from causal_ranker.features.asof import AsOfFeatures, Levels, outcome_counts
from causal_ranker.features.assemble import read_block
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.logs.sources import connect, read_table

START = datetime(2024, 3, 1, tzinfo=UTC)
ENGINE = connect(threads=1)
KEY = ["user_id", "item_id", "t0"]

CONFIG = FeatureConfig(
    windows_days=(2, 7, 21),
    item_group="genre",
    item_numbers=("minutes",),
    item_categories=("genre", "kids"),
    user_numbers=("age",),
    user_categories=("country",),
    row_numbers=("visits",),
    row_categories=("device",),
    item_vectors={"look": 2},
    exposures=True,
    clock=True,
    prior_rows=5.0,
)


@dataclass(frozen=True)
class Logs:
    """Labelled rows, plays with credit, the tables of users and items, and what was shown."""

    rows: pd.DataFrame
    plays: pd.DataFrame
    users: pd.DataFrame | None
    items: pd.DataFrame | None
    shown: pd.DataFrame | None = None  # besides the rows that were treated

    def plus(self, *, rows: Any = (), plays: Any = (), shown: Any = ()) -> Logs:
        """Add rows, plays and impressions at the end."""
        more_rows, more_plays = pd.DataFrame(rows), pd.DataFrame(plays)
        return replace(
            self,
            rows=pd.concat([self.rows, more_rows[self.rows.columns]]) if len(rows) else self.rows,
            plays=pd.concat([self.plays, more_plays[self.plays.columns]])
            if len(plays)
            else self.plays,
            shown=pd.concat([self.shown, pd.DataFrame(shown, columns=KEY)])
            if len(shown)
            else self.shown,
        )


def at(days: float = 0, *, microseconds: int = 0) -> datetime:
    return START + timedelta(days=days, microseconds=microseconds)


def row(user: Any, item: Any, t0: datetime, **other: Any) -> dict[str, Any]:
    return {
        "user_id": user,
        "item_id": item,
        "t0": t0,
        "horizon_end": t0 + timedelta(days=1),
        "treatment": 0,
        "outcome": 0,
        "visits": 1.5,
        "device": "tv",
        "analysis_weight": 1.0,
    } | other


def play(user: Any, item: Any, played_at: datetime, *, credit: float = 0.0) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "played_at": played_at, "credit": credit}


def random_logs(seed: int, *, name: Any = int, users: int = 5, items: int = 4) -> Logs:
    """Draw logs on a coarse clock: plays lie at t0, at window edges, and a microsecond off."""
    rng = np.random.default_rng(seed)
    requests = {
        (user, at(int(day)) + timedelta(hours=float(hour)))
        for user in range(users)
        for day, hour in zip(rng.integers(20, 50, 4), rng.choice([0, 0, 0.4, 13], 4), strict=True)
    }
    rows = [
        row(
            name(user),
            name(item),
            t0,
            horizon_end=t0 + timedelta(days=int(rng.integers(1, 4))),
            treatment=int(rng.integers(2)),
            outcome=int(rng.integers(2)),
            visits=None if rng.random() < 0.2 else float(rng.integers(9)),
            device=[None, "tv", "phone"][rng.integers(3)],
        )
        for user, t0 in sorted(requests)
        for item in range(items)
        if rng.random() < 0.8
    ]
    moments = [t0 - timedelta(days=edge) for _, t0 in requests for edge in (0, 2, 7, 21, 5.3)]
    nudges = [timedelta(microseconds=int(n)) for n in (-1, 0, 0, 1)]
    plays = [
        play(
            name(rng.choice([*range(users - 1), users])),
            name(rng.integers(items + 1)),
            moments[rng.integers(len(moments))] + nudges[rng.integers(4)],
            credit=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
        )
        for _ in range(60)
    ]
    # the last user never plays and the first has no facts; item 1 has no genre, the last no facts
    facts = pd.DataFrame(
        {
            "user_id": [name(user) for user in range(1, users)],
            "age": rng.integers(18, 80, users - 1),
            "country": (["AT", "BR"] * users)[: users - 1],
        }
    )
    shelf = pd.DataFrame(
        {
            "item_id": [name(item) for item in range(items - 1)],
            "minutes": rng.random(items - 1) * 100,
            "genre": ["crime", None, *["drama"] * (items - 3)],
            "kids": [True, False, *[True] * (items - 3)],
            "look": [[0.5, -1.0], None, *([float(i), 2.0] for i in range(items - 3))],
        }
    )
    return Logs(pd.DataFrame(rows), pd.DataFrame(plays), facts, shelf)


def block_of(
    logs: Logs, *, config: FeatureConfig = CONFIG, levels: Levels | None = None
) -> FeatureBlock:
    """Build the features as the chain does."""

    def read(frame: pd.DataFrame | None, label: str) -> Any:
        return None if frame is None else read_table(frame, ENGINE, name=label)

    rows, plays = read(logs.rows, "rows"), read(logs.plays, "plays")
    users, items = read(logs.users, "users"), read(logs.items, "items")
    levels = levels or Levels.learn(rows, users=users, items=items, config=config)
    shown = rows.filter(rows.treatment == 1).select(*KEY)
    if logs.shown is not None:
        shown = shown.union(read(logs.shown, "impressions"), distinct=True)
    asof = AsOfFeatures(
        ENGINE,
        plays=plays,
        daily=outcome_counts(rows),
        users=users,
        items=items,
        requests=rows.select("user_id", "t0").distinct(),
        config=config,
        levels=levels,
        exposures=shown,
    )
    defined = FeatureBlock.from_arrow(asof.join(rows).to_pyarrow(), config=config)
    block = read_block(asof, rows, config=config)
    # The fast reader gives what the expression says, bit by bit.
    for field in fields(FeatureBlock):
        one, other = getattr(block, field.name), getattr(defined, field.name)
        nan = {"equal_nan": True} if one.dtype.kind == "f" else {}
        assert np.array_equal(one, other, **nan), field.name
    return block


def frame_of(block: FeatureBlock, *, config: FeatureConfig = CONFIG) -> pd.DataFrame:
    """Give the block's features as a table by user, item and t0."""
    t0 = pd.DatetimeIndex(block.t0.view("datetime64[us]"), tz="UTC")
    index = pd.MultiIndex.from_arrays([block.user, block.item, t0], names=KEY)
    return pd.DataFrame(block.features, index=index, columns=config.names)
