"""How likely an item is to be in a causal-balanced list, exactly."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import positive_count

__all__ = ["balanced_chances"]


@lru_cache(maxsize=1024)
def balanced_chances(slots: int, shared: int) -> tuple[float, float]:
    """Return the chances of an item of both lists, and of one that is in one list only.

    Where the published method draws lists to find them, here the numbers of shared items, of the
    first's own and of the second's own that were chosen so far are a Markov chain, whose states
    are summed over: what is left in a list is drawn uniformly, so nothing else matters.

    Parameters
    ----------
    slots : int
        Length of both lists, and of the one shown.
    shared : int
        How many items are in both.

    Returns
    -------
    both, single : float
        P(in the list that is shown) of an item of both lists, and of an item of one of them.
        NaN where there is no such item.

    Raises
    ------
    ConfigError
        If there is no slot, or not from 0 to `slots` items are shared.
    """
    positive_count(slots, name="slots")
    if not 0 <= positive_count(shared, name="shared", least=0) <= slots:
        raise ConfigError(
            expected=f"from 0 to {slots} shared items",
            came=f"{shared}",
            do="Count the items that are in both lists.",
        )
    single = slots - shared
    # Whoever starts, the two kinds of own items trade places: half of both sums is the mean.
    both = own = 0.0
    states = {(0, 0, 0): 1.0}  # chosen so far: shared, own of the starter, own of the other
    for slot in range(slots):
        later: dict[tuple[int, int, int], float] = {}
        for (common, *owns), chance in states.items():
            turn = slot % 2
            left = np.array([shared - common, single - owns[turn]])
            steps = ((1, 0, 0), (0, 1 - turn, turn))
            for step, share in zip(steps, left / left.sum(), strict=True):
                if share:
                    state = (common + step[0], owns[0] + step[1], owns[1] + step[2])
                    later[state] = later.get(state, 0.0) + chance * float(share)
        states = later
    for (common, starter, other), chance in states.items():
        both += chance * common
        own += chance * (starter + other) / 2
    return (
        both / shared if shared else float("nan"),
        own / single if single else float("nan"),
    )
