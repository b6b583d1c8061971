"""Which of several fair rankings is chosen, on validation items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.metrics import ListMetrics, evaluate
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores, ScoreMap
from causal_ranker.errors import ConfigError
from causal_ranker.seeds import stage_rng

__all__ = ["NDCG_AT", "Choice", "choose_map", "fairest", "held_out"]

#: Length of the list whose NDCG may not fall.
NDCG_AT = 15

Key = TypeVar("Key")


@dataclass(frozen=True)
class Choice(Generic[Key]):
    """What was tried on validation items, and what was chosen.

    Parameters
    ----------
    map : ScoreMap
        The chosen map.
    config : key or None
        Its settings; None where everything tried lost too much, and the map changes nothing.
    tried : dict of key to ListMetrics
        What each gave on the validation items.
    base : ListMetrics
        What the unchanged scores gave.
    """

    map: ScoreMap
    config: Key | None
    tried: dict[Key, ListMetrics]
    base: ListMetrics


def fairest(
    tried: Mapping[Key, ListMetrics], *, base: ListMetrics, most_loss: float = 0.03
) -> Key | None:
    """Choose, of what loses little utility, what is best for the worst items.

    Parameters
    ----------
    tried : mapping of key to ListMetrics
        Rankings of the validation items.
    base : ListMetrics
        The ranking that they are to improve on.
    most_loss : float
        Share of the base's NDCG@15 that may be lost.

    Returns
    -------
    key or None
        The one with the highest mean over the 10 % worst items, and of equal ones the one with
        the higher NDCG@15; None where nothing loses so little.

    Raises
    ------
    ConfigError
        If the share is not from 0 to 1.
    """
    if not 0 <= most_loss <= 1:
        raise ConfigError(
            expected="a share of NDCG@15 from 0 to 1",
            came=str(most_loss),
            do="Choose for example 0.03.",
        )
    least = (1 - most_loss) * base.utility[NDCG_AT].ndcg
    allowed = [key for key, seen in tried.items() if seen.utility[NDCG_AT].ndcg >= least]

    def merit(key: Key) -> tuple[float, float]:
        return tried[key].fairness.lowest[10], tried[key].utility[NDCG_AT].ndcg

    return max(allowed, key=merit, default=None)


def choose_map(
    maps: Mapping[Key, ScoreMap],
    *,
    unchanged: ScoreMap,
    validation: FactoredScores,
    audience: Audience,
    most_loss: float,
) -> Choice[Key]:
    """Choose among fitted maps by the rule of `fairest`.

    Parameters
    ----------
    maps : mapping of key to ScoreMap
        Maps by their settings.
    unchanged : ScoreMap
        The one that changes nothing, chosen where all others lose too much.
    validation : FactoredScores
        Scores of cold items that are not reported on.
    audience : Audience
        Their positives.
    most_loss : float
        Share of NDCG@15 that may be lost.

    Returns
    -------
    Choice
        The chosen map, and what was tried.
    """
    base = evaluate(validation, audience=audience, lengths=(NDCG_AT,))
    tried = {
        config: evaluate(fitted(validation.items), audience=audience, lengths=(NDCG_AT,))
        for config, fitted in maps.items()
    }
    best = fairest(tried, base=base, most_loss=most_loss)
    chosen = unchanged if best is None else maps[best]
    return Choice(map=chosen, config=best, tried=tried, base=base)


def held_out(
    items: NDArray[np.int64], *, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw warm items that stand in for cold ones.

    Parameters
    ----------
    items : numpy.ndarray
        Positions of the warm items.
    share : float
        Of them, in [0, 1); rounded down.
    seed : int
        Decides which.

    Returns
    -------
    learned_from, held_out : numpy.ndarray
        Positions, both ascending.
    """
    order = stage_rng(seed, "coldstart/held out").permutation(items)
    count = int(share * len(items))
    return np.sort(order[count:]), np.sort(order[:count])
