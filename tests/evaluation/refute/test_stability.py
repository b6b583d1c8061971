"""Estimates that move with noise, or with who is in the logs, are found out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.evaluation.refute.estimates import Target, gap, judge
from causal_ranker.evaluation.refute.material import Material
from causal_ranker.evaluation.refute.stability import data_subsets, random_common_cause
from causal_ranker.uplift.nuisance import NuisanceConfig
from tests.evaluation.refute.world import AVERAGE, GAIN, material, on

LEVEL = 0.99
GREEDY = BoostConfig(
    rounds=60, learning_rate=0.5, leaves=31, min_rows_leaf=2, l2=0.0, feature_share=1.0
)
OVERFIT = NuisanceConfig(
    outcome=GREEDY,
    propensity=GREEDY,
    propensity_kinds=("boosted",),
    propensity_calibrated=False,
)


@pytest.mark.parametrize("logged", [False, True])
def test_noise_does_not_move_what_was_well_fitted(logged: bool) -> None:
    rows = material(1, logged=logged)
    checks = random_common_cause(rows, judge(rows), level=LEVEL)
    assert {check.estimate: check.verdict for check in checks} == {
        AVERAGE: "passed",
        GAIN: "passed",
    }


def test_noise_reaches_a_propensity_that_is_kept_to_some_features() -> None:
    rows = material(1, users=100)
    # With outcome models that are constants, only the propensity is left to move.
    constant = rows.nuisance.outcome.model_copy(update={"min_rows_leaf": 10_000})
    settings = {"propensity_features": ("taste", "fit"), "outcome": constant}
    few = replace(rows, nuisance=rows.nuisance.model_copy(update=settings))
    found = on(random_common_cause(few, judge(few), level=LEVEL)).figure
    assert found is not None
    assert found.point != 0


def test_models_that_fit_noise_move_with_it() -> None:
    rows = material(0, users=120, pull=2.0, nuisance=OVERFIT)
    found = on(random_common_cause(rows, judge(rows), level=LEVEL))
    assert found.verdict == "failed"
    assert "fit noise" in found.why


def test_halves_agree_where_nothing_is_wrong() -> None:
    rows = material(2)
    assert on(data_subsets(rows, judge(rows), level=LEVEL)).verdict == "passed"


def overstated(seed: int) -> Material:
    """One in a hundred was shown, the log says half: models carry all, and nobody counts them."""
    rows = material(seed, logged=True, tau=0.0)
    rng = np.random.default_rng(seed)
    return replace(
        rows,
        rows=replace(
            rows.rows,
            treatment=(rng.random(len(rows.rows)) < 0.01).astype(np.int8),
            propensity=np.full(len(rows.rows), 0.5),
        ),
        gain=None,
    )


def test_an_interval_that_is_too_narrow_is_found_out() -> None:
    rows = overstated(0)
    assert on(data_subsets(rows, judge(rows), level=LEVEL)).verdict == "failed"


def test_halves_of_few_users_cannot_tell() -> None:
    rows = material(2, users=60, tau=0.02)
    found = on(data_subsets(rows, judge(rows), level=LEVEL))
    assert found.verdict == "cannot tell"
    assert "so wide" in found.why


def test_a_gap_is_that_of_two_estimates_and_of_independent_errors() -> None:
    rows = material(4, users=200)
    base = judge(rows)
    first = rows.rows.user % 2 == 0
    target = Target(AVERAGE, "per exposure", rows.rows.weight, None, rows.rows.weight)
    above, below = target.parts(base)
    found = gap(first, above=above, below=below, material=rows, level=0.95)
    parts = []
    for half in (first, ~first):
        at = half & base.kept
        sums = [base.gamma[at & (rows.rows.user == u)].sum() for u in range(200)]
        counts = [(at & (rows.rows.user == u)).sum() for u in range(200)]
        mean = sum(sums) / sum(counts)
        inside = [(s - mean * c) / sum(counts) for s, c in zip(sums, counts, strict=True)]
        parts.append((mean, sum(each**2 for each in inside)))
    (one, its), (other, other_s) = parts
    assert found.point == pytest.approx(one - other)
    assert found.standard_error == pytest.approx(np.sqrt((its + other_s) * 200 / 199))
    assert found.high - found.point == pytest.approx(found.point - found.low)
