"""Calibrators alone: what they mend, and how little they do where little is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.uplift.crossfit import PARTS, FoldCells
from causal_ranker.uplift.recalibration import Calibrators

Array = NDArray[np.float64]


def sigmoid(odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-odds)))


def drawn(
    n: int, *, units: int | None = None, seed: int = 0
) -> tuple[Array, NDArray[np.int8], NDArray[np.int64], NDArray[np.int64]]:
    """True log odds, treatments, users and units."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=n) * 1.2
    user = np.arange(n) // 3
    unit = user if units is None else rng.integers(0, units, n)
    return odds, (rng.random(n) < sigmoid(odds)).astype(np.int8), user, unit


def calibrators(
    estimate: Array, t: NDArray[np.int8], user: NDArray[np.int64], unit: NDArray[np.int64]
) -> tuple[Calibrators, FoldCells]:
    cells = FoldCells.of(user, unit, folds=2, seed=3)
    made = Calibrators(
        estimate,
        treatment=t,
        weight=np.ones(len(t)),
        cells=cells,
        user=user,
        unit=unit,
        folds=2,
    )
    return made, cells


@pytest.mark.parametrize("units", [None, 3_000])
@pytest.mark.parametrize(("shift", "scale"), [(0.8, 2.0), (np.log(0.3), 1.0), (-0.5, 0.5)])
def test_a_known_miscalibration_is_mended(shift: float, scale: float, units: int | None) -> None:
    """Too sure, of a sample with 30 % of the treated, too timid: all come back to the truth."""
    odds, t, user, unit = drawn(30_000, units=units)
    wrong = sigmoid(shift + scale * odds)
    made, cells = calibrators(wrong, t, user, unit)
    truth = sigmoid(odds)
    for found in (made.cross_fitted(wrong, cells), made.later(wrong, cells)):
        assert np.abs(found - truth).mean() < 0.02
        for low in (0.1, 0.3, 0.5, 0.7):
            here = (found >= low) & (found < low + 0.2)
            band = 4 * np.sqrt(0.25 / here.sum())
            assert t[here].mean() == pytest.approx(found[here].mean(), abs=band)
    assert np.abs(wrong - truth).mean() > 0.08


def test_what_is_right_stays_nearly_as_it_is() -> None:
    odds, t, user, unit = drawn(30_000)
    right = sigmoid(odds)
    made, cells = calibrators(right, t, user, unit)
    assert np.abs(made.cross_fitted(right, cells) - right).max() < 0.03


def test_a_row_is_calibrated_by_rows_that_share_neither_user_nor_unit_with_it() -> None:
    odds, t, user, unit = drawn(2_000, units=200)
    wrong = sigmoid(1 + 2 * odds)
    made, cells = calibrators(wrong, t, user, unit)
    before = made.cross_fitted(wrong, cells)
    for ids in (user, unit):
        for one in range(5):
            mine = ids == one
            other, _ = calibrators(wrong, np.where(mine, 1 - t, t).astype(np.int8), user, unit)
            moved = other.cross_fitted(wrong, cells) != before
            assert not moved[mine].any()
            assert moved.any()


def test_estimates_that_say_nothing_become_the_mean() -> None:
    """Turned around they would have a slope below 0, which no calibrator has."""
    odds, t, user, unit = drawn(6_000)
    wrong = sigmoid(-odds)
    made, cells = calibrators(wrong, t, user, unit)
    found = made.cross_fitted(wrong, cells)
    assert found == pytest.approx(t.mean(), abs=0.03)
    assert len(np.unique(found)) == 2 * PARTS


def test_a_handful_of_units_changes_little() -> None:
    """A thousand rows of four promotions are four draws, not a thousand."""
    n = 4_000
    rng = np.random.default_rng(0)
    unit = rng.integers(0, 8, n)
    user = np.arange(n)
    t = (unit % 2).astype(np.int8)
    estimate = np.full(n, 0.3)
    made, cells = calibrators(estimate, t, user, unit)
    found = made.cross_fitted(estimate, cells)
    assert ((found > 0.02) & (found < 0.9)).all()


def test_no_row_to_learn_from_leaves_the_estimate() -> None:
    odds, _, user, unit = drawn(3)  # one user
    made, cells = calibrators(sigmoid(odds), np.ones(3, dtype=np.int8), user, unit)
    new = np.arange(10**6, 10**6 + 300)
    there = FoldCells.of(new, new, folds=2, seed=3)
    found = made.later(np.full(300, 0.2), there)
    fold, part = cells.user_fold[0], cells.user_part[0]
    learned = (there.user_fold == fold) & (there.user_part != part)
    np.testing.assert_allclose(found[~learned], 0.2)
    assert (found[learned] > 0.2).all()
