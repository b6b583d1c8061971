"""Where nothing is wrong, refuters fail as often as their level says, and no less."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from causal_ranker.evaluation.refute.estimates import judge
from causal_ranker.evaluation.refute.placebo import (
    negative_controls,
    placebo_outcome,
    placebo_treatment,
)
from causal_ranker.evaluation.refute.stability import data_subsets
from tests.evaluation.refute.world import material

WORLDS, LEVEL = 45, 0.8


@pytest.mark.slow
def test_false_alarms_are_as_frequent_as_the_level_says() -> None:
    # At 80 % so few worlds tell too many alarms from too few.
    failed = defaultdict(list)
    for seed in range(WORLDS):
        rows = material(5_000 + seed, users=250, logged=seed % 2 == 0)
        base = judge(rows)
        for refuter in (placebo_treatment, placebo_outcome, negative_controls, data_subsets):
            for check in refuter(rows, base, level=LEVEL):
                failed[check.refuter, check.estimate].append(check.verdict == "failed")
    assert len(failed) == 8
    wrong = 1 - LEVEL
    # Eight lines: each within 3.3 standard errors, and their mean, were they one, within 3.
    band = np.sqrt(wrong * LEVEL / WORLDS)
    rates = {line: float(np.mean(each)) for line, each in failed.items()}
    assert all(abs(rate - wrong) < 3.3 * band for rate in rates.values()), rates
    assert abs(np.mean(list(rates.values())) - wrong) < 3 * band / np.sqrt(3), rates
