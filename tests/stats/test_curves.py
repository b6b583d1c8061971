from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats.curves import autoc, qini, rank_curve, toc, uplift_at_k

Array = NDArray[np.float64]
Table = tuple[Array, Array, Array]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Scores with many ties, scores of the other kind, weights that are counts (some 0)."""
    rows = draw(
        st.lists(
            st.tuples(st.integers(-3, 3), st.floats(-10, 10), st.integers(0, 3)),
            min_size=1,
            max_size=12,
        ).filter(lambda found: any(row[2] for row in found))
    )
    score, gamma, weights = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return score, gamma, weights


def gain_at(q: float, score: Array, gamma: Array, weights: Array) -> float:
    """G(q) by comparing every row with every other: each tied row is served in proportion."""
    total, found = weights.sum(), 0.0
    for i in range(score.size):
        above = sum(weights[j] for j in range(score.size) if score[j] > score[i])
        tied = sum(weights[j] for j in range(score.size) if score[j] == score[i])
        served = min(max((q * total - above) / tied, 0.0), 1.0) if tied else 0.0
        found += served * weights[i] * gamma[i] / total
    return float(found)


def area_of(integrand: Callable[[float], float], score: Array, weights: Array) -> float:
    """Integrate from kink to kink, so that quadrature sees smooth pieces only."""
    kinks = sorted({0.0, *(weights[score >= s].sum() / weights.sum() for s in score)})
    return float(sum(quad(integrand, a, b)[0] for a, b in pairwise(kinks) if b > a))


@given(tables())
def test_areas_are_the_integrals_of_the_definition(table: Table) -> None:
    score, gamma, weights = table
    ate = gain_at(1.0, *table)
    toc_area = area_of(lambda q: gain_at(q, *table) / q - ate, score, weights)
    qini_area = area_of(lambda q: gain_at(q, *table) - q * ate, score, weights)
    assert autoc(score, gamma, weights=weights) == pytest.approx(toc_area, abs=1e-8)
    assert qini(score, gamma, weights=weights) == pytest.approx(qini_area, abs=1e-8)


@given(tables())
def test_curves_pass_through_the_definition(table: Table) -> None:
    score, gamma, weights = table
    curve, operating = rank_curve(score, gamma, weights=weights), toc(score, gamma, weights=weights)
    assert (curve.q[0], curve.gain[0], curve.q[-1]) == (0.0, 0.0, 1.0)
    assert (np.diff(curve.q) > 0).all()
    expected = [gain_at(q, *table) for q in curve.q]
    np.testing.assert_allclose(curve.gain, expected, atol=1e-10)
    np.testing.assert_allclose(
        operating.toc,
        [g / q - expected[-1] for q, g in zip(curve.q[1:], expected[1:], strict=True)],
        atol=1e-9,
    )
    np.testing.assert_array_equal(operating.q, curve.q[1:])
    assert operating.toc[-1] == 0


@pytest.mark.parametrize("area", [autoc, qini])
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-10, 10)), min_size=1, max_size=5))
@settings(max_examples=30)
def test_tied_rows_are_averaged_over_all_their_orders(
    area: Callable[..., float], rows: list[tuple[int, float]]
) -> None:
    score, gamma = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    # nudges below the gap between scores break ties in every possible way
    orders = [np.array(order) / 10 for order in permutations(range(score.size))]
    broken = [area(score + nudge, gamma) for nudge in orders]
    assert area(score, gamma) == pytest.approx(np.mean(broken), abs=1e-11)


@given(tables(), st.floats(-100, 100))
def test_a_constant_score_has_both_areas_exactly_zero(table: Table, constant: float) -> None:
    _, gamma, weights = table
    flat = np.full(gamma.size, constant)
    assert autoc(flat, gamma, weights=weights) == 0
    assert qini(flat, gamma, weights=weights) == 0


@given(tables(), st.randoms(use_true_random=False))
def test_row_order_never_matters_not_even_by_a_bit(table: Table, random: object) -> None:
    score, gamma, weights = table
    order = np.random.default_rng(random.getrandbits(32)).permutation(score.size)  # type: ignore[attr-defined]
    for area in (autoc, qini):
        assert area(score, gamma, weights=weights) == area(
            score[order], gamma[order], weights=weights[order]
        )


@given(tables(), st.floats(0.01, 100), st.floats(-100, 100))
def test_only_the_order_of_scores_matters(table: Table, scale: float, shift: float) -> None:
    score, gamma, weights = table
    for other in (
        scale * score + shift,
        np.exp(score),
        score**3,
        np.unique(score, return_inverse=True)[1],
    ):
        assert autoc(other, gamma, weights=weights) == autoc(score, gamma, weights=weights)
        assert qini(other, gamma, weights=weights) == qini(score, gamma, weights=weights)


@given(tables())
def test_a_weight_of_two_is_two_rows_and_of_zero_none(table: Table) -> None:
    score, gamma, weights = table
    counts = weights.astype(int)
    many_score, many_gamma = np.repeat(score, counts), np.repeat(gamma, counts)
    one, many = rank_curve(score, gamma, weights=weights), rank_curve(many_score, many_gamma)
    np.testing.assert_allclose(one.q, many.q, atol=1e-12)
    np.testing.assert_allclose(one.gain, many.gain, atol=1e-12)
    for area in (autoc, qini):
        assert area(score, gamma, weights=weights) == pytest.approx(
            area(many_score, many_gamma), abs=1e-12
        )


@given(tables(), st.floats(0.01, 100), st.floats(-100, 100))
def test_areas_are_linear_in_gamma_and_free_of_its_level(
    table: Table, scale: float, shift: float
) -> None:
    score, gamma, weights = table
    for area in (autoc, qini):
        before = area(score, gamma, weights=weights)
        after = area(score, scale * gamma + shift, weights=weights)
        assert after == pytest.approx(scale * before, abs=1e-9 * max(scale, 1))


@given(tables())
def test_the_reversed_ranking_has_the_opposite_qini(table: Table) -> None:
    score, gamma, weights = table
    assert qini(-score, gamma, weights=weights) == pytest.approx(
        -qini(score, gamma, weights=weights), abs=1e-12
    )


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (3.0, 0.5), (-2.0, -1.0)])
def test_linear_effects_have_areas_b_over_4_and_b_over_12(a: float, b: float) -> None:
    # TOC(q) - 0 = b (1 - q) / 2 for score U, so AUTOC = b/4; G(q) - q G(1) = b q (1 - q) / 2,
    # so QINI = b/12
    n = 100_000
    u = (np.arange(n) + 0.5) / n
    assert autoc(u, a + b * u) == pytest.approx(b / 4, abs=1e-4)
    assert qini(u, a + b * u) == pytest.approx(b / 12, abs=1e-9)
    found = toc(u, a + b * u)
    np.testing.assert_allclose(found.toc, b * (1 - found.q) / 2, atol=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9])
def test_a_step_effect_has_its_closed_form(share: float) -> None:
    # a share of rows gains c, the rest nothing, and the score says which:
    # AUTOC = -c share log(share), QINI = c share (1 - share) / 2
    n, c = 1000, 0.7
    score = (np.arange(n) < share * n).astype(float)
    assert autoc(score, c * score + 5) == pytest.approx(-c * share * np.log(share), abs=1e-12)
    assert qini(score, c * score + 5) == pytest.approx(c * share * (1 - share) / 2, abs=1e-12)


def test_infinite_scores_rank_first_and_last() -> None:
    gamma = np.array([0.0, 1.0, 2.0])
    assert qini([-np.inf, 0.0, np.inf], gamma) == qini([1, 2, 3], gamma)


def test_curve_input_is_checked() -> None:
    with pytest.raises(RowError, match="score"):
        autoc([1.0, np.nan], [0.0, 0.0])
    with pytest.raises(RowError, match="gamma"):
        qini([1.0, 2.0], [0.0, np.inf])
    with pytest.raises(SchemaError, match="gamma"):
        rank_curve([1.0, 2.0], [0.0])
    with pytest.raises(RowError, match="weights"):
        toc([1.0, 2.0], [0.0, 0.0], weights=[1.0, -1.0])


def test_uplift_at_k_by_loops() -> None:
    rng = np.random.default_rng(5)
    sizes = [3, 1, 7, 4]
    request = np.repeat(np.arange(4), sizes)
    rank = np.concatenate([rng.permutation(size) + 1 for size in sizes])
    gamma = rng.normal(size=request.size)
    order = rng.permutation(request.size)
    for k in (1, 2, 5, 7):
        expected = [
            sum(g for r, g, u in zip(rank, gamma, request, strict=True) if u == code and r <= k) / k
            for code in range(4)
        ]
        found = uplift_at_k(rank[order], gamma[order], request[order], k=k)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_uplift_at_k_leaves_empty_slots_at_zero() -> None:
    np.testing.assert_allclose(uplift_at_k([1, 5], [3.0, 9.0], [0, 1], k=3), [1.0, 0.0])


def test_uplift_at_k_input_is_checked() -> None:
    with pytest.raises(RowError, match="at most once"):
        uplift_at_k([1, 1], [0.0, 0.0], [0, 0], k=2)
    assert uplift_at_k([1, 9, 9], [1.0, 0.0, 0.0], [0, 0, 0], k=2) == [0.5]
    with pytest.raises(RowError, match="return_inverse"):
        uplift_at_k([1, 1], [0.0, 0.0], [0, 2], k=2)
    with pytest.raises(ConfigError, match="k = 0"):
        uplift_at_k([1], [0.0], [0], k=0)
    with pytest.raises(ConfigError, match="k of at most 2"):
        uplift_at_k([1, 2, 1], [0.0, 0.0, 0.0], [0, 0, 1], k=3)
    with pytest.raises(SchemaError, match="gamma"):
        uplift_at_k([1], [0.0, 1.0], [0], k=1)
