"""Lists of cold and warm items together: who is shown, what each causes, who finds new items.

A policy's uplift@k is the sum of what its cold slots and its warm slots cause, so that the price
of exposure for cold items can be read off: what their slots bring, and what the warm ones lose.
Mean Discounted Gain asks of each item how highly its own audience finds it (Zhu et al., SIGIR
2021), here by age, as an item is not cold for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.compare import first_rows, mean_over_requests
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["AgeGain", "JointLists", "JointPolicy", "PlayedItems", "joint_lists"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LEVEL: Final = 0.95


@dataclass(frozen=True)
class PlayedItems:
    """Candidates that were played: the audience of their items, each array of shape (n,).

    Parameters
    ----------
    item : ndarray of int
        Codes of the items.
    user : ndarray
        Who played.
    age : ndarray of float64
        Days that the item had been there; infinite where that is more than the logs can say.
    gain : mapping of str to ndarray of float64
        By policy, what the item gains by its rank for the user; 0 behind the list.
    """

    item: NDArray[np.integer[Any]]
    user: NDArray[Any]
    age: Array
    gain: Mapping[str, Array]


@dataclass(frozen=True)
class JointPolicy:
    """What the cold and the warm slots of one policy hold and cause.

    Parameters
    ----------
    policy : str
        Its name.
    cold_share : Interval
        Share of the filled slots that cold items have.
    cold, warm : Interval
        What their slots add to uplift@k, in plays per slot of the whole list; together uplift@k.
    cold_difference, warm_difference : Interval
        The same minus that of the baseline; together the difference in uplift@k.
    """

    policy: str
    cold_share: Interval
    cold: Interval
    warm: Interval
    cold_difference: Interval
    warm_difference: Interval


@dataclass(frozen=True)
class AgeGain:
    """Mean Discounted Gain of the items of one age.

    Parameters
    ----------
    from_days, to_days : float
        Ages of the group, the end excluded.
    items : int
        Items that were played at this age.
    plays : int
        Candidates of theirs that were played.
    gain : dict of str to Interval
        By policy, mean over these items of the mean gain over their plays, clustered by user.
    difference : dict of str to Interval
        By policy, the same minus that of the baseline.
    """

    from_days: float
    to_days: float
    items: int
    plays: int
    gain: dict[str, Interval]
    difference: dict[str, Interval]


@dataclass(frozen=True)
class JointLists:
    """Cold and warm items in the lists of some policies.

    Parameters
    ----------
    k : int
        Slots.
    baseline : str
        The policy that differences are to.
    candidates : float
        Share of the candidates that are cold.
    policies : tuple of JointPolicy
        The baseline first.
    ages : tuple of AgeGain
        From young to old; ages at which nothing was played are left out.
    """

    k: int
    baseline: str
    candidates: float
    policies: tuple[JointPolicy, ...]
    ages: tuple[AgeGain, ...]


def joint_lists(
    rows: EvaluationRows,
    cold: Mask,
    played: PlayedItems,
    *,
    candidates: float,
    k: int,
    policies: Sequence[str],
    ages: Sequence[float],
) -> JointLists:
    """Tell cold and warm items apart in the first k rows of some policies.

    Parameters
    ----------
    rows : EvaluationRows
        With every row that a policy ranks among its first k.
    cold : ndarray of bool, shape (n,)
        Which of them are of cold items.
    played : PlayedItems
        Every comparable candidate that was played.
    candidates : float
        Share of the candidates that are cold.
    k : int
        Slots.
    policies : sequence of str
        Which policies, the baseline first.
    ages : sequence of float
        Days that divide the items by age, rising.

    Returns
    -------
    JointLists
        What was found.
    """
    first = first_rows(rows, policies[0], k=k)

    def caused(shown: Mask, of: Mask, minus: Mask) -> Interval:
        sign = shown.astype(np.float64) - minus
        return mean_over_requests(
            rows, sign * rows.gamma / k, (shown ^ minus) & of, shown | minus, level=_LEVEL
        )

    def policy(name: str) -> JointPolicy:
        shown = first_rows(rows, name, k=k)
        nothing = np.zeros_like(shown)
        at = np.flatnonzero(shown)
        second = None if rows.second_cluster is None else rows.second_cluster[at]
        return JointPolicy(
            policy=name,
            cold_share=clustered_mean(
                cold[at].astype(np.float64), rows.user[at], second_cluster=second, level=_LEVEL
            ),
            cold=caused(shown, cold, nothing),
            warm=caused(shown, ~cold, nothing),
            cold_difference=caused(shown, cold, first),
            warm_difference=caused(shown, ~cold, first),
        )

    return JointLists(
        k=k,
        baseline=policies[0],
        candidates=candidates,
        policies=tuple(policy(name) for name in policies),
        ages=_by_age(played, policies=policies, ages=ages),
    )


def _by_age(
    played: PlayedItems, *, policies: Sequence[str], ages: Sequence[float]
) -> tuple[AgeGain, ...]:
    found = []
    group = np.searchsorted(np.asarray(ages), played.age, side="right")
    for number, (start, end) in enumerate(pairwise((0.0, *ages, np.inf))):
        at = np.flatnonzero(group == number)
        if not at.size:
            continue
        item = np.unique(played.item[at], return_inverse=True)[1]
        user = np.unique(played.user[at], return_inverse=True)[1]
        gain = {name: played.gain[name][at] for name in policies}
        base = gain[policies[0]]
        found.append(
            AgeGain(
                from_days=float(start),
                to_days=float(end),
                items=int(item.max()) + 1,
                plays=at.size,
                gain={name: _mean_gain(each, item, user) for name, each in gain.items()},
                difference={
                    name: _mean_gain(each - base, item, user) for name, each in gain.items()
                },
            )
        )
    return tuple(found)


def _mean_gain(gain: Array, item: NDArray[np.int64], user: NDArray[np.int64]) -> Interval:
    """Average over plays of an item, then over items; users move it as its linearisation says."""
    plays = np.bincount(item)
    means = np.bincount(item, weights=gain) / plays
    moved = (gain - means[item]) / plays[item] / means.size
    by_user = np.bincount(user, weights=moved)
    point = float(means.mean())
    if by_user.size < 2:
        return Interval(point, np.nan, np.nan, np.nan)
    return clustered_mean(point + by_user * by_user.size, np.arange(by_user.size), level=_LEVEL)
