"""Effects on total plays: cross-fitted by user, unbiased, and 0 where the effect is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import EmptyError, NotFittedError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.nuisance import NuisanceConfig
from causal_ranker.uplift.total_outcome import TotalOutcome

CONFIG = NuisanceConfig(
    outcome=BoostConfig(rounds=30, learning_rate=0.25, leaves=8, min_rows_leaf=20, l2=1.0)
)
USERS, EACH = 500, 6


def draw(seed: int, effect: float) -> tuple[Rows, Any, Any]:
    """Users play 5 to 15 titles; a title with a large second feature is shown to those who play."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(USERS), EACH)
    level = np.repeat(rng.normal(size=USERS), EACH)
    x = np.column_stack([level, rng.normal(size=user.size)]).astype(np.float32)
    e = 1 / (1 + np.exp(-0.7 * x[:, 0] - 0.5 * x[:, 1]))
    t = (rng.random(user.size) < e).astype(np.int8)
    total = 10 + 4 * x[:, 0] + effect * t + rng.normal(size=user.size)
    rows = Rows(
        features=x,
        treatment=t,
        outcome=t,
        weight=np.ones(user.size),
        user=user,
        unit=user,
        propensity=e.astype(np.float64),
        names=("level", "title"),
        categorical=(),
    )
    return rows, total, e.astype(np.float64)


def scores(model: TotalOutcome, rows: Rows, total: Any, e: Any) -> Any:
    return model.scores(
        rows.features, rows.user, total=total, treatment=rows.treatment, propensity=e
    )


def test_without_bias_and_sharper_than_without_the_model() -> None:
    found, plain, wrong, naive = [], [], [], []
    for seed in range(8):
        rows, total, e = draw(seed, 0.5)
        model = TotalOutcome(config=CONFIG, seed=1).fit(rows, total)
        weight = (rows.treatment - e) / (e * (1 - e))
        found.append(scores(model, rows, total, e).mean())
        plain.append((weight * total).mean())
        naive.append(total[rows.treatment == 1].mean() - total[rows.treatment == 0].mean())
        null = draw(seed, 0.0)
        model = TotalOutcome(config=CONFIG, seed=1).fit(null[0], null[1])
        # propensities that know nothing: a model that is right is enough where nothing happens
        wrong.append(scores(model, null[0], null[1], np.full(e.size, 0.5)).mean())
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - 0.5) < 3.5 * error
    assert np.std(plain) > 3 * np.std(found)
    assert np.mean(naive) > 1.5  # confounded: the test can fail
    assert abs(np.mean(wrong)) < 0.1


def test_a_users_totals_say_nothing_about_the_users_own_scores() -> None:
    rows, total, e = draw(3, 0.5)
    mine = rows.user < 2
    one = TotalOutcome(config=CONFIG, seed=1).fit(rows, total)
    two = TotalOutcome(config=CONFIG, seed=1).fit(rows, np.where(mine, total + 1e4, total))
    for user in range(2):
        own = rows.user == user
        alone = np.where(own, total + 1e4, total)
        other = TotalOutcome(config=CONFIG, seed=1).fit(rows, alone)
        before, after = (scores(model, rows, total, e)[own] for model in (one, other))
        np.testing.assert_array_equal(before, after)
    before, after = (scores(model, rows, total, e) for model in (one, two))
    assert (before != after)[~mine].any()


def test_it_is_the_formula() -> None:
    rows, total, e = draw(4, 0.5)
    model = TotalOutcome(config=CONFIG, seed=1).fit(rows, total)
    found = scores(model, rows, total, e)
    expected = total - found * e * (1 - e) / (rows.treatment - e)
    # what was taken off does not depend on the arm
    flipped = model.scores(
        rows.features, rows.user, total=total, treatment=1 - rows.treatment, propensity=e
    )
    again = total - flipped * e * (1 - e) / (1 - rows.treatment - e)
    np.testing.assert_allclose(expected, again, rtol=1e-9)
    assert np.corrcoef(expected, rows.features[:, 0])[0, 1] > 0.95


def test_input_is_checked() -> None:
    rows, total, e = draw(5, 0.5)
    with pytest.raises(NotFittedError, match="total plays"):
        scores(TotalOutcome(config=CONFIG, seed=1), rows, total, e)
    one = rows.take(rows.user == 0)
    with pytest.raises(EmptyError, match="users outside fold"):
        TotalOutcome(config=CONFIG, seed=1).fit(one, total[rows.user == 0])
