"""How the tests of this room call the program, and what an error looks like."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

ROOT = Path(__file__).parents[2]
TABLES = ("impressions", "plays", "candidates")
# one line: what was expected, what came, what to do
MESSAGE = re.compile(r"error: expected .+; got .+\. \S.*")

Edit = Callable[[pd.DataFrame], pd.DataFrame]
Run = Callable[..., tuple[int, str, str]]
Files = Callable[..., list[str]]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def program(*words: object) -> list[str]:
    return [sys.executable, "-m", "causal_ranker", *map(str, words)]


def small_world(**settings: int) -> WorldLogs:
    config = {"users": 40, "items": 30, "candidates": 12, "slate_size": 4, "days": 4, **settings}
    return StreamingWorld(WorldConfig(**config)).simulate()
