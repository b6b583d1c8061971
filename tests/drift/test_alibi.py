"""Detectors with Alibi-Detect's interface through the protocol; here a stand-in for the library."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.stats as ss
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.drift.alibi import AlibiDetector
from causal_ranker.drift.protocol import Detector
from causal_ranker.errors import SchemaError
from tests.drift.contract import DetectorContract

Rows = NDArray[Any]


class StandIn:
    """Kolmogorov-Smirnov per feature with Bonferroni's correction, as Alibi-Detect's KSDrift."""

    def __init__(self, x_ref: Rows, p_val: float = 0.05) -> None:
        self.x_ref, self.p_val = x_ref, p_val

    def predict(self, x: Rows) -> dict[str, Any]:
        tests = [ss.ks_2samp(a, b, method="asymp") for a, b in zip(self.x_ref.T, x.T, strict=True)]
        p = np.array([test.pvalue for test in tests], dtype=np.float32)
        distance = np.array([test.statistic for test in tests], dtype=np.float32)
        limit = self.p_val / len(p)
        found = {"is_drift": int((p < limit).any()), "p_val": p, "distance": distance}
        return {"data": {**found, "threshold": limit}, "meta": {"name": "KSDrift"}}


class Fixed:
    """Gives the answer it was made with, whatever the window."""

    def __init__(self, x_ref: Rows, p_val: float, answer: Any) -> None:
        self.answer, self.p_val = answer, p_val

    def predict(self, x: Rows) -> Any:
        return self.answer


class TestAlibiDetector(DetectorContract):
    features = 3
    runs = 300
    conservative = True  # Bonferroni

    def make(self, **settings: Any) -> Detector:
        return AlibiDetector(make=StandIn, **settings)


def read(data: Any, **settings: Any) -> Any:
    make = partial(Fixed, answer={"data": data, "meta": {}})
    return AlibiDetector(make=make, **settings).fit([[1.0]]).predict([[2.0]])


def test_the_answer_is_read_as_alibi_means_it() -> None:
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=(300, 3)), rng.normal([0, 0, 0.8], size=(200, 3))
    found = AlibiDetector(make=StandIn, level=0.01).fit(reference).predict(window)
    tests = [ss.ks_2samp(a, b, method="asymp") for a, b in zip(reference.T, window.T, strict=True)]
    least = min(test.pvalue for test in tests)
    assert found.p_value == pytest.approx(3 * least, rel=1e-4)
    assert found.statistic == pytest.approx(-math.log10(least), rel=1e-4)
    assert found.threshold == pytest.approx(-math.log10(0.01 / 3))
    assert found.effect_size == pytest.approx(max(test.statistic for test in tests))
    assert found.drifted


def test_distances_with_a_threshold_of_their_own() -> None:
    answer = {"is_drift": 1, "p_val": 0.0, "threshold": 0.05, "distance": np.float32(0.25)}
    found = read({**answer, "distance_threshold": 0.125})
    assert (found.statistic, found.threshold, found.p_value) == (0.25, 0.125, 0.0)
    assert (found.effect_size, found.drifted) == (0.25, True)
    assert not read({**answer, "distance_threshold": 0.125}, least_effect=0.3).drifted
    # without it a p-value of 0 is as small as a float can be
    assert read(answer).statistic == pytest.approx(307.65, abs=0.01)
    bare = read({"is_drift": False, "p_val": 0.25})
    assert (bare.effect_size, bare.threshold) == (0.75, -math.log10(0.05))
    assert math.isnan(read({"is_drift": 0, "distance": 1.0, "distance_threshold": 2.0}).p_value)


@given(
    p=st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=5),
    level=st.floats(0.001, 0.5),
)
def test_p_value_statistic_and_word_agree(p: list[float], level: float) -> None:
    limit = level / len(p)
    answer = {"is_drift": [x < limit for x in p], "p_val": p, "threshold": limit, "distance": p}
    found = read(answer, level=level)
    assert found.drifted == any(x < limit for x in p)
    assert 0 <= found.p_value <= 1
    if abs(min(p) - limit) > 1e-9:
        assert found.drifted == (found.statistic > found.threshold)
        assert found.drifted == (found.p_value < level)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"drift": True}, "is_drift"),
        ({"data": {"is_drift": 1}}, "p_val"),
        ({"data": {"is_drift": None, "p_val": 0.1}}, "is_drift"),
        ({"data": {"is_drift": 1, "p_val": [0.1, math.nan]}}, "finite numbers in 'p_val'"),
        (None, "is_drift"),
    ],
)
def test_another_answer_is_refused(answer: Any, said: str) -> None:
    detector = AlibiDetector(make=partial(Fixed, answer=answer)).fit([[1.0]])
    with pytest.raises(SchemaError, match=said):
        detector.predict([[1.0]])


def test_the_detector_gets_a_copy_of_its_own_type() -> None:
    seen: list[Rows] = []

    class Keeps(StandIn):
        def __init__(self, x_ref: Rows, p_val: float) -> None:
            super().__init__(x_ref, p_val)
            seen.append(x_ref)
            x_ref[:] = 0  # a detector that scales its reference in place

    images = np.ones((5, 4), dtype=np.float32)
    AlibiDetector(make=Keeps).fit(images)
    assert seen[0].dtype == np.float32
    assert images.all()
    with pytest.raises(SchemaError, match=r"shape \(4,\), as in the reference; got \(3,\)"):
        AlibiDetector(make=StandIn).fit(images).predict(np.ones((5, 3)))
