"""uplift@k of scores: tied rows share slots, and differences are paired."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.stats.curves import uplift_at_k
from causal_ranker.stats.intervals import clustered_ratio, paired_uplift_at_k
from causal_ranker.stats.slots import PairedUplift, _slot_shares

Array = NDArray[np.float64]
Rows = dict[str, NDArray[Any]]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_tied_rows_stand_in_slots_as_often_as_over_all_orders(
    rows: list[tuple[int, int]], k: int
) -> None:
    labels, scores = (np.array(column) for column in zip(*rows, strict=True))
    request = np.unique(labels, return_inverse=True)[1]
    seen = np.zeros(scores.size)
    orders = list(permutations(range(scores.size)))
    for order in orders:
        nudged = scores + np.array(order) / 100
        for code in np.unique(request):
            members = np.flatnonzero(request == code)
            seen[members[np.argsort(-nudged[members])[:k]]] += 1
    found = slot_shares(scores.astype(float), request, k=k)
    np.testing.assert_allclose(found, seen / len(orders), atol=1e-12)
    sizes = np.bincount(request)
    np.testing.assert_allclose(np.bincount(request, weights=found), np.minimum(sizes, k))


def slot_shares(score: Array, request: NDArray[np.int64], *, k: int) -> Array:
    return _slot_shares(score, request, requests=int(request.max()) + 1, k=k)


def make_rows(seed: int = 3, *, requests: int = 400) -> Rows:
    rng = np.random.default_rng(seed)
    request = np.repeat(np.arange(requests), rng.integers(1, 9, requests))
    n = request.size
    taste = rng.normal(size=n)
    order = rng.permutation(n)
    rows = {
        "first": np.round(taste, 1),
        "second": taste + rng.normal(size=n),
        "gamma": 0.3 * taste + rng.normal(size=n) + rng.normal(size=80)[request % 80],
        "request": request,
        "cluster": request % 80,
        "unit": rng.integers(0, 50, n),
    }
    return {name: values[order] for name, values in rows.items()}


def compare(rows: Rows, **changed: Any) -> PairedUplift:
    given = {key: rows[key] for key in ("first", "second", "gamma", "request", "cluster")}
    settings = {"k": 3, "draws": 60, "rng": np.random.default_rng(2)}
    return paired_uplift_at_k(**{**given, **settings, **changed})


def test_points_are_those_of_ranks() -> None:
    rows = make_rows()
    rows["first"] = rows["first"] + 1e-6 * np.random.default_rng(0).random(rows["first"].size)
    found = compare(rows)
    for name, interval in (("first", found.first), ("second", found.second)):
        ranks = np.zeros(rows["gamma"].size, dtype=int)
        for code in np.unique(rows["request"]):
            members = np.flatnonzero(rows["request"] == code)
            ranks[members[np.argsort(-rows[name][members])]] = np.arange(1, members.size + 1)
        expected = uplift_at_k(ranks, rows["gamma"], rows["request"], k=3).mean()
        assert interval.point == pytest.approx(expected, abs=1e-12)
    assert found.difference.point == pytest.approx(found.first.point - found.second.point)


@pytest.mark.parametrize("two_way", [True, False])
def test_errors_agree_with_linearisation(two_way: bool) -> None:
    rows = make_rows()
    second = rows["unit"] if two_way else None
    found = compare(rows, draws=2_000, second_cluster=second)
    shares = [slot_shares(rows[name], rows["request"], k=3) for name in ("first", "second")]
    for share, interval in zip(shares, (found.first, found.second), strict=True):
        shown = np.bincount(rows["request"], weights=share)[rows["request"]]
        exact = clustered_ratio(
            share * rows["gamma"] / 3, share / shown, rows["cluster"], second_cluster=second
        )
        assert interval.point == pytest.approx(exact.point)
        assert interval.standard_error == pytest.approx(exact.standard_error, rel=0.06)


def test_pairing_cancels_what_both_lists_share() -> None:
    rows = make_rows()
    rows["second"] = rows["first"] + 0.1 * rows["second"]
    found = compare(rows, draws=500)
    assert found.difference.standard_error < 0.5 * found.first.standard_error


def test_scores_of_one_order_differ_by_exactly_nothing() -> None:
    rows = make_rows()
    found = compare({**rows, "second": 5 * rows["first"] - 2}, second_cluster=rows["unit"])
    assert (found.difference.point, found.difference.low, found.difference.high) == (0, 0, 0)
    flat = compare(
        {**rows, "first": np.zeros(rows["gamma"].size), "second": np.ones_like(rows["gamma"])}
    )
    assert (flat.difference.point, flat.difference.high) == (0, 0)


def test_a_constant_score_shows_rows_at_random() -> None:
    rows = make_rows()
    found = compare({**rows, "first": np.full(rows["gamma"].size, 7.0)}).first.point
    expected = [
        min(3, members.size) / 3 * rows["gamma"][members].mean()
        for members in (np.flatnonzero(rows["request"] == code) for code in range(400))
    ]
    assert found == pytest.approx(np.mean(expected))


def test_slots_beyond_the_list_stay_empty() -> None:
    shares = slot_shares(np.array([3.0, 2.0, 1.0]), np.array([0, 0, 1]), k=2)
    assert shares.tolist() == [1, 1, 1]
    lists = ([2.0, 1.0, 0.0], [2.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0, 0, 1], [0, 0, 1])
    settings: dict[str, Any] = {"draws": 4, "rng": np.random.default_rng(0)}
    found = paired_uplift_at_k(*lists, k=2, **settings)
    assert found.first.point == pytest.approx((2 / 2 + 1 / 2) / 2)
    with pytest.raises(ConfigError, match="k of at most 2"):
        paired_uplift_at_k(*lists, k=3, **settings)


def test_input_is_checked() -> None:
    rows = make_rows()
    n = rows["gamma"].size
    for wrong in ({"k": 0}, {"draws": 1}, {"level": 1.0}):
        with pytest.raises(ConfigError):
            compare(rows, **wrong)
    with pytest.raises(RowError, match="'second'"):
        compare(rows, second=np.full(n, np.nan))
    with pytest.raises(RowError, match="2 clusters"):
        compare(rows, cluster=np.zeros(n, dtype=int))
    with pytest.raises(RowError, match="return_inverse"):
        compare(rows, request=rows["request"] + 1)
    with pytest.raises(SchemaError, match="'first'"):
        compare(rows, first=np.zeros(2))


def test_too_few_units_on_the_lists_are_refused() -> None:
    # of four units one alone is ever shown: half of the half-samples hold no slot
    with pytest.raises(EmptyError, match="in every half-sample"):
        paired_uplift_at_k(
            np.tile([4.0, 3.0, 2.0, 1.0], 10),
            np.tile([4.0, 3.0, 2.0, 1.0], 10),
            np.ones(40),
            np.repeat(np.arange(10), 4),
            np.repeat(np.arange(10), 4),
            k=1,
            draws=50,
            rng=np.random.default_rng(0),
            second_cluster=np.tile(np.arange(4), 10),
        )
