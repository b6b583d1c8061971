"""Curves of two scores on drawn rows, or causalml's areas of them: seconds.

``python -m benchmarks._curves_child WAY ROWS DRAWS`` prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.seeds import stage_rng
from causal_ranker.stats.aipw import ipw_scores
from causal_ranker.stats.calibration import calibration
from causal_ranker.stats.curves import autoc
from causal_ranker.stats.intervals import paired_half_sample_bands, paired_uplift_at_k
from causal_ranker.uplift.causalml_adapter import importing_causalml

__all__ = ["ours", "theirs"]

Array = NDArray[np.float64]

#: Rows of a request, requests of a user, and items.
_LIST: Final = 10
_REQUESTS: Final = 2
_ITEMS: Final = 1_000
_GRID: Final = np.linspace(0.01, 1.0, 100)


@dataclass(frozen=True)
class _Rows:
    """A randomised world: the effect is .2 (x - .5), and two scores see x with noise."""

    outcome: Array
    treatment: NDArray[np.int8]
    scores: tuple[Array, Array]
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    request: NDArray[np.int64]


def _draw(rows: int) -> _Rows:
    rng = stage_rng(0, "curves/rows")
    x = rng.random(rows)
    treatment = rng.integers(0, 2, rows, dtype=np.int8)
    outcome = (rng.random(rows) < 0.3 + 0.2 * (x - 0.5) * treatment).astype(np.float64)
    request = np.arange(rows) // _LIST
    return _Rows(
        outcome=outcome,
        treatment=treatment,
        scores=(x + 0.3 * rng.normal(size=rows), x + rng.normal(size=rows)),
        user=request // _REQUESTS,
        item=rng.integers(0, _ITEMS, rows),
        request=request,
    )


def ours(rows: int, draws: int) -> dict[str, float]:
    """Time every curve, area, band, paired difference, uplift@10 and calibration of two scores.

    Parameters
    ----------
    rows, draws : int
        Rows, and half-samples of users, of items and of both.

    Returns
    -------
    dict
        ``seconds``, and ``gap``, by how much the areas of the scores differ in standard errors.
    """
    drawn = _draw(rows)
    first, second = drawn.scores
    rng = stage_rng(0, "curves/draws")
    start = time.perf_counter()
    gamma = ipw_scores(drawn.outcome, drawn.treatment, propensity=np.full(rows, 0.5))
    common: dict[str, Any] = {"draws": draws, "rng": rng, "second_cluster": drawn.item}
    bands = paired_half_sample_bands(first, second, gamma, drawn.user, grid=_GRID, **common)
    paired_uplift_at_k(first, second, gamma, drawn.request, drawn.user, k=5, **common)
    for score in drawn.scores:
        calibration(score, gamma, cluster=drawn.user, second_cluster=drawn.item)
    seconds = time.perf_counter() - start
    assert bands.first.autoc_interval.point == autoc(first, gamma)
    gap = bands.difference.autoc_interval
    return {"seconds": seconds, "gap": gap.point / gap.standard_error}


def theirs(rows: int, draws: int) -> dict[str, float]:
    """Time causalml's two areas of two scores on half-samples of users.

    Parameters
    ----------
    rows, draws : int
        Rows, and half-samples: each is half of the rows, taken from the table.

    Returns
    -------
    dict
        ``seconds`` of all draws.
    """
    import pandas as pd

    with importing_causalml():
        from causalml.metrics import auuc_score, qini_score
    drawn = _draw(rows)
    table = pd.DataFrame(
        {
            "y": drawn.outcome,
            "w": drawn.treatment,
            **{f"score {place}": score for place, score in enumerate(drawn.scores)},
        }
    )
    users = int(drawn.user[-1]) + 1
    rng = stage_rng(0, "curves/draws")
    start = time.perf_counter()
    for _ in range(draws):
        chosen = rng.permuted(np.arange(users) < users // 2)
        half = table[chosen[drawn.user]]
        auuc_score(half)
        qini_score(half)
    return {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    _WAYS: Final = {"ours": ours, "theirs": theirs}
    print(json.dumps(_WAYS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))))
