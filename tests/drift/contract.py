"""What every detector of drift must keep; a test class per detector inherits from this one.

    class TestMyDetector(DetectorContract):
        features = 5                      # None (the default): one variable, 1-D arrays

        def make(self, **settings: Any) -> Detector:
            return MyDetector(**settings)

A detector of categories overrides `sample`, `constant` and `huge`. Class attributes say how many
runs the rates are measured on, so that a slow detector can take fewer.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import astuple
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from causal_ranker.drift.protocol import Decision, Detector
from causal_ranker.errors import ConfigError, DataError, EmptyError, NotFittedError

Rows = NDArray[Any]


class DetectorContract:
    features: ClassVar[int | None] = None
    rows: ClassVar[int] = 400
    window_rows: ClassVar[int] = 200
    runs: ClassVar[int] = 400
    # Planted shifts, in standard deviations of every feature; the last must always be found.
    shifts: ClassVar[tuple[float, ...]] = (0.0, 0.5, 1.0, 2.0)
    shift_runs: ClassVar[int] = 5
    # How far the mean effect size may fall from one shift to the next larger one.
    slack: ClassVar[float] = 1e-12
    # A detector that alarms less often than its level by construction says so, and why.
    conservative: ClassVar[bool] = False
    # Whether NaN is one more thing that can drift, or refused with a count.
    missing_allowed: ClassVar[bool] = False

    def make(self, **settings: Any) -> Detector:
        raise NotImplementedError

    def sample(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> Rows:
        return rng.normal(size=self._shape(rows)) + shift

    def constant(self, rows: int, *, changed: bool) -> Rows:
        return np.full(self._shape(rows), 7.0 if changed else 3.0)

    def huge(self, rng: np.random.Generator, rows: int, *, shift: float = 0.0) -> Rows:
        """Integers far beyond what a float64 holds exactly."""
        return np.asarray(2**62 + self.sample(rng, rows, shift=shift) * 2**50).astype(np.int64)

    def _shape(self, rows: int) -> tuple[int, ...]:
        return (rows,) if self.features is None else (rows, self.features)

    def _fitted(self, seed: int = 0, **settings: Any) -> Detector:
        reference = self.sample(np.random.default_rng(seed), self.rows)
        return self.make(**settings).fit(reference)

    def test_before_fit_it_says_so(self) -> None:
        with pytest.raises(NotFittedError):
            self.make().predict(self.sample(np.random.default_rng(0), self.window_rows))

    def test_settings_are_checked_and_frozen(self) -> None:
        with pytest.raises(ConfigError, match="level"):
            self.make(level=1.0)
        with pytest.raises(ConfigError, match="nonsense"):
            self.make(nonsense=1)
        with pytest.raises(ConfigError, match="least_effect"):
            self.make(least_effect=-1.0)
        with pytest.raises(Exception, match="frozen"):
            self.make().level = 0.1  # type: ignore[attr-defined]

    def test_nothing_is_no_window(self) -> None:
        nothing = self.sample(np.random.default_rng(0), self.rows)[:0]
        with pytest.raises(EmptyError):
            self.make().fit(nothing)
        with pytest.raises(EmptyError):
            self._fitted().predict(nothing)

    def test_one_row_is_refused_or_no_alarm(self) -> None:
        reference = self.sample(np.random.default_rng(1), self.rows)
        detector = self.make().fit(reference)
        one = reference[:1] if self.features else np.sort(reference)[self.rows // 2 :][:1]
        with suppress(DataError):
            _check(detector.predict(one), alarm=None if self.features else False)

    def test_a_constant_stays_quiet_until_it_changes(self) -> None:
        detector = self.make().fit(self.constant(self.rows, changed=False))
        _check(detector.predict(self.constant(self.window_rows, changed=False)), alarm=False)
        _check(detector.predict(self.constant(self.window_rows, changed=True)), alarm=True)

    def test_all_missing_is_an_alarm_or_refused_with_a_count(self) -> None:
        gone = np.full(self._shape(self.window_rows), np.nan)
        detector = self._fitted()
        if self.missing_allowed:
            _check(detector.predict(gone), alarm=True)
        else:
            with pytest.raises(DataError, match=str(self.window_rows)):
                detector.predict(gone)

    def test_huge_integers(self) -> None:
        rng = np.random.default_rng(2)
        detector = self.make(level=0.01).fit(self.huge(rng, self.rows))
        _check(detector.predict(self.huge(rng, self.window_rows)), alarm=False)
        moved = self.huge(rng, self.window_rows, shift=max(self.shifts))
        _check(detector.predict(moved), alarm=True)

    def test_mixed_types_are_refused(self) -> None:
        mixed = np.array(self.sample(np.random.default_rng(0), self.window_rows), dtype=object)
        mixed.flat[0] = "a"
        mixed.flat[1] = 1
        with pytest.raises(DataError):
            self._fitted().predict(mixed)
        with pytest.raises(DataError):
            self.make().fit(mixed)
        sample = self.sample(np.random.default_rng(0), self.window_rows)
        if sample.dtype.kind == "f":  # a column that came as text has changed its type
            with pytest.raises(DataError):
                self._fitted().predict(sample.astype(str))

    def test_the_same_seed_gives_the_same_answer(self) -> None:
        window = self.sample(np.random.default_rng(3), self.window_rows, shift=self.shifts[1])
        detector = self._fitted()
        first = detector.predict(window)
        np.testing.assert_equal(astuple(detector.predict(window)), astuple(first))
        np.testing.assert_equal(astuple(self._fitted().predict(window)), astuple(first))

    def test_the_callers_arrays_stay_as_they_are(self) -> None:
        rng = np.random.default_rng(4)
        arrays = [self.sample(rng, self.rows), self.sample(rng, self.window_rows)]
        copies = [array.copy() for array in arrays]
        for array in arrays:
            array.flags.writeable = False
        self.make().fit(arrays[0]).predict(arrays[1])
        for array, copy in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(array, copy)

    def test_false_alarms_come_at_their_rate(self) -> None:
        level = 0.05
        alarms = 0
        for run in range(self.runs):
            rng = np.random.default_rng([5, run])
            detector = self.make(level=level).fit(self.sample(rng, self.rows))
            alarms += detector.predict(self.sample(rng, self.window_rows)).drifted
        low, high = binom.ppf([0.001, 0.999], self.runs, level)
        assert alarms <= high, f"{alarms} of {self.runs}"
        assert self.conservative or alarms >= low, f"{alarms} of {self.runs}"

    def test_a_larger_shift_is_a_larger_effect_and_the_largest_is_found(self) -> None:
        effects = np.zeros((self.shift_runs, len(self.shifts)))
        for run in range(self.shift_runs):
            detector = self._fitted(seed=10 + run)
            for i, shift in enumerate(self.shifts):
                rng = np.random.default_rng([6, run])
                found = detector.predict(self.sample(rng, self.window_rows, shift=shift))
                effects[run, i] = _check(found).effect_size
            assert found.drifted
        mean = effects.mean(axis=0)
        assert (np.diff(mean) >= -self.slack).all(), mean
        assert mean[-1] > mean[0]

    def test_the_effect_must_matter_too(self) -> None:
        window = self.sample(np.random.default_rng(7), self.window_rows, shift=self.shifts[-1])
        found = self._fitted().predict(window)
        assert found.drifted
        much = self._fitted(least_effect=2 * abs(found.effect_size) + 1).predict(window)
        assert not much.drifted
        assert much.statistic == found.statistic


def _check(found: Decision, *, alarm: bool | None = None) -> Decision:
    assert isinstance(found, Decision)
    assert isinstance(found.drifted, bool)
    assert not math.isnan(found.statistic)
    assert not math.isnan(found.threshold)
    assert math.isfinite(found.effect_size)
    assert math.isnan(found.p_value) or 0 <= found.p_value <= 1
    assert alarm is None or found.drifted is alarm, found
    return found
