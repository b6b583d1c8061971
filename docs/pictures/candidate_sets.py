"""Trap 10: each policy is judged on its own candidates."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats.curves import uplift_at_k
from docs.pictures import Picture
from docs.pictures._bars import three_bars
from docs.pictures._rows import Rows, world_rows

__all__ = ["draw"]

_K: Final = 5
#: The copy is judged without candidates that were shown more often than this.
_MOST: Final = 0.3


def draw(*, seed: int) -> Picture:
    """Draw the difference between a ranker and its copy that is judged on fewer candidates.

    By true effects, so that nothing but the candidates can make a difference.

    Parameters
    ----------
    seed : int
        Of the simulated service.

    Returns
    -------
    Picture
        Plays per 100 slots.
    """
    rows = world_rows(seed)
    everything = np.ones(rows.shown.size, dtype=np.bool_)
    fewer = rows.propensity <= _MOST
    of_ranker, of_copy = _value(rows, everything), _value(rows, fewer)
    return three_bars(
        ("each on its own candidates", "both on the same", "truth"),
        (of_ranker - of_copy, _value(rows, fewer) - of_copy, 0.0),
        unit=f"uplift@{_K} of a ranker less that of its copy, plays per 100 slots",
        caption="A ranker and its copy differ by {truth}. Where only the copy is judged without "
        f"the candidates that were shown more than {100 * _MOST:.0f} % of the time, they differ by "
        "{naive} plays per 100 slots; on one set by {right}.",
    )


def _value(rows: Rows, kept: NDArray[np.bool_]) -> float:
    """Judge the ranking by base score among some candidates by their true effects."""
    request = np.unique(rows.request[kept], return_inverse=True)[1]
    score, tau = rows.base_score[kept], rows.tau[kept]
    order = np.lexsort((-score, request))
    begins = np.searchsorted(request[order], np.arange(request.max() + 1))
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = 1 + np.arange(order.size) - begins[request[order]]
    return 100 * float(uplift_at_k(rank, tau, request, k=_K).mean())
