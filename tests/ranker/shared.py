"""What the tests of the ranker share."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pandas as pd

from causal_ranker.evaluation.report import Report
from tests.ranker.season import fit, season, tables


def small() -> Any:
    return season(users=250, days=9, last_days=3, seed=5)


@cache
def small_report() -> Report:
    """The report of a small season, made once: tests of pages read it, too."""
    past, later = small()
    return fit(past).evaluate(**tables(later))


def figures(report: Report) -> bytes:
    return json.dumps(json.loads(report.to_json())["figures"]).encode()


def offer(table: pd.DataFrame, user: Any) -> list[tuple[Any, float]]:
    """Give what the base recommender offered at a user's last request."""
    mine = table[table["user_id"] == user]
    last = mine[mine["t0"] == mine["t0"].max()]
    return list(zip(last["item_id"].tolist(), last["base_score"].tolist(), strict=True))
