"""Cold and warm items in the lists of a report."""

from __future__ import annotations

import numpy as np

from causal_ranker.chain.arrivals import Arrivals
from causal_ranker.chain.score import ColdRows, ScoredLists
from causal_ranker.coldstart.metrics import gain_of
from causal_ranker.evaluation.joint import JointLists, PlayedItems, joint_lists

__all__ = ["joint_of"]


def joint_of(
    lists: ScoredLists, cold: ColdRows, arrivals: Arrivals, *, policy: str, k: int
) -> JointLists:
    """Set the base list beside the frozen one, cold and warm items apart.

    Parameters
    ----------
    lists : ScoredLists
        The report's rows.
    cold : ColdRows
        Which of them are of cold items.
    arrivals : Arrivals
        When items came.
    policy : str
        Name of the frozen policy.
    k : int
        Slots.

    Returns
    -------
    JointLists
        Exposure, uplift and gain.
    """
    names = list(dict.fromkeys(["base", policy]))
    played = PlayedItems(
        item=np.unique(cold.item, return_inverse=True)[1],
        user=cold.user,
        age=arrivals.ages(cold.item, cold.t0),
        gain={
            name: np.where(cold.rank[name] <= k, gain_of(cold.rank[name]), 0.0) for name in names
        },
    )
    days = arrivals.days
    return joint_lists(
        lists.rows,
        cold.kept,
        played,
        candidates=cold.candidates / (lists.candidates - lists.outside),
        k=k,
        policies=names,
        ages=(days / 2, days, 2 * days),
    )
