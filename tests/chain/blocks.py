"""Feature blocks by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from causal_ranker.features.matrix import FeatureBlock

DAY = 86_400_000_000


def block(n: int, **columns: Any) -> FeatureBlock:
    """Make a block of n rows; what is not given is plain."""
    plain = {
        "user": np.arange(n),
        "item": np.zeros(n, dtype=np.int64),
        "t0": np.zeros(n, dtype=np.int64),
        "horizon_end": None,
        "unit": None,
        "treatment": np.zeros(n, dtype=np.int8),
        "outcome": np.zeros(n, dtype=np.int8),
        "weight": np.ones(n),
        "propensity": np.full(n, np.nan),
        "features": np.zeros((n, 3), dtype=np.float32),
    } | {name: np.asarray(values) for name, values in columns.items()}
    if plain["horizon_end"] is None:
        plain["horizon_end"] = plain["t0"] + DAY
    if plain["unit"] is None:
        plain["unit"] = plain["user"]
    return FeatureBlock(**plain)


def requests(n: int, per_request: int, *, hours: float = 24.0, **columns: Any) -> FeatureBlock:
    """Make n requests one after the other, of one user each, with the same items."""
    rows = n * per_request
    request = np.repeat(np.arange(n), per_request)
    return block(
        rows,
        **{
            "user": request,
            "item": np.tile(np.arange(per_request), n),
            "t0": (request * hours * 3_600_000_000).astype(np.int64),
        }
        | columns,
    )
