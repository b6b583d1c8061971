"""What share of the new policy's lists the logging policy never shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from causal_ranker.evaluation.ope.policies import ListPolicy, LoggingPolicy
from causal_ranker.seeds import stage_rng

__all__ = ["MissingSupport", "missing_support"]

_AT_LEAST: Final = 2_000


@dataclass(frozen=True)
class MissingSupport:
    """Shares of the new policy's lists about which the log can say nothing.

    Parameters
    ----------
    lists : float
        Share of lists that the logging policy never shows as a whole.
    slots : float
        Share of lists with an item in a slot where the logging policy never puts it.
    """

    lists: float
    slots: float


def missing_support(
    logging: LoggingPolicy, target: ListPolicy, *, k: int, seed: int
) -> MissingSupport | None:
    """Draw lists of the new policy, and ask the logging policy about them.

    Exact for a policy without chance; else from at least 2,000 lists.

    Parameters
    ----------
    logging : LoggingPolicy
        Who drew the logged lists.
    target : ListPolicy
        The new policy.
    k : int
        Slots.
    seed : int
        Of the draws.

    Returns
    -------
    MissingSupport or None
        None where the logging policy is known only at the logged lists.
    """
    if not logging.everywhere:
        return None
    rng = stage_rng(seed, "ope/support")
    draws = max(1, math.ceil(_AT_LEAST / target.requests))
    lists = slots = 0.0
    for _ in range(draws):
        drawn = target.sample(k, rng=rng)
        lists += float(np.mean(logging.prefix(drawn)[:, -1] <= 0))
        slots += float(np.mean(~logging.possible(drawn).all(axis=1)))
    return MissingSupport(lists=lists / draws, slots=slots / draws)
