"""Estimates are ranked by how much nearer to the scores they are than one effect for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import RowError
from causal_ranker.uplift.league import Scored, rank_estimates


def world(seed: int, *, n: int = 4_000, noise: float = 1.0) -> tuple[Scored, np.ndarray]:
    rng = np.random.default_rng(seed)
    user = np.arange(n) // 4
    tau = 0.2 * np.sin(rng.normal(size=n))
    scores = tau + noise * rng.normal(size=n)
    return Scored(scores=scores, weight=rng.uniform(1, 3, n), user=user, unit=user), tau


def test_the_gain_is_the_formula_term_by_term() -> None:
    judged, tau = world(0, n=60)
    league = rank_estimates({"zero": np.zeros(60), "true": tau}, judged)
    constant = sum(w * s for w, s in zip(judged.weight, judged.scores, strict=True))
    constant /= judged.weight.sum()
    for entry, guess in zip(league.entries, (np.zeros(60), tau), strict=True):
        by_user = np.zeros(15)
        total = 0.0
        for i in range(60):
            gain = (judged.scores[i] - constant) ** 2 - (judged.scores[i] - guess[i]) ** 2
            total += judged.weight[i] * gain / judged.weight.sum()
            by_user[judged.user[i]] += judged.weight[i] * gain
        for i in range(60):
            by_user[judged.user[i]] -= judged.weight[i] * total
        error = np.sqrt(15 / 14 * (by_user**2).sum()) / judged.weight.sum()
        assert entry.gain.point == pytest.approx(total)
        assert entry.gain.standard_error == pytest.approx(error)


def test_the_truth_wins_and_its_gain_is_the_variance_of_the_effects() -> None:
    judged, tau = world(1, n=40_000)
    noise = np.random.default_rng(5).normal(scale=0.3, size=40_000)
    league = rank_estimates({"constant": np.full(40_000, tau.mean()), "true": tau}, judged)
    assert league.best == league.chosen == "true"
    gain = league.entries[1].gain
    variance = np.average(
        (tau - np.average(tau, weights=judged.weight)) ** 2, weights=judged.weight
    )
    assert abs(gain.point - variance) < 3.5 * gain.standard_error
    assert gain.standard_error < 0.3 * variance
    worse = rank_estimates({"true": tau, "noisy": tau + noise}, judged)
    assert worse.best == "true"
    behind = worse.entries[1].behind
    assert abs(behind.point - 0.09) < 3.5 * behind.standard_error


def test_one_standard_error_to_the_simpler_one() -> None:
    judged, tau = world(2, n=2_000)
    faint = 0.97 * tau
    league = rank_estimates({"simple": faint, "complex": tau, "zero": np.zeros(2_000)}, judged)
    gap = next(each.behind for each in league.entries if each.name == "simple")
    assert abs(gap.point) < gap.standard_error or league.best == "simple"
    assert league.chosen == "simple"
    # the same estimate last is not chosen, though it is as good
    order = rank_estimates({"zero": np.zeros(2_000), "complex": tau, "simple": faint}, judged)
    assert order.chosen == "complex"


def test_nothing_to_gain_leaves_the_first() -> None:
    """Over many draws of pure noise the rule keeps one effect for all about as often as it says."""
    kept = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scores, guess = rng.normal(size=400), 0.05 * rng.normal(size=400)
        user = np.arange(400)
        judged = Scored(scores=scores, weight=np.ones(400), user=user, unit=user)
        kept += (
            rank_estimates({"constant": np.zeros(400), "noise": guess}, judged).chosen != "noise"
        )
    # One entrant must be a standard error better than the constant: by chance, one in six or so.
    assert 150 < kept < 195


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 10))
def test_order_of_rows_and_scale_of_weights_do_not_matter(seed: int, factor: float) -> None:
    judged, tau = world(seed, n=200)
    order = np.random.default_rng(seed).permutation(200)
    moved = Scored(
        scores=judged.scores[order],
        weight=factor * judged.weight[order],
        user=judged.user[order],
        unit=judged.user[order],
    )
    one = rank_estimates({"a": 0.5 * tau, "b": tau}, judged)
    other = rank_estimates({"a": 0.5 * tau[order], "b": tau[order]}, moved)
    assert (one.best, one.chosen) == (other.best, other.chosen)
    for each, again in zip(one.entries, other.entries, strict=True):
        assert each.gain.point == pytest.approx(again.gain.point)
        assert each.behind.standard_error == pytest.approx(again.behind.standard_error, abs=1e-12)


def test_units_that_rows_share_widen_the_gap() -> None:
    rng = np.random.default_rng(8)
    unit = rng.integers(0, 20, 2_000)
    user = np.arange(2_000)
    shared = rng.normal(size=20)[unit]
    scores = shared + rng.normal(size=2_000)
    guess = 0.2 * rng.normal(size=20)[unit]
    for units in (user, unit):
        judged = Scored(scores=scores, weight=np.ones(2_000), user=user, unit=units)
        errors = rank_estimates({"guess": guess}, judged).entries[0].gain.standard_error
        if units is user:
            alone = errors
    assert errors > 2 * alone


def test_one_user_is_refused() -> None:
    one = np.zeros(10, dtype=int)
    judged = Scored(scores=np.arange(10.0), weight=np.ones(10), user=one, unit=one)
    with pytest.raises(RowError):
        rank_estimates({"zero": np.zeros(10)}, judged)
