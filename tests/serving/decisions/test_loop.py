"""A world's lists, written down by the log and compacted, are that world's logs again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from causal_ranker.ranker import CausalRanker
from causal_ranker.reranking.draws import PlackettLuce
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.decisions.compact import compact
from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import Decision, EventRecord, event_id
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld
from tests.ranker.season import config

K = 5
WORLD = WorldConfig(users=250, items=100, candidates=20, slate_size=K, days=6, seed=5)


def logged(logs: WorldLogs, folder: Path) -> Path:
    """Write every list and every play down, as a service would have."""
    exploration = Exploration(draw=PlackettLuce(temperature=WORLD.temperature), slots=K)
    slates = dict(list(logs.impressions.groupby(["user_id", "t0"])))
    with DecisionLog(folder, config=LogConfig(segment_bytes=400_000)) as log:
        for (user, t0), rows in logs.candidates.groupby(["user_id", "t0"], sort=False):
            items = rows["item_id"].tolist()
            slate = slates[user, t0].set_index("item_id").sort_values("position")
            first = rows.iloc[0]
            made = Decision(
                decision_id=log.new_id(),
                user_id=user,
                at_ms=int(t0.timestamp() * 1000),
                version="world",
                exploration=exploration.model_dump(),
                seed=0,
                items=items,
                base_score=rows["base_score"].tolist(),
                score=rows["base_score"].tolist(),
                shown=[items.index(item) for item in slate.index],
                propensity=slate["propensity"].tolist(),
                slots=K,
                fallback=None,
                holdout=False,
                explored=True,
                features_hash="",
                session_id=None,
                surface=slate["surface"].iloc[0],
                canary=False,
                constrained=False,
                moment={
                    "hour": float(first["hour"]),
                    "device": first["device"],
                    "session_so_far": float(first["session_so_far"]),
                },
            )
            views = [
                EventRecord(
                    event_id=event_id("view", item, at_ms=made.at_ms, decision_id=made.decision_id),
                    kind="view",
                    item_id=item,
                    at_ms=made.at_ms,
                    received_ms=made.at_ms,
                    decision_id=made.decision_id,
                )
                for item in slate.index[slate["viewable"]]
            ]
            log.append([made])
            log.append(views)
        for row in logs.plays.itertuples():
            at = int(row.played_at.timestamp() * 1000)
            log.append(
                [
                    EventRecord(
                        event_id=event_id("play", row.item_id, at_ms=at, play_id=row.play_id),
                        kind="play",
                        item_id=row.item_id,
                        at_ms=at,
                        received_ms=at,
                        user_id=row.user_id,
                        play_id=row.play_id,
                        seconds=row.seconds,
                    )
                ]
            )
        assert log.flush(20)
        assert log.counts.failed == 0
    return folder


def read(out: Path, table: str, key: list[str]) -> pd.DataFrame:
    files = sorted((out / table).glob("*"))
    parts = [pq.ParquetFile(file).read().to_pandas() for file in files]
    return pd.concat(parts).sort_values(key).reset_index(drop=True)


@pytest.mark.slow
def test_a_worlds_logs_come_back_and_a_ranker_is_fitted_on_them(tmp_path: Path) -> None:
    logs = StreamingWorld(WORLD).simulate()
    done = compact(logged(logs, tmp_path / "log"), out=tmp_path / "out")
    assert done.segments > 3
    assert done.explained == done.decisions == len(logs.candidates) / WORLD.candidates
    key = ["user_id", "t0", "item_id"]
    back = read(tmp_path / "out", "candidates", key)
    world = logs.candidates.sort_values(key).reset_index(drop=True)
    # The world's own chances come from its own draws: another road to the same numbers.
    np.testing.assert_allclose(back["propensity"], world["propensity"], atol=1e-6)
    for name in [*key, "shown", "base_rank", "hour", "device", "session_so_far"]:
        assert (back[name].to_numpy() == world[name].to_numpy()).all(), name
    back = read(tmp_path / "out", "impressions", key)
    world = logs.impressions.sort_values(key).reset_index(drop=True)
    for name in [*key, "position"]:
        assert (back[name].to_numpy() == world[name].to_numpy()).all(), name
    np.testing.assert_allclose(back["propensity"], world["propensity"], atol=1e-9)
    seen = back.groupby(["user_id", "t0"])["viewable"].transform("count") > 0
    assert (back["viewable"][seen].astype(bool) == world["viewable"][seen]).all()
    assert not world["viewable"][~seen].any()
    assert len(read(tmp_path / "out", "plays", ["play_id"])) == len(logs.plays)

    out = tmp_path / "out"
    ranker = CausalRanker(k=K, config=config(), learner="dr", horizon_hours=WORLD.horizon_hours)
    ranker.fit(
        str(out / "impressions"),
        str(out / "plays"),
        candidates=str(out / "candidates"),
        users=logs.users,
        items=logs.items,
        log_end=logs.log_end,
    )
