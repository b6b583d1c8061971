from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, OverlapError, RowError
from causal_ranker.experiments.quasi.matching import Matched, match_on_propensity

EFFECT = 0.5


def confounded(seed: int, *, rows: int = 600) -> tuple[Matched, float]:
    """Who is treated plays more anyway; return what matching and what means find."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    odds = x[:, 0] - 0.5 * x[:, 1] - 0.7
    treated = rng.random(rows) < 1 / (1 + np.exp(-odds))
    y = x @ [1.0, -1.0] + EFFECT * treated + 0.7 * rng.normal(size=rows)
    found = match_on_propensity(
        y,
        treated,
        propensity=1 / (1 + np.exp(-odds)),
        covariates=x,
        cluster=np.arange(rows),
        caliper=0.1,
    )
    return found, float(y[treated].mean() - y[~treated].mean())


def test_the_truth_is_found_where_means_mislead() -> None:
    both = [confounded(seed) for seed in range(60)]
    points = np.array([found.effect.point for found, _ in both])
    assert np.mean([naive for _, naive in both]) > 3 * EFFECT
    assert abs(points.mean() - EFFECT) < 4 * points.std() / np.sqrt(len(points)) + 0.02
    held = sum(found.effect.low <= EFFECT <= found.effect.high for found, _ in both)
    assert held >= 51
    # Rather wide, as told, but of the right order.
    mean = np.mean([found.effect.standard_error for found, _ in both])
    assert 0.8 * points.std() < mean < 2 * points.std()
    before, after = (
        [np.abs(getattr(found, name)).max() for found, _ in both]
        for name in ("balance_before", "balance_after")
    )
    assert np.mean(after) < 0.15 < 0.5 < np.min(before)
    assert min(found.share_matched for found, _ in both) > 0.85


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_of_few_propensities_it_is_the_stratified_mean_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = 80
    stratum = rng.integers(0, 3, rows)
    treated = rng.random(rows) < np.array([0.2, 0.5, 0.8])[stratum]
    treated[:6], stratum[:6] = [True, False] * 3, [0, 0, 1, 1, 2, 2]
    y = rng.normal(size=rows)
    found = match_on_propensity(
        y,
        treated,
        propensity=np.array([0.2, 0.5, 0.8])[stratum],
        covariates=stratum[:, None],
        cluster=np.arange(rows),
        caliper=1e-9,
    )
    closed = (
        sum(
            (y[own & treated].mean() - y[own & ~treated].mean()) * (own & treated).sum()
            for own in (stratum == level for level in range(3))
        )
        / treated.sum()
    )
    assert found.effect.point == pytest.approx(closed, abs=1e-12)
    assert found.share_matched == 1
    assert (found.treated, found.controls) == (treated.sum(), (~treated).sum())
    assert np.abs(found.balance_after).max() < 1e-12
    assert 0 < found.effective_controls <= (~treated).sum() + 1e-9


def test_nearest_by_hand() -> None:
    odds = np.array([0.0, 1.0, 4.0, 0.1, 0.8, -3.0])
    arm = np.array([1, 1, 1, 0, 0, 0])
    y = np.array([10.0, 20.0, 30.0, 1.0, 2.0, 3.0])
    given = {
        "propensity": 1 / (1 + np.exp(-odds)),
        "covariates": odds[:, None],
        "cluster": np.arange(6),
    }
    near = match_on_propensity(y, arm, **given, caliper=0.2)
    assert near.effect.point == pytest.approx(((10 - 1) + (20 - 2)) / 2)
    assert near.share_matched == pytest.approx(2 / 3)
    assert (near.treated, near.controls) == (2, 2)
    wide = match_on_propensity(y, arm, **given, caliper=9.0)
    assert wide.effect.point == pytest.approx(((10 - 1) + (20 - 2) + (30 - 2)) / 3)
    assert (wide.treated, wide.controls) == (3, 2)
    assert wide.effective_controls == pytest.approx(9 / 5)


def test_rows_of_a_user_move_together() -> None:
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=100), 5)
    arm = rng.random(500) < 0.5
    y = x + rng.normal(0, 0.1, 500)
    given = {"propensity": np.full(500, 0.5), "covariates": x[:, None]}
    alone = match_on_propensity(y, arm, **given, cluster=np.arange(500)).effect
    users = match_on_propensity(y, arm, **given, cluster=np.repeat(np.arange(100), 5)).effect
    welch = np.sqrt(y[arm].var() / arm.sum() + y[~arm].var() / (~arm).sum())
    assert alone.standard_error == pytest.approx(welch, rel=0.01)
    assert users.standard_error != pytest.approx(alone.standard_error, rel=0.05)


def test_bad_input() -> None:
    given = {"covariates": np.zeros((4, 1)), "cluster": np.arange(4)}
    y, arm = np.arange(4.0), np.array([1, 1, 0, 0])
    with pytest.raises(OverlapError, match="none of 2"):
        match_on_propensity(y, arm, propensity=[0.9, 0.9, 0.1, 0.1], **given, caliper=0.1)
    with pytest.raises(RowError, match="strictly"):
        match_on_propensity(y, arm, propensity=[1.0, 0.9, 0.1, 0.1], **given)
    with pytest.raises(OverlapError, match="both arms"):
        match_on_propensity(y, np.ones(4), propensity=np.full(4, 0.5), **given)
    with pytest.raises(ConfigError, match="caliper"):
        match_on_propensity(y, arm, propensity=np.full(4, 0.5), **given, caliper=0)
