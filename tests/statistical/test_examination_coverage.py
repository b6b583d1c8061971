"""Intervals of examination hold the truth as often as they say, with users who differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from causal_ranker.stats.examination import randomised_examination, swap_examination
from tests.stats.examination_worlds import THETA, randomised, swaps

pytestmark = pytest.mark.slow

DRAWS = 300
LOW, HIGH = 0.906, 0.994  # 95 % -/+ 3.5 binomial standard errors of 300 draws


def test_positions_randomised_by_user() -> None:
    held, alone = np.zeros((2, THETA.size))
    for seed in range(DRAWS):
        rows = randomised(seed, n=6_000, users=300, by_user=True)
        found = randomised_examination(rows.played, rows.position, cluster=rows.user)
        held += (found.low <= THETA) & (found.high >= THETA)
        rough = randomised_examination(rows.played, rows.position, cluster=rows.pair)
        alone += (rough.low <= THETA) & (rough.high >= THETA)
    assert held[0] == DRAWS
    assert (held[1:] >= LOW * DRAWS).all()
    assert (held[1:] <= HIGH * DRAWS).all()
    assert alone[1] < LOW * DRAWS  # the test can fail: rows by themselves do not pass


@pytest.mark.parametrize(
    "world",
    [
        {"nested": True},
        {"nested": False},
        # two rows a pair, of different users: clusters of users alone would hold it 84 times in 100
        {"nested": False, "most": 2, "pairs": 5_000},
    ],
)
def test_swaps_within_users_and_across_them(world: dict[str, Any]) -> None:
    held = np.zeros(THETA.size)
    for seed in range(DRAWS):
        rows = swaps(seed, **world)
        found = swap_examination(rows.played, rows.position, pair=rows.pair, cluster=rows.user)
        held += (found.low <= THETA) & (found.high >= THETA)
    assert held[0] == DRAWS
    assert (held[1:] >= LOW * DRAWS).all()
    assert (held[1:] <= HIGH * DRAWS).all()
