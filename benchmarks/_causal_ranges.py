"""Where hyper-parameters are searched: one range a setting, the same number of trials a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from causal_ranker.seeds import stage_rng

__all__ = ["RANGES", "TRIALS", "drawn"]

#: Of each method with a range.
TRIALS: Final = 24

_Range = Callable[[np.random.Generator], Any]


def _between(low: float, high: float) -> _Range:
    """Evenly in the logarithm, to three digits."""
    return lambda rng: float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")


def _one_of(*values: Any) -> _Range:
    return lambda rng: values[int(rng.integers(len(values)))]


_FACTORS: Final[Mapping[str, _Range]] = {
    "factors": _one_of(20, 50, 100),
    "learning_rate": _between(0.001, 0.1),
    "l2": _between(0.001, 3.0),
}
_ACCURACY: Final[Mapping[str, _Range]] = {**_FACTORS, "epochs": _one_of(3, 10, 30, 100)}
_NEIGHBOURS: Final[Mapping[str, _Range]] = {
    "power": _between(0.25, 4.0),
    "shrinkage": _between(0.01, 100.0),
    "neighbours": _one_of(30, 100, 300, None),
}
_DLTO: Final[Mapping[str, _Range]] = {
    **_FACTORS,
    "omega": _between(0.03, 3.0),
    "chi": _between(0.003, 0.5),
}
_TREES: Final[Mapping[str, _Range]] = {
    "rounds": _one_of(50, 100, 200),
    "leaves": _one_of(4, 8, 15, 31),
    "min_rows_leaf": _one_of(50, 200, 1000),
    "learning_rate": _between(0.02, 0.1),
}
#: Of each method that is searched. One that is not here has nothing to choose, or chooses itself.
RANGES: Final[Mapping[str, Mapping[str, _Range]]] = {
    "bpr": _ACCURACY,
    "mf": _ACCURACY,
    "ulrmf": {**_FACTORS, "alpha": _between(0.03, 1.0)},
    "ulbpr": {**_FACTORS, "alpha": _between(0.03, 0.9)},
    "cause": {**_FACTORS, "tie": _between(0.001, 3.0)},
    "cubn_o": _NEIGHBOURS,
    "cubn_t": _NEIGHBOURS,
    "cibn_o": _NEIGHBOURS,
    "cibn_t": _NEIGHBOURS,
    "dlto": _DLTO,
    "dlce": _DLTO,
    "dr": _TREES,
    "stack": _TREES,
}


def drawn(method: str, trial: int) -> dict[str, Any]:
    """Draw the settings of a trial.

    Parameters
    ----------
    method : str
        A key of `RANGES`.
    trial : int
        Its number, from 0.

    Returns
    -------
    dict
        A value of each setting.
    """
    rng = stage_rng(trial, f"causal_ranking/{method}")
    return {name: each(rng) for name, each in RANGES[method].items()}
