"""Users of the streaming world as a test would see them: what they played before, and during it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.experiments.assign import assign_arms
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns
from causal_ranker.worlds.streaming import StreamingWorld

__all__ = ["TestUsers", "draw_users", "new_arm"]

Array = NDArray[np.float64]
_TEST_DAYS = 14


@dataclass(frozen=True)
class TestUsers:
    """One entry for each user with a request during the test, in order of the first one.

    Parameters
    ----------
    ids : ndarray of int, shape (n,)
        Who.
    plays, before : ndarray of float64, shape (n,)
        Plays on any surface during the test, and in the two weeks before it.
    shown, played : ndarray of float64, shape (n,)
        Impressions during the test, and those whose item was then played.
    """

    ids: NDArray[np.int64]
    plays: Array
    before: Array
    shown: Array
    played: Array

    def rho(self) -> float:
        """Correlation of the metric with its past.

        Returns
        -------
        float
            Pearson's.
        """
        return float(np.corrcoef(self.plays, self.before)[0, 1])


@cache
def draw_users(users: int) -> TestUsers:
    """Run the world for four weeks, of which the last two are the test.

    Parameters
    ----------
    users : int
        Users of the world.

    Returns
    -------
    TestUsers
        Those who came.
    """
    config = WorldConfig(
        users=users, items=120, candidates=20, slate_size=5, days=2 * _TEST_DAYS, seed=11
    )
    logs = StreamingWorld(config).simulate()
    start = logs.log_end - timedelta(days=_TEST_DAYS)
    later, impressions = (
        table[table[C.T0] >= start] for table in (logs.candidates, logs.impressions)
    )
    first = impressions.groupby(C.USER)[C.T0].min().sort_values(kind="stable")
    ids = first.index.to_numpy()
    played = logs.truth.loc[later.index, TruthColumns.Y1].where(later[C.SHOWN], 0)
    during = logs.plays[C.PLAYED_AT] >= start

    def per_user(values: pd.Series) -> Array:
        return values.reindex(ids, fill_value=0).to_numpy(dtype=np.float64)

    return TestUsers(
        ids=ids.astype(np.int64),
        plays=per_user(logs.plays[during].groupby(C.USER).size()),
        before=per_user(logs.plays[~during].groupby(C.USER).size()),
        shown=per_user(impressions.groupby(C.USER).size()),
        played=per_user(played.groupby(later[C.USER]).sum()),
    )


def new_arm(ids: NDArray[np.int64], run: str) -> NDArray[np.bool_]:
    """Assign users to two arms of one size by the hash that tests use.

    Parameters
    ----------
    ids : ndarray of int, shape (n,)
        Who.
    run : str
        Name of the test.

    Returns
    -------
    ndarray of bool, shape (n,)
        Who is in the new arm, which differs in nothing.
    """
    arms = assign_arms(ids, experiment=run, shares={"new": 0.5, "control": 0.5})
    return np.asarray(arms == "new")
