"""Windows of several days beside stretches of a reference: which are drawn, and at what level."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from causal_ranker.drift.days import Calendar
from causal_ranker.drift.stretches import further_than_stretches, stretches_of

MONDAY = np.datetime64("2025-01-06")
#: Signals are lengths of vectors: of one number as a mean's change is, of ten as a distance of
#: distributions, which never is near 0.
ENDS = np.cumsum([0, *[1] * 7, *[10] * 7])


def calendar_of(days: int, *, window: list[int], weekly: bool = True) -> Calendar:
    return Calendar.of_days(
        MONDAY + np.arange(days), MONDAY + days + np.array(window), weekly=weekly
    )


def lengths(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.sqrt(np.add.reduceat(vectors**2, ENDS[:-1], axis=-1))
    return found


@pytest.mark.parametrize(("weeks", "m"), [(3, 2), (3, 7), (8, 2), (8, 7), (8, 14)])
def test_a_window_of_days_keeps_its_level_and_a_shift_is_found(weeks: int, m: int) -> None:
    """Units that stretches have made themselves flatter them: of 3 weeks, 3 alarms for one."""
    runs, alarms, found = 300, 0, np.zeros(2)
    calendar = calendar_of(7 * weeks, window=list(range(m)))
    stretches = stretches_of(calendar, seed=0)
    weights = np.zeros((len(stretches), 7 * weeks))
    for each, (here, rest) in zip(weights, stretches, strict=True):
        each[here] = 1 / here.size
        each[rest] = -1 / rest.size
    alike = calendar.beside_window().any(axis=0)
    error = np.sqrt(1 / m + 1 / alike.sum())

    def far(null: np.ndarray, change: np.ndarray, at: int = 0, shift: float = 0.0) -> bool:
        moved = change + shift * error * (np.arange(change.size) == at)
        chance = further_than_stretches(
            calendar, null, lengths(moved), least=np.full(14, 1e-9), level=0.05, seed=0
        )
        assert ((chance.score > chance.threshold) == (chance.p_value <= chance.level)).all()
        return bool((chance.score > chance.threshold).any())

    for run in range(runs):
        rng = np.random.default_rng([9, weeks, m, run])
        before, now = rng.normal(size=(7 * weeks, ENDS[-1])), rng.normal(size=(m, ENDS[-1]))
        null, change = lengths(weights @ before), now.mean(axis=0) - before[alike].mean(axis=0)
        alarms += far(null, change)
        if run < 30:
            found += [far(null, change, shift=8.0), far(null, change, at=7, shift=12.0)]
    assert binom.ppf(0.001, runs, 0.02) <= alarms <= binom.ppf(0.999, runs, 0.05)
    assert (found >= 27).all()


def test_stretches_have_a_pattern_of_weekdays_as_the_window_has() -> None:
    stretches = stretches_of(calendar_of(21, window=[5, 6]), seed=0)
    assert 30 < len(stretches) <= 59
    weekdays = np.arange(21) % 7
    for here, rest in stretches:
        pair = set(weekdays[here].tolist())
        assert {(day + 1) % 7 for day in pair} & pair  # two days in a row
        assert sorted([*here, *rest]) == np.flatnonzero(np.isin(weekdays, list(pair))).tolist()
    assert len(stretches_of(calendar_of(21, window=[5]), seed=0)) == 21
    assert stretches_of(calendar_of(7, window=list(range(7))), seed=0) == []
    # of Mondays and Tuesdays alone no other pattern can be drawn
    two = Calendar.of_days(MONDAY + np.array([0, 1, 7, 8]), MONDAY + np.array([14, 15]))
    assert len(stretches_of(two, seed=0)) == 4
    flat = stretches_of(calendar_of(9, window=[0, 1], weekly=False), seed=0)
    assert all(here.size == 2 and rest.size == 7 for here, rest in flat)


def test_a_signal_that_never_moves_between_days_has_a_least_unit() -> None:
    calendar = calendar_of(21, window=[0, 1])
    null = np.zeros((len(stretches_of(calendar, seed=0)), 2))
    null[3] = [0.0, 0.004]
    chance = further_than_stretches(
        calendar, null, np.array([0.0, 0.1]), least=np.full(2, 0.002), level=0.05, seed=0
    )
    assert (chance.score > chance.threshold).tolist() == [False, True]
