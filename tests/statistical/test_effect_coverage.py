"""The mean score of cross-fitted nuisances, over many confounded worlds."""

from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.uplift.nuisance import Nuisances
from tests.uplift.worlds import NUISANCE, draw

WORLDS, ROWS = 60, 4_000


@pytest.mark.slow
@pytest.mark.parametrize("logged", [True, False])
def test_intervals_of_the_average_effect_hold_it_as_often_as_they_say(logged: bool) -> None:
    z = []
    for seed in range(WORLDS):
        truth = draw(1_000 + seed, n=ROWS, logged=logged, per_user=1)
        rows = truth.rows
        values = Nuisances(config=NUISANCE, seed=3).fit(rows).cross_fitted(rows)
        gamma = values.scores(rows.treatment, rows.outcome)
        # the average over the drawn rows moves too: its own error belongs to the estimate
        z.append((gamma.mean() - 0.125) / (gamma.std() / np.sqrt(ROWS)))
    held = np.mean(np.abs(z) < 1)  # 68 % intervals: at 95 % so few worlds show no excess
    band = 3 * np.sqrt(0.6827 * 0.3173 / WORLDS)
    assert 0.6827 - band <= held <= 0.6827 + band
    assert np.mean(np.abs(z) < 1.96) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / WORLDS)
    assert abs(np.mean(z)) < 3.5 / np.sqrt(WORLDS)  # neither above nor below the truth
    assert 0.75 < np.std(z) < 1.3
