"""Distinct rows, against sorting whole rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from causal_ranker.stats import distinct
from causal_ranker.stats.distinct import distinct_rows

VALUES = st.sampled_from([0.0, 1.0, -1.0, 0.5, np.nan, np.inf])


@given(arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=VALUES))
def test_each_row_is_found_again_and_each_kept_row_is_new(matrix: np.ndarray) -> None:
    first, code = distinct_rows(matrix)
    assert np.array_equal(matrix[first][code], matrix, equal_nan=True)
    slow = {row.tobytes() for row in np.ascontiguousarray(matrix)}
    assert len(first) == len(slow)


def test_the_memory_layout_does_not_matter() -> None:
    matrix = np.random.default_rng(0).integers(0, 3, size=(500, 5)).astype(np.float32)
    for layout in ("C", "F"):
        first, code = distinct_rows(np.asarray(matrix, order=layout))
        assert np.array_equal(matrix[first][code], matrix)


def test_a_collision_of_hashes_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zeros:
        def integers(self, *_args: object, size: int, **_kwargs: object) -> np.ndarray:
            return np.zeros(size, dtype=np.uint64)

    monkeypatch.setattr(distinct.np.random, "default_rng", lambda _seed: Zeros())
    # With every factor 1, (0, 1) and (1, 0) can meet; the check must tell them apart.
    matrix = np.array([[0, 1], [1, 0], [0, 1], [1, 1]], dtype=np.float32)
    first, code = distinct_rows(matrix)
    assert np.array_equal(matrix[first][code], matrix)
    assert len(first) == 3
