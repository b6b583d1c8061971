"""Decisions as a service would log them: drawn by the package's own exploration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from causal_ranker.reranking.draws import Draw, PlackettLuce, Thompson
from causal_ranker.reranking.explore import Exploration, explore
from causal_ranker.reranking.lists import CandidateLists
from causal_ranker.reranking.policies import UpliftPolicy
from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import Decision, EventRecord, Record, event_id

SOFTMAX = PlackettLuce(temperature=0.5)


def decision(
    name: str,
    *,
    user: int | str = 1,
    at_ms: int = 1_760_000_000_000,
    n: int = 6,
    slots: int = 2,
    k: int | None = None,
    draw: Draw = SOFTMAX,
    seed: int = 0,
    **others: Any,
) -> Decision:
    """One drawn list of `k` items (as many as are drawn by default) of `n`."""
    rng = np.random.default_rng([seed, *name.encode()])
    base, uplift = rng.normal(size=n), rng.normal(size=n)
    half = rng.uniform(0.5, 2.0, size=n)
    exploration = Exploration(draw=draw, slots=slots)
    rank = np.empty(n)
    rank[np.argsort(-base, kind="stable")] = np.arange(1.0, n + 1)
    lists = CandidateLists(
        request=np.zeros(n, dtype=np.int64),
        base_score=base,
        base_rank=rank,
        uplift=uplift,
        interval=(uplift - half, uplift + half),
    )
    drawn = explore(UpliftPolicy(), lists, exploration, decisions=[name], users=[user], seed=seed)
    length = min(slots if k is None else k, n)
    shown = np.argsort(drawn.rank)[:length].tolist()
    fields: dict[str, Any] = {
        "decision_id": name,
        "user_id": user,
        "at_ms": at_ms,
        "version": "abc",
        "exploration": exploration.model_dump(),
        "seed": seed,
        "items": [int(item) for item in rng.permutation(n + 90)[:n]],
        "base_score": base.tolist(),
        "score": uplift.tolist(),
        "shown": shown,
        "propensity": drawn.propensity[0][:length][: min(slots, n)].tolist(),
        "slots": min(slots, n),
        "fallback": None,
        "holdout": False,
        "explored": True,
        "features_hash": "f",
        "session_id": None,
        "surface": "home",
        "canary": False,
        "constrained": False,
        "deviation": (
            draw.deviations(-half, half).tolist() if isinstance(draw, Thompson) else None
        ),
    }
    return Decision(**{**fields, **others})


def view(of: Decision, slot: int, **others: Any) -> EventRecord:
    fields: dict[str, Any] = {
        "item_id": of.items[of.shown[slot]],
        "at_ms": of.at_ms + 500,
        "decision_id": of.decision_id,
        **others,
    }
    return EventRecord(
        event_id=event_id("view", **fields), kind="view", received_ms=of.at_ms + 900, **fields
    )


def play(item: int | str, at_ms: int, **others: Any) -> EventRecord:
    named = {name: others[name] for name in ("decision_id", "user_id", "play_id") if name in others}
    return EventRecord(
        event_id=event_id("play", item, at_ms=at_ms, **named),
        kind="play",
        item_id=item,
        at_ms=at_ms,
        received_ms=at_ms,
        **others,
    )


def write(folder: Path, *segments: Sequence[Record]) -> Path:
    """Write records, each sequence to a segment of its own."""
    for records in segments:
        with DecisionLog(folder, config=LogConfig()) as log:
            assert log.append(records).result(10)
    return folder
