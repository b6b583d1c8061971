"""One small world for the room's tests."""

from __future__ import annotations

import pytest

from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

SMALL = WorldConfig(users=400, items=120, candidates=24, slate_size=6, days=10, seed=7)


@pytest.fixture(scope="session")
def small_config() -> WorldConfig:
    return SMALL


@pytest.fixture(scope="session")
def small_logs() -> WorldLogs:
    return StreamingWorld(SMALL).simulate()
