"""Chances of every order of a few normal variables, by adding up over a fine grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from scipy.integrate import cumulative_simpson, simpson
from scipy.special import ndtr


def chances_of_orders(
    mean: Sequence[float], sd: Sequence[float], k: int, *, steps: int = 10_000
) -> dict[tuple[int, ...], float]:
    """The chance of each k largest, in their order."""
    low = min(m - 9 * s for m, s in zip(mean, sd, strict=True))
    high = max(m + 9 * s for m, s in zip(mean, sd, strict=True))
    x = np.linspace(-high, -low, steps + 1)  # upwards in x is downwards in value
    z = [(-x - m) / s for m, s in zip(mean, sd, strict=True)]
    density = [
        np.exp(-each * each / 2) / (s * np.sqrt(2 * np.pi)) for each, s in zip(z, sd, strict=True)
    ]
    below = [ndtr(each) for each in z]
    found = {}
    for order in permutations(range(len(mean)), k):
        above = np.ones_like(x)
        for item in order[:-1]:
            above = cumulative_simpson(density[item] * above, x=x, initial=0.0)
        last = density[order[-1]] * above
        for other in set(range(len(mean))) - set(order):
            last = last * below[other]
        found[order] = float(simpson(last, x=x))
    return found
