"""What the tests of the ranker share."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd

from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker
from causal_ranker.reporting.json import to_line
from tests.ranker.season import fit, season, tables


def small() -> Any:
    return season(users=250, days=9, last_days=3, seed=5)


@cache
def told_ranker() -> CausalRanker:
    """A ranker whose uplift differs from row to row, so that every part of a report has a say."""
    return fit(small()[0], learner="dr")


@cache
def told_report() -> Report:
    """Its report, made once: the tests of pages look at it, too."""
    return told_ranker().evaluate(**tables(small()[1]))


def figures(report: Report) -> bytes:
    return to_line(report.figures).encode()


def offer(table: pd.DataFrame, user: Any) -> list[tuple[Any, float]]:
    """Give what the base recommender offered at a user's last request."""
    mine = table[table["user_id"] == user]
    last = mine[mine["t0"] == mine["t0"].max()]
    return list(zip(last["item_id"].tolist(), last["base_score"].tolist(), strict=True))
