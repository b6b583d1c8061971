"""Tests of nothing against nothing that are looked at as users come."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks._experiments_users import draw_users, new_arm
from causal_ranker.stats.sequential import always_valid

__all__ = ["run"]

_RUNS: Final = 2_000
_USERS: Final = 3_000
#: The sequence rests on near-normal means: nobody looks before.
_FIRST_LOOK: Final = 300
_NAIVE_LOOKS: Final = 10


def run(*, quick: bool) -> dict[str, float]:
    """Count tests with a false alarm at any look.

    Parameters
    ----------
    quick : bool
        A small world, 20 runs.

    Returns
    -------
    dict of str to float
        ``sequential_type1`` with intervals that hold at every look, looked at after every user
        from the 300th on, and ``naive_peeking_type1`` of p < .05 at one of ten looks.
    """
    users = draw_users(500 if quick else _USERS)
    runs = 20 if quick else _RUNS
    seen = np.arange(1, users.ids.size + 1)
    looks = seen >= _FIRST_LOOK
    wide = np.array(
        [
            always_valid(0.0, standard_error=1.0, seen=int(n), planned=seen.size).high
            for n in seen[looks]
        ]
    )
    naive = np.linspace(0, seen.size, _NAIVE_LOOKS + 1).astype(int)[1:] - 1
    valid_hits = naive_hits = 0
    for at in range(runs):
        signal = np.abs(_signals(users.plays, new_arm(users.ids, f"a/a {at}")))
        valid_hits += bool((signal[looks] > wide).any())
        naive_hits += bool((signal[naive] > norm.ppf(0.975)).any())
    return {
        "sequential_type1": valid_hits / runs,
        "naive_peeking_type1": naive_hits / runs,
        "looks": int(looks.sum()),
    }


def _signals(
    values: NDArray[np.float64],
    arm: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Differences of the arms' means, in standard errors, after each user."""
    means, variances = [], []
    for side in (arm, ~arm):
        count = np.maximum(np.cumsum(side), 2)
        mean = np.cumsum(values * side) / count
        means.append(mean)
        variance = (np.cumsum(values**2 * side) - count * mean**2) / (count - 1)
        variances.append(variance / count)
    error = np.sqrt(np.maximum(variances[0] + variances[1], 1e-12))
    return np.asarray((means[0] - means[1]) / error)
