"""Candidates of a simulated service with their truth, which several drawings share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats.aipw import ipw_scores
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

__all__ = ["Rows", "service", "world_rows"]

Array = NDArray[np.float64]

#: Below and above there is no overlap to speak of.
_BAND: Final = (0.02, 0.98)


@dataclass(frozen=True)
class Rows:
    """Candidates inside the overlap band, one a row, n of them.

    Parameters
    ----------
    shown, played : ndarray of float64, shape (n,)
        T and Y, 0 or 1.
    propensity, tau : ndarray of float64, shape (n,)
        The chance of having been placed, and the true effect of it.
    base_score : ndarray of float64, shape (n,)
        What the base recommender ranked by.
    request : ndarray of int, shape (n,)
        Codes of the requests.
    """

    shown: Array
    played: Array
    propensity: Array
    tau: Array
    base_score: Array
    request: NDArray[np.int64]

    @property
    def gamma(self) -> Array:
        """Scores whose mean is the effect, by the logged propensities."""
        return ipw_scores(self.played, self.shown, propensity=self.propensity)


@lru_cache(maxsize=2)
def service(seed: int) -> WorldLogs:
    """Simulate the service for two weeks.

    Parameters
    ----------
    seed : int
        Of its draws.

    Returns
    -------
    WorldLogs
        Logs and truth.
    """
    return StreamingWorld(WorldConfig(users=400, days=14, seed=seed)).simulate()


def world_rows(seed: int) -> Rows:
    """Take the candidates of `service` where both arms have a chance.

    Parameters
    ----------
    seed : int
        Of its draws.

    Returns
    -------
    Rows
        In the order of the log.
    """
    logs = service(seed)
    chance = logs.candidates.propensity.to_numpy(np.float64)
    kept = (chance >= _BAND[0]) & (chance <= _BAND[1])
    rows, truth = logs.candidates[kept], logs.truth[kept]
    shown = rows.shown.to_numpy(np.float64)
    by_request = [rows.user_id, rows.t0]
    return Rows(
        shown=shown,
        played=np.where(shown == 1, truth.y1, truth.y0).astype(np.float64),
        propensity=chance[kept],
        tau=truth.tau.to_numpy(np.float64),
        base_score=rows.base_score.to_numpy(np.float64),
        request=rows.groupby(by_request, sort=False).ngroup().to_numpy(np.int64),
    )
