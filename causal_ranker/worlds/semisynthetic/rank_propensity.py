"""P(T = 1) of a simulated recommender that shows more of what it ranks high."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError

__all__ = ["rank_propensity"]


def rank_propensity(
    score: NDArray[np.float32], *, recommendations: float, power: float, margin: float
) -> NDArray[np.float32]:
    """Return propensities that fall as 1 / rank^power and sum to a number a user.

    ``p = min(c / rank^power, 1 - margin)``, with c such that a user's propensities sum to
    `recommendations`. A plain scaling would put the first ranks above 1 (the 12 first films of
    1,700, at 100 recommendations and power 1): these are held at ``1 - margin``, and c is raised
    until the rest makes up for what they lost.

    Parameters
    ----------
    score : ndarray of float32, shape (n_users, n_items)
        What the recommender ranks by; a user's highest is rank 1. Equal scores keep the order of
        the items.
    recommendations : float
        Expected exposures of each user.
    power : float
        How fast exposure falls with rank; 0 is the same for all.
    margin : float
        Least distance from 1, so that each pair can go unexposed. Distance from 0 is that of the
        last rank.

    Returns
    -------
    ndarray of float32, shape (n_users, n_items)
        Strictly inside (0, 1).

    Raises
    ------
    ConfigError
        If there are too few items for so many recommendations.

    References
    ----------
    Sato et al., Unbiased Learning for the Causal Effect of Recommendation, RecSys 2020.
    """
    n_items = score.shape[1]
    most = (1 - margin) * n_items
    if not 0 < recommendations <= most:
        raise ConfigError(
            expected=f"recommendations above 0 and at most {most:g} of {n_items} items",
            came=f"recommendations = {recommendations:g}",
            do="Lower recommendations, or keep more items.",
        )
    by_rank = _by_rank(n_items, recommendations, power=power, highest=1 - margin)
    order = np.argsort(-score, axis=1, kind="stable")
    propensity = np.empty(score.shape, dtype=np.float32)
    np.put_along_axis(propensity, order, by_rank.astype(np.float32)[None, :], axis=1)
    return propensity


def _by_rank(n: int, total: float, *, power: float, highest: float) -> NDArray[np.float64]:
    """Propensity of rank 1 .. n: the first `held` at the bound, the others share what is left."""
    weight = np.arange(1, n + 1, dtype=np.float64) ** -power
    left = total - highest * np.arange(n)  # after holding 0, 1, .. n - 1 ranks
    scale = left / np.cumsum(weight[::-1])[::-1]
    # the fewest held ranks that leave the next one within the bound
    held = int(np.argmax(scale * weight <= highest * (1 + 1e-12)))
    return np.where(np.arange(n) < held, highest, scale[held] * weight)
