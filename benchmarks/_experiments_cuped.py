"""What CUPED leaves of the variance of estimates, against what the correlation says."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks._experiments_users import draw_users, new_arm
from causal_ranker.experiments.readout import mean_difference

__all__ = ["run"]

_RUNS: Final = 8_000
_USERS: Final = 3_000


def run(*, quick: bool) -> dict[str, float]:
    """Compare the spread of estimates over many assignments of the world's users.

    Parameters
    ----------
    quick : bool
        A small world, 20 runs.

    Returns
    -------
    dict of str to float
        ``cuped_ratio`` of the estimates' variances with and without, ``cuped_expected``, which is
        ``1 - rho^2``, and ``cuped_ratio_error``, by how much of it the first is off.
    """
    users = draw_users(200 if quick else _USERS)
    past = {"before": users.before}
    estimates = []
    for at in range(20 if quick else _RUNS):
        arm = new_arm(users.ids, f"cuped {at}")
        estimates.append(
            [
                mean_difference(users.plays, arm).interval.point,
                mean_difference(users.plays, arm, past=past).interval.point,
            ]
        )
    plain, adjusted = np.var(estimates, axis=0, ddof=1)
    expected = 1 - users.rho() ** 2
    return {
        "cuped_ratio_error": float(abs(adjusted / plain / expected - 1)),
        "cuped_ratio": float(adjusted / plain),
        "cuped_expected": expected,
    }
