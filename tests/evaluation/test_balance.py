from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from causal_ranker.errors import OverlapError, SchemaError
from causal_ranker.evaluation.balance import (
    Balance,
    covariate_balance,
    difference_interval,
    largest_difference,
    require_both_arms,
)
from causal_ranker.evaluation.rows import EvaluationRows
from tests.evaluation.sample import make_rows

ROWS = make_rows()


def test_differences_by_hand() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(size=(ROWS.sampled.size, 2))
    table[::7, 1] = np.nan
    found = covariate_balance(ROWS, table, names=["one", "two"])
    for column in range(2):
        arms: dict[float, list[tuple[float, float]]] = {0.0: [], 1.0: []}
        for place, row in enumerate(ROWS.sampled):
            if ROWS.rank["base"][row] and not np.isnan(table[place, column]):
                t, e = ROWS.treatment[row], ROWS.propensity[row]
                weight = ROWS.sample_weight[row] / (e if t else 1 - e)
                arms[t].append((table[place, column], weight))
        values = {arm: np.array([v for v, _ in cells]) for arm, cells in arms.items()}
        weights = {arm: np.array([w for _, w in cells]) for arm, cells in arms.items()}
        ruler = np.sqrt((values[0].var() + values[1].var()) / 2)
        plain = values[1].mean() - values[0].mean()
        weighted = np.average(values[1], weights=weights[1]) - np.average(
            values[0], weights=weights[0]
        )
        assert found.before[column] == pytest.approx(plain / ruler)
        assert found.after[column] == pytest.approx(weighted / ruler)


def test_the_largest_difference_has_an_interval_by_cluster() -> None:
    rng = np.random.default_rng(2)
    rows = replace(ROWS, unit=ROWS.user)
    column = rng.normal(size=ROWS.sampled.size) + 2 * ROWS.treatment[ROWS.sampled]
    table = np.stack([rng.normal(size=column.size), column, np.zeros(column.size)], axis=1)
    table[::7, 1] = np.nan
    balance = covariate_balance(rows, table, names=["none", "large", "constant"])
    assert balance.worst == 1
    assert balance.judged.tolist() == [True, True, False]
    found = largest_difference(rows, table, balance=balance, level=0.9)
    assert found is not None
    assert found.point == balance.after[1]
    # By hand: what each user adds to the two weighted means, around them, in the same ruler.
    cells: dict[float, list[tuple[int, float, float]]] = {0.0: [], 1.0: []}
    for place, row in enumerate(rows.sampled):
        if rows.rank["base"][row] and not np.isnan(table[place, 1]):
            t, e = rows.treatment[row], rows.propensity[row]
            weight = rows.sample_weight[row] / (e if t else 1 - e)
            cells[t].append((int(rows.user[row]), float(table[place, 1]), float(weight)))
    added = dict.fromkeys(set(rows.user[rows.curve_rows].tolist()), 0.0)
    means = {}
    for t, arm in cells.items():
        total = sum(weight for _, _, weight in arm)
        means[t] = sum(value * weight for _, value, weight in arm) / total
        for user, value, weight in arm:
            added[user] += (1 if t else -1) * weight * (value - means[t]) / total
    error = np.sqrt(len(added) / (len(added) - 1) * sum(each**2 for each in added.values()))
    ruler = found.point / (means[1.0] - means[0.0])
    assert found.standard_error == pytest.approx(ruler * error)
    # Two covariates are judged: each interval is wrong half as often.
    reach = stats.t.ppf(1 - 0.05 / 2, len(added) - 1) * ruler * error
    assert (found.low, found.high) == pytest.approx((found.point - reach, found.point + reach))


def test_the_worst_is_the_largest_of_those_that_can_be_judged() -> None:
    nan = float("nan")
    before = np.array([0.1, 0.0, nan, 0.4, 0.0])
    after = np.array([-0.5, 0.0, 0.9, 0.3, 0.2])
    found = Balance(names=("a", "constant", "never", "b", "c"), before=before, after=after)
    assert found.judged.tolist() == [True, False, False, True, True]
    assert found.worst == 0
    assert Balance(names=("never",), before=before[2:3], after=before[2:3]).worst is None
    assert Balance(names=("a", "b"), before=before[:2], after=np.zeros(2)).worst == 0


def test_a_difference_without_a_ruler_has_no_width() -> None:
    treated = np.array([True, True, False, False])
    given: dict[str, Any] = {
        "weights": np.ones(4),
        "user": np.arange(4),
        "second_cluster": None,
        "level": 0.9,
    }
    for column, difference in (([1.0, 3.0, 3.0, 1.0], 0.0), ([1.0, 1.0, 2.0, 2.0], -np.inf)):
        found = difference_interval(np.array(column), treated, difference=difference, **given)
        assert (found.point, found.low, found.high) == (difference,) * 3
        assert found.standard_error == 0


def test_nothing_to_judge_has_no_largest_difference() -> None:
    table = np.ones((ROWS.sampled.size, 1))
    balance = covariate_balance(ROWS, table, names=["constant"])
    assert balance.worst is None
    assert largest_difference(ROWS, table, balance=balance, level=0.9) is None


def test_true_propensities_balance_what_they_depend_on() -> None:
    rng = np.random.default_rng(3)
    n = 60_000
    x = rng.normal(size=(n, 2))
    e = 1 / (1 + np.exp(-x[:, 0]))
    t = (rng.random(n) < e).astype(float)
    rows = EvaluationRows(
        user=np.arange(n),
        unit=np.arange(n),
        request=np.arange(n),
        treatment=t,
        outcome=np.zeros(n),
        propensity=e,
        gamma=np.zeros(n),
        rank={"base": np.ones(n, dtype=np.int64)},
        sample_weight=np.ones(n),
        uplift=np.zeros(n),
        base_score=np.zeros(n),
        requests=n,
    )
    found = covariate_balance(rows, x, names=["drives", "idle"])
    assert 0.75 < found.before[0] < 1.0
    assert abs(found.before[1]) < 0.03
    assert np.abs(found.after).max() < 0.03
    # weights from propensities that ignore the driver leave it unbalanced: the test can fail
    flat = replace(rows, propensity=np.full(n, 0.5))
    wrong = covariate_balance(flat, x, names=["drives", "idle"])
    assert wrong.after[0] == pytest.approx(found.before[0])


@pytest.mark.parametrize("shape", [(ROWS.sampled.size - 1, 2), (ROWS.sampled.size, 3), (4,)])
def test_a_table_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SchemaError, match="sampled rows by names"):
        covariate_balance(ROWS, np.zeros(shape), names=["one", "two"])


def test_no_covariates_at_all() -> None:
    found = covariate_balance(ROWS, np.zeros((ROWS.sampled.size, 0)), names=[])
    assert (found.names, found.before.size, found.after.size) == ((), 0, 0)


@pytest.mark.parametrize("arm", [0.0, 1.0])
def test_a_sample_without_one_arm_is_refused(arm: float) -> None:
    # rows that are kept for a list only, or lack overlap, do not save it
    treatment = np.full(ROWS.request.size, 1 - arm)
    treatment[ROWS.curve_rows] = arm
    with pytest.raises(OverlapError, match="exposed and unexposed"):
        require_both_arms(replace(ROWS, treatment=treatment))
    require_both_arms(ROWS)
