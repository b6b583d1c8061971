from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from causal_ranker.drift.label_free import LabelFree
from causal_ranker.drift.support import Support
from causal_ranker.errors import EmptyError, NotFittedError, RowError, SchemaError
from causal_ranker.stats.expected_performance import PerformanceMetric, expected_performance

METRICS = pytest.mark.parametrize("metric", ["log_loss", "brier", "auc"])


def draw(
    seed: int, rows: int, *, moved: float = 0.0, turned: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of an overconfident model, and its features; `turned` moves P(Y | X), `moved` X."""
    rng = np.random.default_rng(seed)
    x = rng.normal(moved, 1, size=(rows, 2))
    true = 1 / (1 + np.exp(-(x[:, 0] + turned)))
    score = 1 / (1 + np.exp(-2 * x[:, 0] + 0.5))
    return np.column_stack([score, rng.random(rows) < true]), x


@METRICS
def test_its_interval_holds_what_comes_out_even_if_features_moved(
    metric: PerformanceMetric,
) -> None:
    runs, held = 200, 0
    for seed in range(runs):
        before, _ = draw(2 * seed, 1500)
        now, _ = draw(2 * seed + 1, 600, moved=-0.8)
        said = LabelFree(metric=metric).fit(before).estimate(now[:, 0])
        came = expected_performance(now[:, 0], now[:, 1], metric=metric).value
        held += said.low <= came <= said.high
    low, high = binom.ppf([0.001, 0.999], runs, 0.95)
    assert low <= held <= high


@METRICS
def test_false_alarms_and_a_moved_metric(metric: PerformanceMetric) -> None:
    runs, alarms = 200, 0
    for seed in range(runs):
        detector = LabelFree(metric=metric).fit(draw(2 * seed, 600)[0])
        alarms += detector.predict(draw(2 * seed + 1, 400)[0][:, 0]).drifted
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= alarms <= high
    narrow = 0.3 + 0.4 * draw(1, 2000)[0][:, 0]
    found = detector.predict(narrow)
    assert found.drifted
    before = detector.estimate(draw(2 * runs - 2, 600)[0][:, 0])
    assert found.effect_size == pytest.approx(abs(detector.estimate(narrow).point - before.point))


def test_users_who_move_together_widen_what_is_told() -> None:
    pairs, _ = draw(3, 500)
    many, users = np.repeat(pairs, 8, axis=0), np.repeat(np.arange(500), 8)
    alone = LabelFree().fit(many).estimate(pairs[:, 0])
    together = LabelFree().fit(many, clusters=users).estimate(pairs[:, 0])
    assert together.standard_error > alone.standard_error
    assert together.point == pytest.approx(alone.point)


def test_it_is_trusted_where_chances_are_right_and_not_where_they_are_not() -> None:
    (before, x), (latest, _), (now, z) = draw(4, 8000), draw(5, 8000), draw(6, 2000)
    judge = LabelFree().fit(before, features=x)
    fine = judge.trust(now[:, 0], matured=latest, features=z)
    assert fine.trusted
    assert fine.reasons == ()
    assert fine.outside < 0.03

    turned, _ = draw(7, 8000, turned=0.6)
    off = judge.trust(now[:, 0], matured=turned, features=z)
    assert not off.trusted
    assert 0.08 < off.calibration_error < 0.2
    assert "chances were off" in off.reasons[0]

    few = judge.trust(now[:, 0], matured=latest[:60], features=z)
    assert "too small" in few.reasons[0]
    assert few.known_to > 0.03

    far, w = draw(8, 2000, moved=4.0)
    strange = judge.trust(far[:, 0], matured=latest, features=w)
    assert "like none of the reference" in strange.reasons[0]
    assert strange.outside > 0.5


def test_a_check_fails_by_chance_no_more_often_than_it_says() -> None:
    judge = LabelFree(most_error=0.001).fit(draw(9, 10_000)[0])
    reasons = [judge.trust([0.5], matured=draw(seed, 2000)[0]).reasons for seed in range(100, 200)]
    off = sum(any("chances were off" in words for words in each) for each in reasons)
    assert off <= binom.ppf(0.999, 100, 0.01)


def test_a_constant_stays_quiet_until_it_changes() -> None:
    judge = LabelFree().fit(np.column_stack([np.full(400, 0.3), np.arange(400) % 3 == 0]))
    for rows in (9, 100, 400):
        found = judge.predict(np.full(rows, 0.3))
        assert (found.drifted, found.p_value, found.effect_size) == (False, 1.0, 0.0)
    assert judge.predict(np.full(9, 0.8)).drifted


def test_bad_input_is_told() -> None:
    pairs, x = draw(10, 200)
    with pytest.raises(NotFittedError):
        LabelFree().estimate([0.5])
    judge = LabelFree().fit(pairs)
    with pytest.raises(RowError, match="clusters in the window; got 1"):
        judge.predict([0.5])
    with pytest.raises(SchemaError, match="numbers in 'scores'"):
        judge.predict(["0.5", "0.4"])
    with pytest.raises(RowError, match="strictly between 0 and 1"):
        judge.estimate([0.5, 1.0])
    with pytest.raises(EmptyError):
        judge.predict([])
    with pytest.raises(SchemaError, match="features of the window alone"):
        judge.trust([0.5], matured=pairs, features=x[:1])
    with pytest.raises(SchemaError, match="features of the reference alone"):
        LabelFree().fit(pairs, features=x).trust([0.5], matured=pairs)


def test_a_hole_is_outside_though_each_feature_is_in_its_range() -> None:
    rng = np.random.default_rng(11)
    angle = rng.uniform(0, 2 * np.pi, 3000)
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.full(3000, 5.0)])
    support = Support().fit(ring)
    assert support.outside([[0.0, 0.0, 5.0], [1.0, 0.0, 5.0]]).tolist() == [True, False]
    assert support.outside(ring[:0]).size == 0
    missing = ring[:5].copy()
    missing[:, 0] = np.nan
    assert support.outside(missing).all()


def test_its_own_rows_are_outside_as_rarely_as_it_says() -> None:
    rng = np.random.default_rng(12)
    # Not more than 5,000 rows stand for it, and new rows are as far from them as its own are.
    support = Support(rare=0.02).fit(rng.normal(size=(9000, 3)))
    assert 0.015 < support.outside(rng.normal(size=(20_000, 3))).mean() < 0.026
    for bad, words in (([[1.0, np.inf]], "infinite"), ([["a"]], "numbers"), ([[1.0]], "3 columns")):
        with pytest.raises(SchemaError, match=words):
            support.outside(bad)
    with pytest.raises(EmptyError, match="two rows"):
        Support().fit([[1.0]])
