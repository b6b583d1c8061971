"""One learner on rows that lie in a folder: seconds, and memory beyond the rows themselves.

``python -m benchmarks._uplift_child WAY FOLDER`` prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._peers import peer_estimate
from causal_ranker.boosting import BoostConfig
from causal_ranker.uplift.auto import AutoConfig, AutoLearner
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.candidates import CANDIDATES
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.s import SLearner
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.x import XLearner

__all__ = ["TREES", "main"]

Array = NDArray[np.float64]

#: One setting for every model of every package; the objective is squared error but for T.
TREES: Final = BoostConfig(
    rounds=100,
    learning_rate=0.1,
    leaves=31,
    min_rows_leaf=20,
    feature_share=1.0,
    bins=255,
)
_LIGHTGBM: Final = {
    "n_estimators": TREES.rounds,
    "learning_rate": TREES.learning_rate,
    "num_leaves": TREES.leaves,
    "min_child_samples": TREES.min_rows_leaf,
    "max_bin": TREES.bins,
}
_NUISANCE: Final = NuisanceConfig(
    folds=2,
    kind="continuous",
    outcome=TREES,
    propensity=TREES,
    propensity_kinds=("boosted",),
    propensity_calibrated=False,
)
_LEARNER: Final = LearnerConfig(final=TREES, nuisance=_NUISANCE)


def main(way: str, folder: Path) -> dict[str, float]:
    """Fit one way.

    Parameters
    ----------
    way : str
        A name of `_WAYS`.
    folder : Path
        Holds ``features.npy``, ``treatment.npy``, ``outcome.npy``, ``later.npy``, ``tau.npy``.

    Returns
    -------
    dict
        ``seconds``, ``extra_mb`` beyond the rows, ``peak_mb`` and, if there is a truth,
        ``correlation`` of the estimates of later rows with it.
    """
    given = {name: np.load(folder / f"{name}.npy") for name in _ARRAYS}
    n = len(given["treatment"])
    row = np.arange(n)
    rows = Rows(
        features=given["features"],
        treatment=given["treatment"],
        outcome=given["outcome"],
        weight=np.ones(n),
        user=row,
        unit=row,
        propensity=np.full(n, np.nan),
        names=tuple(f"x{place}" for place in range(given["features"].shape[1])),
    )
    _warm_up(way)
    before = _memory("VmRSS")
    start = time.perf_counter()
    guess = _WAYS[way](rows, given["later"])
    seconds = time.perf_counter() - start
    peak = _memory("VmHWM")
    return {
        "seconds": seconds,
        "extra_mb": peak - before,
        "peak_mb": peak,
        "correlation": float(np.corrcoef(guess, given["tau"])[0, 1]),
    }


_ARRAYS: Final = ("features", "treatment", "outcome", "later", "tau")


def _warm_up(way: str) -> None:
    """Import what the way needs, so that neither its time nor its memory is counted."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    t, y = rng.integers(0, 2, 400), rng.normal(size=400)
    row = np.arange(400)
    rows = Rows(
        features=x,
        treatment=t.astype(np.int8),
        outcome=y,
        weight=np.ones(400),
        user=row,
        unit=row,
        propensity=np.full(400, np.nan),
        names=("a", "b", "c"),
    )
    if way in _PEER_WAYS:
        _WAYS[way](rows, x)
    else:
        DRLearner(config=LearnerConfig(nuisance=_NUISANCE, fewest_effective_rows=1), seed=0).fit(
            rows
        )


def _memory(name: str) -> float:
    status = Path(f"/proc/{os.getpid()}/status").read_text("utf-8")
    told = dict(line.split(":", 1) for line in status.splitlines())
    return int(told[name].split()[0]) / 1024


def _dr(rows: Rows, later: NDArray[np.float32]) -> Array:
    return DRLearner(config=_LEARNER, seed=0).fit(rows).predict(later).point


def _r(rows: Rows, later: NDArray[np.float32]) -> Array:
    return RLearner(config=_LEARNER, seed=0).fit(rows).predict(later).point


def _x(rows: Rows, later: NDArray[np.float32]) -> Array:
    return XLearner(config=_LEARNER, seed=0).fit(rows).predict(later).point


def _t(rows: Rows, later: NDArray[np.float32]) -> Array:
    return TLearner(config=_LEARNER, seed=0).fit(rows).predict(later).point


def _s(rows: Rows, later: NDArray[np.float32]) -> Array:
    return SLearner(config=_LEARNER, seed=0).fit(rows).predict(later).point


def _five(rows: Rows, later: NDArray[np.float32]) -> Array:
    """Fit all five, with nuisances and bins fitted once."""
    models = Nuisances(config=_NUISANCE, seed=0).fit(rows)
    values = models.cross_fitted(rows)
    TLearner(config=_LEARNER, seed=0).fit(rows, nuisances=models).predict(later)
    for learner in (SLearner, XLearner, RLearner):
        learner(config=_LEARNER, seed=0).fit(rows, nuisances=values).predict(later)
    return DRLearner(config=_LEARNER, seed=0).fit(rows, nuisances=values).predict(later).point


def _best(rows: Rows, later: NDArray[np.float32]) -> Array:
    """Fit the R-learner with few linear leaves, stopped by out-of-fold gain."""
    named = ("constant", "r, 4 linear leaves")
    candidates = tuple(each for each in CANDIDATES if each.name in named)
    config = AutoConfig(candidates=candidates, folds=2)
    return AutoLearner(config=config, seed=0).fit(rows).predict(later).point


def _econml(rows: Rows, later: NDArray[np.float32]) -> Array:
    return peer_estimate("econml DRLearner", rows, later, seed=0, settings=_LIGHTGBM)


def _causalml(rows: Rows, later: NDArray[np.float32]) -> Array:
    return peer_estimate("causalml BaseDRRegressor", rows, later, seed=0, settings=_LIGHTGBM)


def _forest(rows: Rows, later: NDArray[np.float32]) -> Array:
    return peer_estimate("econml CausalForestDML", rows, later, seed=0)


_PEER_WAYS: Final = ("econml", "causalml", "forest")
_WAYS: Final[dict[str, Callable[[Rows, Any], Array]]] = {
    "dr": _dr,
    "r": _r,
    "x": _x,
    "t": _t,
    "s": _s,
    "five": _five,
    "best": _best,
    "econml": _econml,
    "causalml": _causalml,
    "forest": _forest,
}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
