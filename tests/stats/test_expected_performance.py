from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from causal_ranker.errors import EmptyError, RowError
from causal_ranker.stats.expected_performance import PerformanceMetric, expected_performance

METRICS: tuple[PerformanceMetric, ...] = ("log_loss", "brier", "auc")


def rows(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and chances that are not the scores."""
    rng = np.random.default_rng(seed)
    score = rng.integers(1, 10, count) / 10
    return score, np.clip(score + rng.normal(0, 0.15, count), 0.02, 0.98)


def test_with_outcomes_it_is_the_metric_itself() -> None:
    score, chance = rows(0, 500)
    outcome = np.random.default_rng(1).random(500) < chance
    theirs = (
        log_loss(outcome, score),
        brier_score_loss(outcome, score),
        roc_auc_score(outcome, score),
    )
    for metric, value in zip(METRICS, theirs, strict=True):
        assert expected_performance(score, outcome, metric=metric).value == pytest.approx(value)


def test_it_is_the_mean_over_all_outcomes_there_could_be() -> None:
    score, chance = rows(2, 9)
    pairs = wins = 0.0
    means = dict.fromkeys(METRICS, 0.0)
    for labels in product((0, 1), repeat=9):
        y = np.array(labels)
        mass = float(np.prod(np.where(y == 1, chance, 1 - chance)))
        for metric in ("log_loss", "brier"):
            means[metric] += mass * expected_performance(score, y, metric=metric).value  # type: ignore[arg-type]
        count = y.sum() * (1 - y).sum()
        if count:
            pairs += mass * count
            wins += mass * count * expected_performance(score, y, metric="auc").value
    means["auc"] = wins / pairs
    for metric in METRICS:
        found = expected_performance(score, chance, metric=metric)
        assert found.value == pytest.approx(means[metric], rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_what_a_row_adds_is_a_derivative_and_an_error(
    metric: PerformanceMetric,
) -> None:
    score, chance = rows(3, 60)
    found = expected_performance(score, chance, metric=metric)
    for row in (0, 17, 59):
        step = np.zeros(60)
        step[row] = 1e-6
        moved = [
            expected_performance(score, chance + s, metric=metric).value for s in (step, -step)
        ]
        assert (moved[0] - moved[1]) / 2e-6 == pytest.approx(found.by_chance[row], rel=1e-4)
    assert found.by_row.sum() == pytest.approx(0, abs=1e-12)
    # Over many samples of rows the value varies as the rows' parts say.
    rng = np.random.default_rng(4)
    score, chance = rows(5, 4000)
    draws = [rng.integers(0, 4000, 400) for _ in range(400)]
    each = [expected_performance(score[d], chance[d], metric=metric) for d in draws]
    said = np.sqrt(np.mean([np.sum(np.square(one.by_row)) for one in each]))
    assert np.std([one.value for one in each]) == pytest.approx(said, rel=0.12)


@given(st.integers(0, 1000), st.integers(0, 5))
def test_the_order_of_rows_and_increasing_scores_do_not_matter_to_the_auc(
    seed: int, power: int
) -> None:
    score, chance = rows(seed, 30)
    order = np.random.default_rng(seed).permutation(30)
    found = expected_performance(score, chance, metric="auc")
    again = expected_performance(score[order] ** (power + 1), chance[order], metric="auc")
    assert again.value == pytest.approx(found.value)
    turned = expected_performance(-score, chance, metric="auc")
    assert turned.value == pytest.approx(1 - found.value)


def test_bad_input_is_told() -> None:
    with pytest.raises(EmptyError, match="rows of both outcomes"):
        expected_performance([0.2, 0.4], [1, 1], metric="auc")
    with pytest.raises(RowError, match="strictly between 0 and 1"):
        expected_performance([0.0, 0.4], [1, 0], metric="log_loss")
    with pytest.raises(RowError, match=r"chances in \[0, 1\]"):
        expected_performance([0.1, 0.4], [2, 0], metric="brier")
