"""Folds: by user, and by unit where units are something else."""

from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.uplift.crossfit import unit_fold, user_fold

USERS = np.arange(3_000)


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_are_sticky_even_and_depend_on_the_seed(folds: int) -> None:
    fold = user_fold(USERS, folds, seed=1)
    assert set(fold) == set(range(folds))
    np.testing.assert_array_equal(user_fold(USERS[::-1], folds, seed=1), fold[::-1])
    sizes = np.bincount(fold)
    spread = 4 * np.sqrt(len(USERS) / folds * (1 - 1 / folds))
    assert np.abs(sizes - len(USERS) / folds).max() < spread
    agreeing = (user_fold(USERS, folds, seed=2) == fold).mean()
    assert agreeing == pytest.approx(1 / folds, abs=0.05)


def test_units_that_are_users_need_no_second_fold() -> None:
    assert not unit_fold(USERS, USERS, folds=2, seed=1).any()
    assert not unit_fold(USERS.copy(), USERS, folds=2, seed=1).any()


def test_folds_of_units_and_users_are_independent() -> None:
    """With ids of one range a shared salt would make both folds the same."""
    units = np.roll(USERS, 1)
    by_unit = np.roll(unit_fold(units, USERS, folds=2, seed=1), -1)
    agreeing = (by_unit == user_fold(USERS, 2, seed=1)).mean()
    assert agreeing == pytest.approx(0.5, abs=0.04)
