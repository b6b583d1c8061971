from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats as ss

from causal_ranker.drift.alibi import Wrapped
from causal_ranker.errors import NotFittedError, SchemaError


class Foreign:
    """A detector as Alibi-Detect's users know them."""

    def __init__(self, x_ref: np.ndarray, p_val: float) -> None:
        self.x_ref, self.p_val = x_ref, p_val

    def predict(self, x: np.ndarray) -> dict[str, Any]:
        tests = [ss.ks_2samp(a, b) for a, b in zip(self.x_ref.T, x.T, strict=True)]
        p = np.array([test.pvalue for test in tests])
        limit = self.p_val / len(p)
        distance = np.array([test.statistic for test in tests])
        data = {"is_drift": int(p.min() < limit), "p_val": p, "distance": distance}
        return {"data": {**data, "threshold": limit}, "meta": {}}


def test_a_foreign_detector_plugs_in() -> None:
    rng = np.random.default_rng(0)
    wrapped = Wrapped(lambda x: Foreign(x, p_val=0.05)).fit(rng.normal(size=(500, 3)))
    quiet = wrapped.predict(rng.normal(size=(500, 3)))
    moved = wrapped.predict(rng.normal([0, 0, 1], size=(500, 3)))
    assert (quiet.drifted, moved.drifted) == (False, True)
    assert moved.p_value < 1e-9
    assert moved.effect_size > 0.3
    with pytest.raises(NotFittedError):
        Wrapped(lambda x: Foreign(x, p_val=0.05)).predict(np.ones((2, 2)))

    class Other:
        def predict(self, x: np.ndarray) -> dict[str, Any]:
            return {"drift": True}

    with pytest.raises(SchemaError, match="is_drift"):
        Wrapped(lambda x: Other()).fit([1]).predict([1])
