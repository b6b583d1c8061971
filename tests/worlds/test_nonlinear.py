"""The non-linear world is drawn from the truth it tells, and is confounded, smooth and oblique."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.learner_rows import LearnerRows
from causal_ranker.worlds.nonlinear import NonlinearConfig, draw_nonlinear


@pytest.fixture(scope="module")
def drawn() -> LearnerRows:
    return draw_nonlinear(NonlinearConfig(rows=100_000, seed=1))


def explained(rows: LearnerRows, design: Array) -> float:
    """Share of the variance of the true effect that a regression on some columns explains."""
    design = np.column_stack([np.ones(len(design)), design])
    left = rows.tau - design @ np.linalg.lstsq(design, rows.tau, rcond=None)[0]
    return float(1 - left.var() / rows.tau.var())


def test_the_defaults_are_the_size_that_figures_are_told_for() -> None:
    rows = draw_nonlinear(NonlinearConfig())
    assert rows.features.shape == (200_000, 20)
    assert rows.features.dtype == np.float32
    assert len(rows.names) == len(set(rows.names)) == 20
    assert rows.categorical == ()
    assert np.isnan(rows.propensity).all()
    assert len(np.unique(rows.user)) == len(np.unique(rows.unit)) == 200_000


def test_the_truth_is_the_formula(drawn: LearnerRows) -> None:
    """Written once more, row by row: a change of the world changes every figure told for it."""
    for row in range(0, 100_000, 5_000):
        x = drawn.features[row].astype(float)
        tau = -0.05 + 0.235 / (1 + np.exp(-(1.5 * x[0] + 1.05 * x[1] + 0.3 * x[0] * x[1])))
        level = 0.72 * x[0] * x[4] + 0.96 * np.sin(x[1] + x[5]) + 0.84 * x[6] - 0.48
        mu0 = 0.1 + 0.45 / (1 + np.exp(-level))
        shown = 0.9 * x[6] + 0.72 * x[0] + 0.45 * x[5] * x[7] - 0.45
        assert drawn.tau[row] == pytest.approx(tau, abs=1e-9)
        assert drawn.mu0[row] == pytest.approx(mu0, abs=1e-9)
        assert drawn.true_propensity[row] == pytest.approx(0.1 + 0.8 / (1 + np.exp(-shown)))


def test_treatments_and_outcomes_are_drawn_from_the_truth(drawn: LearnerRows) -> None:
    """In every tenth of each truth and feature, within four standard errors."""
    t, y, e = drawn.treatment, drawn.outcome, drawn.true_propensity
    mean = np.where(t == 1, drawn.mu1, drawn.mu0)
    errors = {"treatment": (t - e, e * (1 - e)), "outcome": (y - mean, mean * (1 - mean))}
    for name, (error, variance) in errors.items():
        for by in (e, drawn.mu0, drawn.tau, *drawn.features.T):
            cell = np.digitize(by, np.quantile(by, np.linspace(0.1, 0.9, 9)))
            z = np.bincount(cell, error) / np.sqrt(np.bincount(cell, variance))
            assert np.abs(z).max() < 4.2, name
            assert np.square(z).sum() > 1, name  # chance is in it, too
    assert set(np.unique(t)) == set(np.unique(y)) == {0, 1}


def test_it_is_confounded_with_overlap_and_both_signs(drawn: LearnerRows) -> None:
    t, y = drawn.treatment == 1, drawn.outcome
    assert 1.7 < (y[t].mean() - y[~t].mean()) / drawn.tau.mean() < 2.5
    assert 0.1 <= drawn.true_propensity.min() < 0.12
    assert 0.88 < drawn.true_propensity.max() <= 0.9
    assert drawn.mu1.min() > 0.05
    assert drawn.mu1.max() < 0.75
    assert 0.2 < (drawn.tau < 0).mean() < 0.32
    assert 0.065 < drawn.tau.std() < 0.082


def test_the_effect_is_of_two_features_and_neither_a_line_nor_a_step(drawn: LearnerRows) -> None:
    x = drawn.features.astype(np.float64)
    assert 0.75 < explained(drawn, x) < 0.95
    assert explained(drawn, x) - explained(drawn, x[:, :2]) < 0.001
    tenths = [np.digitize(x[:, i], np.quantile(x[:, i], np.linspace(0.1, 0.9, 9))) for i in (0, 1)]
    steps = np.column_stack([np.eye(10)[tenth][:, 1:] for tenth in tenths])
    assert 0.75 < explained(drawn, steps) < 0.95


def test_equal_seeds_give_equal_rows_and_others_do_not() -> None:
    one, same, other = (draw_nonlinear(NonlinearConfig(rows=50, seed=s)) for s in (3, 3, 4))
    for field in fields(LearnerRows):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(same, field.name))
    assert (one.features != other.features).all()
    assert (one.treatment != other.treatment).any()


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="rows"):
        NonlinearConfig(rows=0)
