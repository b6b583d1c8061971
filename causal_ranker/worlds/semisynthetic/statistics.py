"""What a world is like, beside what was published of its model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from causal_ranker.worlds.semisynthetic.pair_world import PairWorld

__all__ = ["PUBLISHED", "describe", "pair_statistics"]

#: Figures of the published worlds by the names of `pair_statistics`. The grocery worlds were made
#: from two years of the same shop's logs, the films from MovieLens-100K.
PUBLISHED: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "grocery": MappingProxyType({"users": 2309, "items": 1372}),
        "grocery_personalized": MappingProxyType(
            {"users": 2309, "items": 1372, "exposures_per_user": 210}
        ),
        "films": MappingProxyType({"users": 943, "items": 1682, "exposures_per_user": 100}),
    }
)


def pair_statistics(
    played_if_shown: NDArray[np.float32],
    played_if_not: NDArray[np.float32],
    *,
    propensity: NDArray[np.float32],
) -> dict[str, float]:
    """Return what is expected of a draw.

    Parameters
    ----------
    played_if_shown, played_if_not : ndarray of float32, shape (n_users, n_items)
        P(Y(1) = 1) and P(Y(0) = 1).
    propensity : ndarray of float32, shape (n_users, n_items)
        P(T = 1).

    Returns
    -------
    dict of str to float
        ``users``, ``items``; ``exposures_per_user`` and ``plays_per_user`` (means);
        ``average_effect`` (plays per exposure, over all pairs) and ``average_effect_if_exposed``
        (over exposed ones); ``share_negative`` of pairs whose expected effect is below 0;
        ``share_helped`` and ``share_harmed`` of pairs whose drawn effect is 1 and -1;
        ``lowest_propensity`` and ``highest_propensity``, and ``share_of_both_arms``, of pairs
        with a propensity in [.02, .98].
    """
    shown, without, p = (
        values.astype(np.float64) for values in (played_if_shown, played_if_not, propensity)
    )
    effect = shown - without
    return {
        "users": float(p.shape[0]),
        "items": float(p.shape[1]),
        "exposures_per_user": float(p.sum(axis=1).mean()),
        "plays_per_user": float((without + p * effect).sum(axis=1).mean()),
        "average_effect": float(effect.mean()),
        "average_effect_if_exposed": float((p * effect).sum() / p.sum()),
        "share_negative": float((effect < 0).mean()),
        "share_helped": float((shown * (1 - without)).mean()),
        "share_harmed": float((without * (1 - shown)).mean()),
        "lowest_propensity": float(p.min()),
        "highest_propensity": float(p.max()),
        "share_of_both_arms": float(((p >= 0.02) & (p <= 0.98)).mean()),
    }


def describe(world: PairWorld) -> str:
    """Return a world's statistics as text, the published ones beside them where there are any.

    Parameters
    ----------
    world : PairWorld
        The world.

    Returns
    -------
    str
        A line per statistic.
    """
    published = PUBLISHED.get(world.name, {})
    lines = [world.name]
    for name, value in world.statistics.items():
        beside = f"  (published {published[name]:,.6g})" if name in published else ""
        lines.append(f"  {name.replace('_', ' '):<26} {value:>12,.6g}{beside}")
    return "\n".join(lines)
