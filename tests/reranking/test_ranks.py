"""Ranks and standard scores within requests, against plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import RowError
from causal_ranker.reranking.ranks import rank_within, standardise_within, top_within

few = st.integers(-2, 2).map(float)  # many ties
wild = st.floats(allow_nan=False)
rows = st.lists(st.tuples(st.integers(0, 3), few | wild, st.integers(1, 4)), max_size=40)


def slow_ranks(request: list[Any], score: list[float], tie: list[float]) -> list[int]:
    ranks = [0] * len(request)
    for code in set(request):
        mine = [row for row in range(len(request)) if request[row] == code]
        mine.sort(key=lambda row: (-score[row], tie[row], row))
        for place, row in enumerate(mine, start=1):
            ranks[row] = place
    return ranks


@given(rows=rows, grouped=st.booleans(), words=st.booleans())
def test_ranks_equal_those_of_a_plain_sort(rows: Any, grouped: bool, words: bool) -> None:
    if grouped:
        rows = sorted(rows, key=lambda row: row[0])
    request: list[Any] = [f"r{row[0]}" if words else row[0] for row in rows]
    score, tie = [row[1] for row in rows], [float(row[2]) for row in rows]
    got = rank_within(np.array(request, dtype=None if rows else np.int64), score, tie_break=tie)
    assert got.dtype == np.int64
    assert got.tolist() == slow_ranks(request, score, tie)
    plain = rank_within(np.array(request, dtype=None if rows else np.int64), score)
    assert plain.tolist() == slow_ranks(request, score, [0.0] * len(rows))


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    seed=st.integers(0, 1000),
)
def test_equally_long_lists_take_the_fast_path_to_the_same_ranks(
    shape: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = shape[0] * shape[1]
    request = np.repeat(np.arange(shape[0]) * 3 - 5, shape[1])
    score, tie = rng.integers(0, 3, n).astype(float), rng.integers(0, 3, n).astype(float)
    got = rank_within(request, score, tie_break=tie)
    assert got.tolist() == slow_ranks(request.tolist(), score.tolist(), tie.tolist())


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 9)),
    k=st.integers(1, 9),
    seed=st.integers(0, 1000),
    ragged=st.booleans(),
)
def test_first_ranks_are_those_of_a_plain_sort(
    shape: tuple[int, int], k: int, seed: int, ragged: bool
) -> None:
    rng = np.random.default_rng(seed)
    request = np.repeat(np.arange(shape[0]), shape[1])
    if ragged:
        request = np.append(request, rng.integers(0, shape[0]))
    score = rng.integers(0, 4, request.size).astype(float)
    score[rng.random(request.size) < 0.2] = -np.inf
    tie = rng.integers(0, 3, request.size).astype(float)
    for broken in (None, tie):
        got = top_within(request, score, k=k, tie_break=broken)
        ties = [0.0] * request.size if broken is None else broken.tolist()
        slow = slow_ranks(request.tolist(), score.tolist(), ties)
        assert got.dtype == np.int64
        assert got.tolist() == [min(rank, k + 1) for rank in slow]


@given(rows=rows)
def test_ranks_are_a_permutation_and_follow_their_rows(rows: Any) -> None:
    request = np.array([row[0] for row in rows], dtype=np.int64)
    score = np.array([row[1] for row in rows])
    tie = np.arange(len(rows), dtype=float)  # total order: no tie is left to the input's order
    ranks = rank_within(request, score, tie_break=tie)
    for code in set(request.tolist()):
        mine = np.sort(ranks[request == code])
        assert mine.tolist() == list(range(1, mine.size + 1))
    mixed = np.random.default_rng(0).permutation(len(rows))
    moved = rank_within(request[mixed], score[mixed], tie_break=tie[mixed])
    assert moved.tolist() == ranks[mixed].tolist()


@given(rows=rows)
def test_ranks_do_not_change_under_a_monotone_map(rows: Any) -> None:
    request = np.array([row[0] for row in rows], dtype=np.int64)
    score = np.array([row[1] for row in rows])
    dense = np.unique(score, return_inverse=True)[1].astype(float)  # strictly monotone in the score
    assert (rank_within(request, score) == rank_within(request, dense * 7 - 3)).all()


def test_nothing_to_rank() -> None:
    assert rank_within([], []).tolist() == []
    assert top_within([], [], k=3).tolist() == []
    assert standardise_within([], []).tolist() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 1], [1.0, math.nan], None), "score without NaN; got 1 of 2"),
        (([1, 1], [1.0, 2.0], [math.nan, math.nan]), "tie_break without NaN; got 2 of 2"),
        (([1, 1], [1.0], None), "one value of score"),
        (([1, 1], [1.0, 2.0], [1.0]), "one value of tie_break"),
        (([[1, 1]], [[1.0, 2.0]], None), "one value of score"),
    ],
)
def test_what_cannot_be_ranked_is_refused(arguments: Any, message: str) -> None:
    request, score, tie = arguments
    with pytest.raises(RowError, match=message):
        rank_within(request, score, tie_break=tie)
    with pytest.raises(RowError, match=message):
        top_within(request, score, k=1, tie_break=tie)


sane = st.integers(-10_000, 10_000).map(lambda whole: whole / 8)
tame = st.lists(st.tuples(st.integers(0, 2), sane), min_size=1, max_size=30)


@given(rows=tame)
def test_standard_scores_equal_the_formula(rows: Any) -> None:
    request = np.array([row[0] for row in rows])
    x = np.array([row[1] for row in rows])
    z = standardise_within(request, x)
    for code in set(request.tolist()):
        mine = x[request == code]
        expected = np.zeros(mine.size)
        if np.ptp(mine) > 0:
            expected = (mine - mine.mean()) / mine.std()
        np.testing.assert_allclose(z[request == code], expected, atol=1e-9)


@given(
    rows=tame,
    shift=st.integers(-1000, 1000),
    factor=st.integers(1, 50).map(lambda whole: whole / 16),
)
def test_standard_scores_forget_unit_and_origin(rows: Any, shift: int, factor: float) -> None:
    request = np.array([row[0] for row in rows])
    x = np.array([row[1] for row in rows])
    np.testing.assert_allclose(
        standardise_within(request, x * factor + shift), standardise_within(request, x), atol=1e-7
    )


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_any_finite_values_give_finite_scores(values: list[float]) -> None:
    z = standardise_within(np.zeros(len(values), dtype=int), values)
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= math.sqrt(len(values)) + 1e-9  # Samuelson's inequality
    order = np.argsort(values, kind="stable")
    assert (np.diff(z[order]) >= 0).all()


@pytest.mark.parametrize("value", [0.0, -3.0, 0.1, 1e300, 5e-324])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_constant_values_score_exactly_zero(value: float, n: int) -> None:
    noise = 1 + np.arange(n) * 2.0**-52  # rounding noise is no difference
    assert standardise_within(np.zeros(n, int), np.full(n, value)).tolist() == [0.0] * n
    assert standardise_within(np.zeros(n, int), value * noise).tolist() == [0.0] * n


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(RowError):
        standardise_within([1, 1], [0.0, value])
