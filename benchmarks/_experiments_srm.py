"""Sample-ratio mismatches: how often one is seen that is there, and one that is not."""

from __future__ import annotations

from typing import Final

import numpy as np

from causal_ranker.experiments.sample_ratio import sample_ratio

__all__ = ["run"]

_USERS: Final = 100_000
_RUNS: Final = 1_000_000


def run(*, quick: bool) -> dict[str, float]:
    """Count tests whose sizes block the read-out, of 100,000 users each.

    Parameters
    ----------
    quick : bool
        1,000 tests instead of a million.

    Returns
    -------
    dict of str to float
        ``srm_false_alarm`` of even splits, ``srm_power`` of 49 to 51 where an even one was planned.
    """
    rng = np.random.default_rng(17)
    return {
        "srm_false_alarm": _blocked(rng, 0.5, runs=1_000 if quick else _RUNS),
        "srm_power": _blocked(rng, 0.49, runs=1_000 if quick else _RUNS),
    }


def _blocked(rng: np.random.Generator, share: float, *, runs: int) -> float:
    sizes, times = np.unique(rng.binomial(_USERS, share, size=runs), return_counts=True)
    blocks = [sample_ratio(size, _USERS - size).blocks for size in sizes.tolist()]
    return float(times @ blocks / runs)
