"""Cells without overlap: those that were planted are the ones named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.uplift.cells import worst_cells

Array = NDArray[np.float64]
NAMES = ("x0", "x1", "shelf", "x3")


def planted(n: int = 12_000) -> tuple[Any, Array, NDArray[np.bool_]]:
    """Features, fair propensities, and where the fourth feature is missing."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 2] = rng.integers(0, 9, n)
    missing = rng.random(n) < 0.06
    x[missing, 3] = np.nan
    return x, rng.uniform(0.3, 0.7, n), missing


def cells(x: Any, e: Array, **settings: Any) -> Any:
    plain = {
        "weight": np.ones(len(e)),
        "names": NAMES,
        "categorical": ("shelf",),
        "lowest": 0.02,
    }
    return worst_cells(x, e, **(plain | settings))


def cut(text: str) -> float:
    return float(text.split()[-1])


def test_three_planted_cells_are_named_and_nothing_else() -> None:
    x, e, missing = planted()
    tail, level = x[:, 0] > 1.3, x[:, 2] == 7
    e[missing], e[level], e[tail] = 0.995, 0.004, 0.991
    found = {cell.condition.split()[0]: cell for cell in cells(x, e)}
    assert set(found) == {"x0", "shelf", "x3"}
    assert found["shelf"].condition == "shelf = 7"
    assert found["x3"].condition == "x3 missing"
    assert found["x0"].condition.startswith("x0 > 1.")
    assert cut(found["x0"].condition) == pytest.approx(1.3, abs=0.1)
    assert found["x0"].rows == pytest.approx(tail.sum(), rel=0.15)
    assert found["x0"].propensity == pytest.approx(0.991, abs=0.05)
    assert found["x0"].share_outside > 0.85
    assert found["shelf"].propensity < 0.2


def test_a_cell_in_two_features_has_both_conditions() -> None:
    x, e, _ = planted()
    corner = (x[:, 0] > 0.5) & (x[:, 1] < -0.5)
    e[corner] = 0.999
    (found, *_) = cells(x, e)
    first, second = sorted(found.condition.split(" and "))
    assert first.startswith("x0 > 0.")
    assert second.startswith("x1 <= -0.")
    assert cut(first) == pytest.approx(0.5, abs=0.1)
    assert cut(second) == pytest.approx(-0.5, abs=0.1)
    assert found.rows == pytest.approx(corner.sum(), rel=0.15)


def test_a_treatment_that_was_decided_has_two_sides() -> None:
    x, _, _ = planted()
    e = np.where(x[:, 1] > 0.2, 0.999, 0.001)
    found = cells(x, e)
    assert len(found) == 2
    assert found[0].condition.startswith("x1 ")
    assert found[1].condition.startswith(("x1 ", "all other rows"))
    assert sum(cell.rows for cell in found) > 0.97 * len(e)
    assert sorted(round(cell.propensity, 1) for cell in found) == [0.0, 1.0]


def test_everything_shown_is_all_rows() -> None:
    x, e, _ = planted()
    (found,) = cells(x, np.full(len(e), 0.99))
    assert str(found) == "all rows (12000 rows, propensity 0.990 on average)"
    assert found.share_outside == 1


def test_overlap_everywhere_has_no_cell() -> None:
    x, e, _ = planted()
    assert cells(x, e) == ()


def test_rows_here_and_there_are_not_a_cell() -> None:
    """Outside by chance alone: no feature knows, and no cell is mostly outside."""
    x, e, _ = planted()
    e[np.random.default_rng(1).random(len(e)) < 0.1] = 0.99
    assert cells(x, e) == ()


def test_weights_count() -> None:
    """A tail that is a third outside by rows is mostly outside by weight."""
    x, e, _ = planted()
    tail = x[:, 0] > 1
    some = tail & (np.random.default_rng(2).random(len(e)) < 1 / 3)
    e[some] = 0.99
    assert cells(x, e) == ()
    (found,) = cells(x, e, weight=np.where(some, 20.0, 1.0))
    assert found.condition.startswith("x0 > ")
    assert found.share_outside > 0.8


def test_the_order_of_rows_does_not_matter() -> None:
    x, e, missing = planted(3_000)
    e[missing | (x[:, 0] > 1)] = 0.99
    order = np.random.default_rng(0).permutation(len(e))
    assert [str(each) for each in cells(x, e)] == [str(each) for each in cells(x[order], e[order])]
