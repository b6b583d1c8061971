from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from causal_ranker.drift.arriving import ArrivingResiduals
from causal_ranker.drift.calibration import CalibrationDrift
from causal_ranker.drift.protocol import Detector
from causal_ranker.errors import DataError, NotFittedError, RowError, SchemaError
from tests.drift.contract import DetectorContract


def matured(
    rng: np.random.Generator, rows: int, *, odds: float = 0.0, slope: float = 1.0
) -> np.ndarray:
    """Chances that are right if nothing is added to the log odds and the slope is 1."""
    logit = rng.normal(size=rows)
    true = 1 / (1 + np.exp(-(odds + slope * logit)))
    return np.column_stack([1 / (1 + np.exp(-logit)), rng.random(rows) < true])


class _Contract(DetectorContract):
    shifts = (0.0, 0.7, 1.4, 3.0)
    slack = 0.02

    def sample(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> Any:
        return matured(rng, rows, odds=shift)

    def _shape(self, rows: int) -> tuple[int, ...]:
        return (rows, 2)

    def constant(self, rows: int, *, changed: bool) -> Any:
        return np.column_stack([np.full(rows, 0.5), np.arange(rows) % (1 if changed else 2)])

    def huge(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> Any:
        return self.sample(rng, rows, shift=shift)  # no chance is huge

    def test_one_row_is_refused_or_no_alarm(self) -> None:
        rng = np.random.default_rng(0)
        with pytest.raises(RowError, match="at least 2 clusters in the window"):
            self.make().fit(self.sample(rng, 100)).predict(self.sample(rng, 1))


class TestAgainstTheReference(_Contract):
    def make(self, **settings: Any) -> Detector:
        return CalibrationDrift(**settings)


class TestAgainstTheChances(_Contract):
    def make(self, **settings: Any) -> Detector:
        return CalibrationDrift(against="chance", **settings)


def test_a_model_that_was_always_off_is_no_drift_but_its_chances_are_not_true() -> None:
    rng = np.random.default_rng(1)
    before, now = matured(rng, 20_000, odds=0.5), matured(rng, 20_000, odds=0.5)
    assert not CalibrationDrift().fit(before).predict(now).drifted
    assert CalibrationDrift(against="chance").fit(before).predict(now).drifted


def test_a_slope_that_turned_shows_by_bin_where_the_mean_is_right() -> None:
    rng = np.random.default_rng(2)
    before, now = matured(rng, 20_000), matured(rng, 20_000, slope=0.5)
    detector = CalibrationDrift().fit(before)
    found, bins = detector.predict(now), detector.residuals(now)
    assert found.drifted
    assert abs(np.mean(now[:, 1] - now[:, 0])) < 0.02
    assert bins[0].residual > 0.05
    assert bins[-1].residual < -0.05
    assert sum(each.rows for each in bins) == len(now)
    assert bins[0].low == -np.inf
    # What chance adds to the bins' residuals is taken out of the effect.
    root = np.sqrt(np.mean([(each.residual - each.expected) ** 2 for each in bins]))
    assert 0 < root - found.effect_size < 0.01


def test_residuals_by_hand() -> None:
    rng = np.random.default_rng(3)
    before, now = matured(rng, 500), matured(rng, 300)
    (found,) = CalibrationDrift(bins=1).fit(before).residuals(now)
    assert found.residual == pytest.approx(np.mean(now[:, 1] - now[:, 0]))
    assert found.expected == pytest.approx(np.mean(before[:, 1] - before[:, 0]))


def test_a_bin_without_a_play_is_no_alarm() -> None:
    rng = np.random.default_rng(4)
    before = np.column_stack([np.full(20_000, 0.001), rng.random(20_000) < 0.001])
    quiet = np.column_stack([np.full(500, 0.001), np.zeros(500)])
    for against in ("reference", "chance"):
        assert not CalibrationDrift(against=against).fit(before).predict(quiet).drifted  # type: ignore[arg-type]


def test_slates_that_are_drawn_otherwise_than_logged_are_found() -> None:
    """The logged policy, two of four placed; T of a slate moves together, against each other."""
    rng, runs, wrong = np.random.default_rng(5), 200, 0
    slate = np.repeat(np.arange(300), 4)
    chance = np.tile([0.2, 0.4, 0.6, 0.8], 300)

    def draw(tilt: float) -> np.ndarray:
        start = rng.random((300, 1))  # systematic draws: exactly two, each with its own chance
        ends = np.cumsum(np.array([0.2, 0.4, 0.6, 0.8]) + tilt * np.array([1, 1, -1, -1]))
        before = np.concatenate([[0.0], ends[:-1]])
        placed = np.floor(ends - start) > np.floor(before - start)
        return np.column_stack([chance, placed.ravel()])

    detector = CalibrationDrift(against="chance").fit(draw(0.0))
    for _ in range(runs):
        wrong += detector.predict(draw(0.0), clusters=slate).drifted
    assert wrong <= binom.ppf(0.999, runs, 0.05)
    assert detector.predict(draw(0.1), clusters=slate).drifted


def test_what_is_no_chance_is_refused() -> None:
    rng = np.random.default_rng(6)
    good = matured(rng, 100)
    detector = CalibrationDrift().fit(good)
    for bad in (good[:, :1], good[:, 0], good * 2, np.column_stack([good[:, 0], good[:, 0]])):
        with pytest.raises(DataError):
            detector.predict(bad)


def stream(seed: int, *, since: float = 0.0, days: int = 20) -> list[bool]:
    """Labels of a day at a time, of users who come again and move together; alarms by day."""
    rng = np.random.default_rng(seed)
    luck = rng.normal(0, 0.7, size=400)

    def day(odds: float) -> tuple[np.ndarray, np.ndarray]:
        user = rng.integers(0, 400, size=150)
        true = 1 / (1 + np.exp(-(luck[user] - 1 + odds)))
        return np.column_stack([np.full(150, 0.3), rng.random(150) < true]), user

    before = [day(0.0) for _ in range(20)]
    detector = ArrivingResiduals(planned=3000).fit(
        np.concatenate([pairs for pairs, _ in before]),
        clusters=np.concatenate([user for _, user in before]),
    )
    alarms = []
    for _ in range(days):
        pairs, user = day(since)
        alarms.append(detector.add(pairs, clusters=user).drifted)
    return alarms


def test_looking_every_day_raises_no_more_alarms_than_the_level() -> None:
    runs = 200
    assert sum(any(stream(seed)) for seed in range(runs)) <= binom.ppf(0.999, runs, 0.05)


def test_a_change_is_found_while_labels_arrive() -> None:
    first = [stream(seed, since=0.7) for seed in range(20)]
    assert sum(any(alarms) for alarms in first) >= 19
    assert not all(alarms[0] for alarms in first)


def test_in_parts_or_at_once_it_says_the_same_and_a_refused_part_is_not_kept() -> None:
    rng = np.random.default_rng(7)
    before, now, user = matured(rng, 400), matured(rng, 200, odds=1.0), np.arange(200) % 37
    parts = ArrivingResiduals().fit(before, clusters=np.arange(400))
    parts.add(now[:80], clusters=user[:80])
    with pytest.raises(SchemaError, match="ids of one type"):
        parts.add(now[80:], clusters=user[80:].astype(str))
    looked = parts.predict(now[80:], clusters=user[80:])
    found = parts.add(now[80:], clusters=user[80:])
    assert looked == found  # to look takes nothing in
    whole = ArrivingResiduals().fit(before, clusters=np.arange(400))
    once = whole.add(now, clusters=user)
    assert found.statistic == pytest.approx(once.statistic)
    assert found.effect_size == pytest.approx(
        abs(np.mean(now[:, 1] - now[:, 0]) - np.mean(before[:, 1] - before[:, 0]))
    )
    with pytest.raises(NotFittedError):
        ArrivingResiduals().add(now, clusters=user)


def test_chances_of_0_and_1_are_broken_once() -> None:
    sure, user = np.tile([[0.0, 0.0], [1.0, 1.0]], (20, 1)), np.arange(40)
    detector = ArrivingResiduals().fit(sure, clusters=user)
    assert not detector.add(sure, clusters=user).drifted
    broken = np.array([[0.0, 1.0]] * 40)
    assert detector.fit(sure, clusters=user).add(broken, clusters=user).drifted
