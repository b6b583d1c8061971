"""Policies compared: recomputed row by row, kept under what must not matter, refused if broken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import t as student

from causal_ranker.errors import CausalRankerError, ConfigError, RowError
from causal_ranker.evaluation.compare import compare_policies
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.intervals import Interval
from tests.evaluation.sample import K, make_rows, take

ROWS = make_rows()


def listed(rows: EvaluationRows, policy: str, request: int) -> set[int]:
    """Row numbers of one request's first K rows."""
    return {
        row
        for row in range(rows.request.size)
        if rows.request[row] == request and 1 <= rows.rank[policy][row] <= K
    }


def slow_interval(
    rows: EvaluationRows,
    value: Callable[[int, int], float],
    carriers: Callable[[int], set[int]],
) -> Interval:
    """Mean over requests of the sum of `value`, two-way by dictionaries; 95 %."""
    everything = {
        request: {row for row in range(rows.request.size) if rows.request[row] == request}
        for request in range(rows.requests)
    }
    total = sum(value(row, r) for r in range(rows.requests) for row in carriers(r))
    mean = total / rows.requests
    sums: list[dict[Hashable, float]] = [defaultdict(float) for _ in range(3)]
    for request in range(rows.requests):
        holders = carriers(request)
        counted = bool(holders)
        holders = holders or everything[request]
        for row in holders:
            part = (value(row, request) if counted else 0.0) - mean / len(holders)
            user, unit = rows.user[row], rows.unit[row]
            for cells, label in zip(sums, (user, unit, (user, unit)), strict=True):
                cells[label] += part / rows.requests
    first, second, both = (
        len(cells) / (len(cells) - 1) * sum(part**2 for part in cells.values()) for cells in sums
    )
    error = max(first + second - both, first, second) ** 0.5
    reach = student.ppf(0.975, min(len(sums[0]), len(sums[1])) - 1) * error
    return Interval(mean, mean - reach, mean + reach, error)


def same(found: Interval, expected: Interval) -> None:
    for name, value in vars(expected).items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("policy", ["base", "uplift", "blend"])
def test_rates_and_uplift_row_by_row(policy: str) -> None:
    found = compare_policies(ROWS, k=K).result(policy)

    def shown(request: int) -> set[int]:
        return listed(ROWS, policy, request)

    same(found.uplift, slow_interval(ROWS, lambda row, _: ROWS.gamma[row] / K, shown))
    same(found.play_rate, slow_interval(ROWS, lambda row, _: ROWS.outcome[row] / K, shown))


@pytest.mark.parametrize("policy", ["uplift", "blend"])
@pytest.mark.parametrize(
    ("quantity", "values"),
    [("difference", ROWS.gamma), ("play_rate_difference", ROWS.outcome)],
)
def test_differences_and_overlap_row_by_row(
    policy: str, quantity: str, values: NDArray[np.float64]
) -> None:
    ours = [listed(ROWS, policy, request) for request in range(ROWS.requests)]
    base = [listed(ROWS, "base", request) for request in range(ROWS.requests)]
    changed = [row for a, b in zip(ours, base, strict=True) for row in a ^ b]
    centre = float(np.mean(values[changed]))

    def value(row: int, request: int) -> float:
        sign = (row in ours[request]) - (row in base[request])
        return float(sign * (values[row] - centre) / K) if sign else 0.0

    def carriers(request: int) -> set[int]:
        return (ours[request] ^ base[request]) or (ours[request] | base[request])

    found = compare_policies(ROWS, k=K).result(policy)
    same(getattr(found, quantity), slow_interval(ROWS, value, carriers))
    kept = sum(len(a & b) for a, b in zip(ours, base, strict=True))
    assert found.overlap == pytest.approx(kept / sum(map(len, base)))


def test_the_difference_is_that_of_the_two_uplifts() -> None:
    comparison = compare_policies(ROWS, k=K)
    base = comparison.result("base").uplift.point
    for result in comparison.results:
        assert result.difference.point == pytest.approx(result.uplift.point - base, abs=1e-12)
    rate = comparison.result("base").play_rate.point
    for result in comparison.results:
        gain = result.play_rate_difference.point
        assert gain == pytest.approx(result.play_rate.point - rate, abs=1e-12)


def test_results_keep_the_order_of_the_policies() -> None:
    rank = {name: ROWS.rank[name] for name in ("uplift", "base", "blend")}
    comparison = compare_policies(replace(ROWS, rank=rank), k=K)
    assert [result.policy for result in comparison.results] == ["uplift", "base", "blend"]
    assert (comparison.k, comparison.baseline, comparison.level) == (K, "base", 0.95)


def test_equal_lists_differ_by_exactly_nothing() -> None:
    # below the first K ranks the two may still differ
    other = ROWS.rank["base"].copy()
    low = other > K
    other[low] = other[low] + 5
    rows = replace(ROWS, rank={"base": ROWS.rank["base"], "same": other})
    result = compare_policies(rows, k=K).result("same")
    assert result.difference == Interval(0.0, 0.0, 0.0, 0.0)
    assert result.overlap == 1.0


@given(seed=st.integers(0, 10_000))
def test_swapping_policy_and_baseline_flips_the_sign_exactly(seed: int) -> None:
    rows = make_rows(seed, users=5, requests=9)
    there = compare_policies(rows, k=K, baseline="base").result("uplift").difference
    back = compare_policies(rows, k=K, baseline="uplift").result("base").difference
    assert (back.point, back.low, back.high) == (-there.point, -there.high, -there.low)
    assert back.standard_error == there.standard_error


@given(seed=st.integers(0, 10_000))
def test_order_labels_and_rows_shown_by_nobody_leave_no_trace(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = compare_policies(ROWS, k=K)
    moved = take(ROWS, rng.permutation(ROWS.request.size))
    renamed = replace(
        moved,
        request=rng.permutation(ROWS.requests)[moved.request],
        user=np.array([f"user {code}" for code in moved.user]),
        unit=np.unique(moved.unit, return_inverse=True)[1],
    )
    # the sampled rows that no list shows, except where a request has no other row
    shown = np.any([(r > 0) & (r <= K) for r in renamed.rank.values()], axis=0)
    alone = ~np.isin(renamed.request, renamed.request[shown])
    lean = take(renamed, np.flatnonzero(shown | alone))
    for old, new in zip(before.results, compare_policies(lean, k=K).results, strict=True):
        assert old.overlap == new.overlap
        for name in ("play_rate", "uplift", "difference"):
            same(getattr(new, name), getattr(old, name))


@given(shift=st.floats(-100, 100))
def test_a_constant_effect_on_every_row_changes_no_difference(shift: float) -> None:
    before = compare_policies(ROWS, k=K)
    after = compare_policies(replace(ROWS, gamma=ROWS.gamma + shift), k=K)
    for old, new in zip(before.results, after.results, strict=True):
        assert new.difference.point == pytest.approx(old.difference.point, abs=1e-9)
        assert new.difference.standard_error == pytest.approx(
            old.difference.standard_error, abs=1e-9
        )


def test_short_requests_are_divided_by_k_all_the_same() -> None:
    # two requests with one candidate and three, k = 3, gamma = 6 and 0: (6 / 3 + 0) / 2 = 1
    one = np.ones(4)
    rows = EvaluationRows(
        user=np.array([1, 2, 2, 2]),
        unit=np.array([1, 2, 2, 2]),
        request=np.array([0, 1, 1, 1]),
        treatment=one,
        outcome=np.array([1.0, 0.0, 0.0, 0.0]),
        propensity=one / 2,
        gamma=np.array([6.0, 0.0, 0.0, 0.0]),
        rank={"base": np.array([1, 1, 2, 3])},
        sample_weight=one,
        uplift=one,
        base_score=one,
        requests=2,
    )
    comparison = compare_policies(rows, k=3)
    assert comparison.empty_slots == pytest.approx(2 / 6)
    result = comparison.result("base")
    assert result.uplift.point == pytest.approx(1.0)
    assert result.play_rate.point == pytest.approx(1 / 6)
    # two values 2 and 0 with mean 1: standard error sqrt(var / n) = sqrt(2 / 2) = 1
    assert result.uplift.standard_error == pytest.approx(1.0)
    assert compare_policies(rows, k=1).empty_slots == 0


def test_k_above_every_list_is_refused_and_the_longest_is_not() -> None:
    longest = max(int(((ROWS.request == r) & ROWS.primary).sum()) for r in range(ROWS.requests))
    ranks = {"base": ROWS.rank["base"]}
    # every row of the lists is among the rows: then any k may be asked for
    whole = replace(ROWS, rank={"base": contiguous(ranks["base"])})
    deepest = int(whole.rank["base"].max())
    assert deepest == longest
    found = compare_policies(whole, k=deepest)
    assert 0 < found.empty_slots < 1
    with pytest.raises(ConfigError, match=f"k of at most {deepest}.*k = {deepest + 1}"):
        compare_policies(whole, k=deepest + 1)


def contiguous(ranks: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Close the gaps that rows left out have made."""
    closed = np.zeros(ranks.size, dtype=np.int64)
    for request in range(ROWS.requests):
        rows = np.flatnonzero((ROWS.request == request) & (ranks > 0))
        closed[rows[np.argsort(ranks[rows])]] = np.arange(1, rows.size + 1)
    return closed


def test_clustering_by_unit_widens_what_units_share() -> None:
    rows = replace(ROWS, gamma=np.where(ROWS.unit < "item 4", 1.0, -1.0))
    two_way = compare_policies(rows, k=K).result("base").uplift
    by_user = compare_policies(replace(rows, unit=rows.user), k=K).result("base").uplift
    assert two_way.point == by_user.point
    assert two_way.standard_error > 1.3 * by_user.standard_error


def without(row: int) -> EvaluationRows:
    return take(ROWS, np.delete(np.arange(ROWS.request.size), row))


def row_at(rank: int, *, policy: str = "uplift", deepest: int) -> int:
    """A row at a rank of a request whose list is at least so deep."""
    ranks = ROWS.rank[policy]
    deep = [r for r in range(ROWS.requests) if ranks[ROWS.request == r].max() >= deepest]
    return int(np.flatnonzero((ranks == rank) & (ROWS.request == deep[0]))[0])


def repeated_rank() -> EvaluationRows:
    """A second row in the last of the K slots, and no slot empty."""
    ranks = {name: vector.copy() for name, vector in ROWS.rank.items()}
    ranks["uplift"][np.flatnonzero(ranks["uplift"] == K + 1)[0]] = K
    return replace(ROWS, rank=ranks)


def longer_list() -> EvaluationRows:
    """A policy whose third row of one request was pushed below the first K."""
    ranks = {name: vector.copy() for name, vector in ROWS.rank.items()}
    ranks["uplift"][row_at(3, deepest=3)] = 99
    return replace(ROWS, rank=ranks)


@pytest.mark.parametrize(
    ("rows", "settings", "error", "message"),
    [
        (without(row_at(1, deepest=3)), {}, RowError, "gaps or repeats in 1 of 36"),
        (without(row_at(2, deepest=3)), {}, RowError, "gaps or repeats in 1 of 36"),
        (repeated_rank(), {}, RowError, "policy 'uplift' with gaps or repeats"),
        (longer_list(), {}, RowError, "'uplift' and 'base' differ in 1 of 36"),
        (replace(ROWS, user=np.ones_like(ROWS.user)), {}, RowError, "at least 2 clusters"),
        (ROWS, {"baseline": "popular"}, ConfigError, "'base', 'uplift', 'blend'; got 'popular'"),
        (ROWS, {"k": 0}, ConfigError, "k = 0"),
        (ROWS, {"k": 2.0}, ConfigError, "k = 2.0"),
        (ROWS, {"level": 95}, ConfigError, "level"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    rows: EvaluationRows,
    settings: dict[str, Any],
    error: type[CausalRankerError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        compare_policies(rows, **{"k": K, **settings})


def test_an_unknown_policy_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'blend'; got 'popular'"):
        compare_policies(ROWS, k=K).result("popular")
