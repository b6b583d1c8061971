"""River's detectors of streams through the protocol."""

from __future__ import annotations

import math
import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.drift.protocol import Detector
from causal_ranker.drift.streaming import RiverDetector, _evenly, _page_hinkley
from causal_ranker.errors import ConfigError, MissingExtraError
from tests.drift.contract import DetectorContract

drift: Any = import_module("river.drift")


class TestAdwin(DetectorContract):
    runs = 120
    conservative = True  # its bound holds for any distribution

    def make(self, **settings: Any) -> Detector:
        return RiverDetector(kind="adwin", **settings)


class TestPageHinkley(DetectorContract):
    runs = 300

    def make(self, **settings: Any) -> Detector:
        return RiverDetector(kind="page_hinkley", **settings)


class TestKswin(DetectorContract):
    rows = 200
    window_rows = 60
    runs = 30
    shift_runs = 2
    shifts = (0.0, 1.0, 3.0)
    conservative = True  # its level is shared among the values of a window

    def make(self, **settings: Any) -> Detector:
        return RiverDetector(kind="kswin", **settings)


def test_river_calls_changes_by_the_statistic_that_the_threshold_is_learned_from() -> None:
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.6, -0.6):
        stream = np.concatenate([rng.normal(size=100), rng.normal(shift, 1, 80)])
        largest = float(_page_hinkley(stream[None]).max())
        for factor, called in ((1 - 1e-9, True), (1 + 1e-9, False)):
            peer = drift.PageHinkley(
                min_instances=1, delta=0.005, threshold=largest * factor, alpha=1.0
            )
            changes = 0
            for value in stream.tolist():
                peer.update(value)
                changes += peer.drift_detected
            assert bool(changes) == called


def test_adwin_fed_by_hand_calls_the_same_changes() -> None:
    rng = np.random.default_rng(1)
    reference, window = rng.normal(50, 4, size=300), rng.normal(53, 4, size=200)
    found = RiverDetector(kind="adwin", level=0.02).fit(reference).predict(window)
    peer = drift.ADWIN(delta=0.02, clock=1)
    changes = 0
    for place, value in enumerate([*reference, *window]):
        peer.update(float((value - reference.mean()) / reference.std()))
        changes += peer.drift_detected and place >= 300
    assert found.drifted
    assert found.statistic == changes >= 1
    assert math.isnan(found.p_value)
    truth = abs(window.mean() - reference.mean()) / reference.std()
    assert found.effect_size == pytest.approx(truth)


@pytest.mark.parametrize("kind", ["adwin", "page_hinkley"])
@settings(max_examples=10)
@given(power=st.integers(-10, 10), shift=st.sampled_from([0.0, 0.4, 2.0]))
def test_the_unit_does_not_matter(kind: Any, power: int, shift: float) -> None:
    rng = np.random.default_rng(2)
    reference, window = rng.normal(size=120), rng.normal(shift, 1, size=60)
    first = RiverDetector(kind=kind).fit(reference).predict(window)
    unit = 2.0**power
    second = RiverDetector(kind=kind).fit(reference * unit).predict(window * unit)
    assert (second.statistic, second.drifted) == (first.statistic, first.drifted)


def test_a_long_stream_is_read_at_even_distances() -> None:
    assert _evenly(np.arange(7.0), most=4).tolist() == [0, 2, 4, 6]
    assert _evenly(np.arange(3.0), most=4).tolist() == [0, 1, 2]
    rng = np.random.default_rng(3)
    detector = RiverDetector(kind="page_hinkley", most_values=200).fit(rng.normal(size=50_000))
    assert detector.predict(rng.normal(0.5, 1, size=50_000)).drifted
    with pytest.raises(ConfigError, match="most_values"):
        RiverDetector(most_values=99)
    with pytest.raises(ConfigError, match="level"):
        RiverDetector(level=1e-4)


def test_without_river_it_says_which_extra_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.drift", None)
    with pytest.raises(MissingExtraError, match=r"causal-ranker\[drift\]"):
        RiverDetector().fit([1.0, 2.0])
