from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from causal_ranker.errors import ConfigError, OverlapError
from causal_ranker.evaluation.balance import covariate_balance
from causal_ranker.evaluation.compare import compare_policies
from causal_ranker.evaluation.effect import average_effect
from causal_ranker.evaluation.evaluate import Evaluation, evaluate
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.calibration import Calibration
from causal_ranker.stats.curves import autoc, qini
from tests.evaluation.sample import K, make_rows

ROWS = make_rows()


def run(rows: EvaluationRows, *, seed: int = 5) -> Evaluation:
    return evaluate(rows, k=K, covariates=None, draws=20, rng=np.random.default_rng(seed))


def test_every_part_is_there() -> None:
    table = np.random.default_rng(1).normal(size=(ROWS.sampled.size, 1))
    found = evaluate(
        ROWS,
        k=2,
        covariates=(["age"], table),
        rng=np.random.default_rng(5),
        baseline="blend",
        draws=20,
        level=0.9,
    )
    assert found.comparison == compare_policies(ROWS, k=2, baseline="blend", level=0.9)
    assert found.average_effect == average_effect(ROWS, level=0.9)
    expected = covariate_balance(ROWS, table, names=["age"])
    assert found.balance is not None
    assert found.balance.after.tolist() == expected.after.tolist()
    assert found.scope.requests == ROWS.requests
    assert found.scope.users == len(set(ROWS.user.tolist()))
    assert found.scope.units == len(set(ROWS.unit.tolist()))
    assert found.scope.curve_rows == ROWS.curve_rows.size < found.scope.sampled_rows
    assert found.draws == 20


def test_a_thousand_half_samples_are_usual() -> None:
    found = evaluate(ROWS, k=K, covariates=None, rng=np.random.default_rng(5))
    assert found.draws == 1_000


def test_areas_are_those_of_the_curve_sample() -> None:
    found = run(ROWS)
    at = ROWS.curve_rows
    for name, score in {"uplift": ROWS.uplift, "base_score": ROWS.base_score}.items():
        kept = score[at], ROWS.gamma[at]
        assert found.curves[name].autoc_interval.point == pytest.approx(autoc(*kept))
        assert found.curves[name].qini_interval.point == pytest.approx(qini(*kept))


def test_the_difference_of_the_scores_is_paired() -> None:
    found = run(ROWS)
    gap, one, other = (
        bands.qini_interval
        for bands in (found.curve_difference, *(found.curves[n] for n in ("uplift", "base_score")))
    )
    assert gap.point == pytest.approx(one.point - other.point)
    same = run(replace(ROWS, base_score=2 * ROWS.uplift + 1)).curve_difference.autoc_interval
    assert (same.point, same.low, same.high) == (0.0, 0.0, 0.0)


def test_bands_are_clustered_both_ways() -> None:
    # effects that rows of a unit share: one clustering by user would not see them
    rows = replace(ROWS, gamma=np.where(ROWS.unit < "item 4", 1.0, -1.0))
    rows = replace(rows, uplift=rows.gamma + 0.01 * ROWS.uplift)
    by_user = run(replace(rows, unit=rows.user))
    both = run(rows)
    assert by_user.scope.units is None
    name = "uplift"
    wide = both.curves[name].qini_interval.standard_error
    assert wide > 1.2 * by_user.curves[name].qini_interval.standard_error


def test_the_share_left_out_is_a_share_of_all_candidates() -> None:
    found = run(ROWS)
    lost = sum(
        float(ROWS.sample_weight[row]) for row in ROWS.sampled if ROWS.rank["base"][row] == 0
    )
    assert 0 < found.share_left_out == pytest.approx(lost / ROWS.sample_weight.sum())
    # their propensities, and only theirs, lie outside the bounds in this sample
    assert found.overlap.share_below == pytest.approx(found.share_left_out)
    assert found.overlap.share_inside + found.share_left_out == pytest.approx(1.0)


def test_nothing_is_left_out_where_all_rows_are_primary() -> None:
    weight = np.where(ROWS.primary, ROWS.sample_weight, 0.0)
    assert run(replace(ROWS, sample_weight=weight)).share_left_out == 0.0


def test_the_same_seed_gives_the_same_bands() -> None:
    one, two, other = (run(ROWS, seed=seed).curves["uplift"].toc.high for seed in (5, 5, 6))
    assert one.tolist() == two.tolist() != other.tolist()


def test_a_constant_score_finds_exactly_nothing() -> None:
    found = run(replace(ROWS, uplift=np.full(ROWS.request.size, 0.1)))
    bands = found.curves["uplift"]
    assert (bands.autoc_interval.point, bands.qini_interval.point) == (0.0, 0.0)
    assert (bands.qini_interval.low, bands.qini_interval.high) == (0.0, 0.0)


def test_one_arm_is_refused() -> None:
    with pytest.raises(OverlapError, match="exposed and unexposed"):
        run(replace(ROWS, treatment=np.zeros(ROWS.request.size)))


def test_overlap_bounds_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="overlap bounds"):
        evaluate(
            ROWS,
            k=K,
            covariates=None,
            rng=np.random.default_rng(1),
            draws=2,
            overlap_bounds=(0.5, 0.1),
        )


def propensities_of(rows: EvaluationRows) -> Calibration:
    rng = np.random.default_rng(0)
    return evaluate(rows, k=K, covariates=None, rng=rng, draws=2).propensities


def test_propensities_are_set_against_what_was_exposed() -> None:
    rows = make_rows(3, users=200, requests=2_000)
    found = propensities_of(rows)
    at = rows.sampled
    order = np.argsort(rows.propensity[at], kind="stable")
    assert found.count.sum() == at.size
    start = 0
    for said, seen, count in zip(found.predicted, found.observed, found.count, strict=True):
        group = at[order[start : start + count]]
        start += count
        weight = rows.sample_weight[group]
        assert said == pytest.approx(np.average(rows.propensity[group], weights=weight))
        assert seen == pytest.approx(np.average(rows.treatment[group], weights=weight))
    assert found.squared_error.point < 0.05**2  # they are the ones that T was drawn with
    wrong = replace(rows, propensity=np.where(rows.primary, rows.propensity**2, rows.propensity))
    assert propensities_of(wrong).squared_error.point > 0.1**2
