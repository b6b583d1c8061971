from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.evaluation.effect import (
    average_effect,
    calibration_groups,
    effects_by_prediction,
    mean_unexposed,
)
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.calibration import calibration
from causal_ranker.stats.intervals import clustered_mean
from tests.evaluation.sample import make_rows, take

ROWS = make_rows()


def in_curve(rows: EvaluationRows) -> list[int]:
    return [
        row
        for row in range(rows.request.size)
        if rows.sample_weight[row] > 0 and rows.rank["base"][row] > 0
    ]


def test_average_effect_by_hand() -> None:
    weight = ROWS.sample_weight * (1 + (ROWS.user % 2))  # unequal, so that weights are seen
    rows = replace(ROWS, sample_weight=weight)
    at = in_curve(rows)
    total = sum(float(weight[row] * rows.gamma[row]) for row in at)
    found = average_effect(rows)
    assert found.point == pytest.approx(total / sum(float(weight[row]) for row in at))
    part = clustered_mean(
        rows.gamma[at], rows.user[at], second_cluster=rows.unit[at], weights=weight[at]
    )
    assert found.standard_error == pytest.approx(part.standard_error)


def test_mean_outcome_without_exposure_by_hand() -> None:
    above = below = 0.0
    for row in in_curve(ROWS):
        if ROWS.treatment[row] == 0:
            share = ROWS.sample_weight[row] / (1 - ROWS.propensity[row])
            above, below = above + share * ROWS.outcome[row], below + share
    assert mean_unexposed(ROWS) == pytest.approx(above / below)
    assert np.isnan(mean_unexposed(replace(ROWS, treatment=np.ones(ROWS.request.size))))


def test_rows_kept_for_a_list_only_and_rows_without_overlap_do_not_count() -> None:
    at = np.array(in_curve(ROWS))
    assert at.size < ROWS.request.size
    changed = ROWS.gamma.copy()
    changed[np.setdiff1d(np.arange(ROWS.request.size), at)] = 1e6
    assert average_effect(replace(ROWS, gamma=changed)) == average_effect(ROWS)


def test_groups_by_hand() -> None:
    found = calibration_groups(ROWS, groups=4)
    at = sorted(in_curve(ROWS), key=lambda row: ROWS.uplift[row])
    # equal weights: quarters of the sorted rows
    start = 0
    for place, observed in enumerate(found.observed):
        size = int(found.count[place])
        assert abs(size - len(at) / 4) <= 1
        group = np.array(at[start : start + size])
        start += size
        assert found.predicted[place] == pytest.approx(ROWS.uplift[group].mean())
        expected = clustered_mean(
            ROWS.gamma[group], ROWS.user[group], second_cluster=ROWS.unit[group]
        )
        assert vars(observed) == pytest.approx(vars(expected))
    assert start == len(at)


@given(seed=st.integers(0, 10_000))
def test_row_order_leaves_no_trace(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(ROWS.request.size)
    before, after = calibration_groups(ROWS), calibration_groups(take(ROWS, order))
    assert before.count.tolist() == after.count.tolist()
    for old, new in zip(before.observed, after.observed, strict=True):
        assert vars(new) == pytest.approx(vars(old))


def test_five_groups_for_effects_ten_for_calibration_at_95_percent_unless_said() -> None:
    rows = make_rows(3, users=40, requests=200)
    assert len(effects_by_prediction(rows).observed) == 5
    assert len(calibration_groups(rows).observed) == 10
    for found, said in (
        (effects_by_prediction(rows).observed, effects_by_prediction(rows, level=0.95).observed),
        (calibration_groups(rows).observed, calibration_groups(rows, level=0.95).observed),
        ((average_effect(rows),), (average_effect(rows, level=0.95),)),
    ):
        assert found == said
    assert average_effect(rows, level=0.5).high < average_effect(rows).high


def test_equal_predictions_make_one_group() -> None:
    found = calibration_groups(replace(ROWS, uplift=np.full(ROWS.request.size, 0.25)))
    assert found.count.tolist() == [ROWS.curve_rows.size]
    assert found.predicted == pytest.approx([0.25])
    assert found.observed[0].point == pytest.approx(average_effect(ROWS).point)


def test_a_group_with_one_cluster_has_no_interval() -> None:
    # the best group is the rows of one user alone
    uplift = np.where(ROWS.user == ROWS.user[ROWS.curve_rows[0]], 2.0, 1.0)
    found = calibration_groups(replace(ROWS, uplift=uplift), groups=10)
    best = found.observed[-1]
    alone = ROWS.curve_rows[uplift[ROWS.curve_rows] == 2.0]
    assert best.point == pytest.approx(ROWS.gamma[alone].mean())
    assert np.isnan([best.low, best.high, best.standard_error]).all()
    assert np.isfinite(found.observed[0].standard_error)


def test_calibrated_predictions_have_no_error_and_biased_ones_have_their_bias() -> None:
    rng = np.random.default_rng(1)
    n = 40_000
    tau = rng.uniform(-1, 1, n)
    rows = EvaluationRows(
        user=np.arange(n) // 4,
        unit=np.arange(n) // 4,
        request=np.arange(n),
        treatment=(rng.random(n) < 0.5).astype(float),
        outcome=np.zeros(n),
        propensity=np.full(n, 0.5),
        gamma=tau + rng.normal(size=n),
        rank={"base": np.ones(n, dtype=np.int64)},
        sample_weight=np.ones(n),
        uplift=tau,
        base_score=tau,
        requests=n,
    )
    right, biased = calibration_groups(rows), calibration_groups(replace(rows, uplift=tau + 0.3))
    assert right.squared_error.low < 0 < right.squared_error.high < 0.05**2
    assert 0.28**2 < biased.squared_error.low < 0.3**2 < biased.squared_error.high < 0.32**2
    held = sum(o.low <= p <= o.high for o, p in zip(right.observed, right.predicted, strict=True))
    assert held >= 8
    assert not any(
        o.low <= p <= o.high for o, p in zip(biased.observed, biased.predicted, strict=True)
    )


def test_the_error_is_free_of_what_users_and_units_share() -> None:
    at = ROWS.curve_rows
    expected = calibration(
        ROWS.uplift[at],
        ROWS.gamma[at],
        bins=4,
        weights=ROWS.sample_weight[at],
        cluster=ROWS.user[at],
        second_cluster=ROWS.unit[at],
    )
    assert calibration_groups(ROWS, groups=4).squared_error == expected.squared_error
