"""Intervals of uplift@k and of paired differences hold the truth as often as they say.

The world: users x weeks are requests, items x weeks are the units at which the treatment was
assigned; both add effects of their own, which rows share. Two policies draw their lists by
Plackett-Luce with opposite tastes for items, and the first finds rows whose effect is larger by
`GAIN`, so with inclusion probabilities p and q its uplift@k is ``BASE + GAIN`` and that of the
other ``BASE + GAIN * sum(p q) / k``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.evaluation.compare import compare_policies
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.intervals import Interval, clustered_ratio
from causal_ranker.stats.plackett_luce import inclusion_propensities

pytestmark = pytest.mark.slow

DRAWS = 1000
LOW, HIGH = 0.926, 0.974  # 95 % -/+ 3.5 binomial standard errors of 1,000 draws
USERS, WEEKS, ITEMS, K = 60, 4, 15, 4
REQUESTS = USERS * WEEKS
BASE, GAIN = 1.0, 0.3
TASTE = 1.5 * np.linspace(-1, 1, ITEMS)

REQUEST = np.repeat(np.arange(REQUESTS), ITEMS)
USER = REQUEST // WEEKS
UNIT = REQUEST % WEEKS * ITEMS + np.tile(np.arange(ITEMS), REQUESTS)


@dataclass
class Held:
    """How often intervals held the truth."""

    truth: float
    times: int = 0

    def see(self, interval: Interval) -> None:
        self.times += interval.low <= self.truth <= interval.high

    @property
    def share(self) -> float:
        return self.times / DRAWS


def ranks(taste: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    order = np.argsort(-(taste + rng.gumbel(size=(REQUESTS, ITEMS))), axis=1)
    return (np.argsort(order, axis=1) + 1).ravel()


def draw(rng: np.random.Generator) -> EvaluationRows:
    ours, base = ranks(TASTE, rng), ranks(-TASTE, rng)
    gamma = BASE + GAIN * (ours <= K) + rng.normal(size=REQUEST.size)
    gamma += 0.5 * rng.normal(size=USERS)[USER] + 0.5 * rng.normal(size=WEEKS * ITEMS)[UNIT]
    kept = (ours <= K) | (base <= K)
    half = np.full(int(kept.sum()), 0.5)
    return EvaluationRows(
        user=USER[kept],
        unit=UNIT[kept],
        request=REQUEST[kept],
        treatment=np.round(rng.random(half.size)),
        outcome=gamma[kept],
        propensity=half,
        gamma=gamma[kept],
        rank={"base": base[kept], "ours": ours[kept]},
        sample_weight=half,
        uplift=half,
        base_score=half,
        requests=REQUESTS,
    )


def test_two_way_intervals_of_policies() -> None:
    rng = np.random.default_rng(8)
    shared = float(inclusion_propensities(TASTE, K) @ inclusion_propensities(-TASTE, K)) / K
    ours, base = Held(BASE + GAIN), Held(BASE + GAIN * shared)
    difference, by_user, plain = (Held(GAIN * (1 - shared)) for _ in range(3))
    for _ in range(DRAWS):
        rows = draw(rng)
        found = compare_policies(rows, k=K)
        ours.see(found.result("ours").uplift)
        base.see(found.result("base").uplift)
        difference.see(found.result("ours").difference)
        # what the house does not do: one clustering, and scores that are not centred
        sign = (rows.rank["ours"] <= K) * 1.0 - (rows.rank["base"] <= K)
        part = 1.0 / np.bincount(rows.request)[rows.request]
        naive = sign * rows.gamma / K
        by_user.see(clustered_ratio(naive, part, rows.user))
        plain.see(clustered_ratio(naive, part, rows.user, second_cluster=rows.unit))
    assert LOW <= ours.share <= HIGH
    assert LOW <= base.share <= HIGH
    assert LOW <= difference.share <= HIGH
    assert by_user.share < 0.9  # the test can fail on both sides
    assert plain.share > HIGH
