from __future__ import annotations

from typing import Any

from causal_ranker.drift.detectors import KolmogorovSmirnov
from causal_ranker.drift.protocol import Detector
from tests.drift.contract import DetectorContract


class TestKolmogorovSmirnov(DetectorContract):
    def make(self, **settings: Any) -> Detector:
        return KolmogorovSmirnov(**settings)
