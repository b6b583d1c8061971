"""Agreement of two rankings, by replicated rows, by counting, and at the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats.agreement import spearman, top_overlap

#: Few values, so that many rows tie.
ROWS = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(1, 3)), min_size=2, max_size=30
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@given(ROWS)
def test_spearman_is_that_of_the_rows_given_as_often_as_they_weigh(rows: Any) -> None:
    a, b, w = rows
    found = spearman(a, b, weights=w)
    constant = [np.ptp(values) == 0 for values in (a, b)]
    if any(constant):
        assert found == 1.0 if all(constant) else np.isnan(found)
        return
    expected = spearmanr(np.repeat(a, w), np.repeat(b, w)).statistic
    assert found == pytest.approx(expected, abs=1e-12)


@given(ROWS, st.floats(0.05, 0.95))
def test_overlap_by_rows_in_small_pieces(rows: Any, top: float) -> None:
    """Average over tie orders in the limit: each row of a block is on top by the same share."""
    a, b, w = rows

    def on_top(score: Any) -> list[float]:
        room, held = top * w.sum(), {}
        for value in sorted(set(score.tolist()), reverse=True):
            block = w[score == value].sum()
            held[value] = max(0.0, min(1.0, room / block))
            room -= block
        return [held[value] for value in score.tolist()]

    both = sum(
        weight * min(one, other) for weight, one, other in zip(w, on_top(a), on_top(b), strict=True)
    )
    assert top_overlap(a, b, top=top, weights=w) == pytest.approx(both / (top * w.sum()))


@given(ROWS, st.floats(0.05, 0.95))
def test_what_does_not_matter(rows: Any, top: float) -> None:
    a, b, w = rows
    order = np.random.default_rng(0).permutation(len(a))
    for measure in (spearman, lambda *ab, weights: top_overlap(*ab, top=top, weights=weights)):
        found = measure(a, b, weights=w)
        for other in (
            measure(b, a, weights=w),
            measure(3 * a + 1, b**3, weights=w),
            measure(a, b, weights=w * 7.5),
            measure(a[order], b[order], weights=w[order]),
            measure(np.append(a, 9), np.append(b, -9), weights=np.append(w, 0)),
        ):
            assert other == pytest.approx(found, abs=1e-12, nan_ok=True)
        assert measure(a, a, weights=w) == pytest.approx(1.0)


def test_overlap_by_counting_without_ties() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 1_000))
    common = set(np.argsort(-a)[:200]) & set(np.argsort(-b)[:200])
    assert top_overlap(a, b, top=0.2) == pytest.approx(len(common) / 200)
    assert 0.1 < len(common) / 200 < 0.3


def test_a_constant_score_overlaps_by_chance() -> None:
    a = np.arange(100.0)
    assert top_overlap(a, np.zeros(100), top=0.3) == pytest.approx(0.3)
    assert top_overlap(np.zeros(100), np.ones(100), top=0.3) == pytest.approx(1.0)
    assert np.isnan(spearman(a, np.zeros(100)))
    assert top_overlap(a, -a, top=0.3) == 0.0
    assert spearman(a, -a) == pytest.approx(-1.0)


@pytest.mark.parametrize("top", [0.0, 1.0, -0.1, 1.5])
def test_the_top_is_a_share(top: float) -> None:
    with pytest.raises(ConfigError, match="top"):
        top_overlap([1.0, 2.0], [1.0, 2.0], top=top)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_are_finite(bad: float) -> None:
    with pytest.raises(RowError, match="second"):
        spearman([1.0, 2.0], [1.0, bad])
    with pytest.raises(RowError, match="first"):
        top_overlap([bad, 2.0], [1.0, 1.0], top=0.5)
    with pytest.raises(SchemaError, match="2 rows"):
        spearman([1.0, 2.0], [1.0])
