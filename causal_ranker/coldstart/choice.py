"""Which of several fair rankings is chosen, on validation items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from causal_ranker.coldstart.metrics import ListMetrics
from causal_ranker.errors import ConfigError

__all__ = ["NDCG_AT", "fairest"]

#: Length of the list whose NDCG may not fall.
NDCG_AT = 15

Key = TypeVar("Key")


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
