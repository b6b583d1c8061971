"""The linear R-learner, by a slow recomputation and by effects that are lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from causal_ranker.uplift import ridge
from causal_ranker.uplift.nuisance import NuisanceValues
from causal_ranker.uplift.ridge import RidgeLearner
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, draw


class TestRidge(UpliftModelContract):
    """A line through a step: 0.8 is the correlation of a normal variable with its sign."""

    least_correlation = 0.75
    # On either side of the step the line's mean is 2 / pi of the way to it.
    bias = 0.09
    constant_spread = 0.1

    def fresh(self) -> RidgeLearner:
        # A penalty counts rows as a smallest leaf does: where that is one row, there is none.
        penalty = 0.0 if self.config.final.min_rows_leaf == 1 else 30.0
        return RidgeLearner(config=self.config, seed=3, penalty=penalty)


def made_up(n: int) -> NuisanceValues:
    rng = np.random.default_rng(5)
    return NuisanceValues(*(rng.uniform(0.1, 0.9, size=(3, n))))


@pytest.mark.parametrize("batch", [2**17, 97])
def test_it_is_weighted_least_squares_with_a_penalty(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge, "_BATCH", batch)
    rng = np.random.default_rng(0)
    rows = draw(1, n=1_000).rows
    features = rows.features.copy()
    features[:50, 0] = np.nan
    features[:, 3] = rng.integers(0, 3, 1_000)
    rows = replace(rows, features=features, categorical=("x3",), weight=rng.uniform(1, 4, 1_000))
    values = made_up(1_000)
    model = RidgeLearner(config=CONFIG, seed=0, penalty=40.0).fit(rows, nuisances=values)
    # column by column, by hand
    known = ~np.isnan(features[:, 0])
    numbers = []
    for place in range(3):
        value = features[:, place].astype(float)
        center, scale = np.nanmean(value), np.nanstd(value)
        numbers.append(np.where(np.isnan(value), 0, (value - center) / scale))
    design = np.column_stack(
        [np.ones(1_000), *numbers, ~known, *(features[:, 3] == level for level in (0, 1, 2))]
    ).astype(float)
    e = values.propensity
    mean = e * values.outcome_treated + (1 - e) * values.outcome_control
    left, moved = rows.outcome - mean, rows.treatment - e
    weight = rows.weight * moved**2
    weight /= weight.mean()
    # (left - moved * effect)^2, as rows of one regression with extra rows for the penalty
    root = np.sqrt(weight / moved**2)
    penalty = np.sqrt(40.0) * np.eye(design.shape[1])[1:]
    extended = np.vstack([design * (moved * root)[:, None], penalty])
    target = np.concatenate([left * root, np.zeros(len(penalty))])
    by_hand = design @ np.linalg.lstsq(extended, target, rcond=None)[0]
    np.testing.assert_allclose(model.predict(features).point, by_hand, atol=1e-7)


def test_a_large_penalty_leaves_one_effect_for_all() -> None:
    rows, values = draw(2, n=2_000).rows, made_up(2_000)
    found = RidgeLearner(config=CONFIG, seed=0, penalty=1e12).fit(rows, nuisances=values)
    effect = found.predict(rows.features).point
    assert np.ptp(effect) < 1e-6
    e = values.propensity
    mean = e * values.outcome_treated + (1 - e) * values.outcome_control
    moved = rows.treatment - e
    expected = (moved * (rows.outcome - mean)).sum() / (moved**2).sum()
    assert effect[0] == pytest.approx(expected)


def test_it_finds_a_line() -> None:
    truth = draw(3, n=30_000, logged=True)
    x1 = truth.rows.features[:, 1].astype(float)
    slope = np.clip(0.1 + 0.08 * x1, -0.1, 0.3)
    rng = np.random.default_rng(4)
    level = 0.2 + 0.2 * (truth.rows.features[:, 0] > 0)
    outcome = rng.random(30_000) < level + truth.rows.treatment * slope
    rows = replace(truth.rows, outcome=outcome.astype(np.int8))
    found = RidgeLearner(config=CONFIG, seed=0, penalty=10.0).fit(rows).predict(rows.features)
    line = np.polyfit(x1, found.point, 1)
    # The standard error of the slope is about 0.008.
    assert line[0] == pytest.approx(0.075, abs=0.03)
    assert line[1] == pytest.approx(0.1, abs=0.03)
    assert np.corrcoef(found.point, slope)[0, 1] > 0.9
