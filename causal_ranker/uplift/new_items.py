"""Wider intervals for new items, by what their content does not tell of their effects.

Half-samples say how far a learner's prediction would move with other users. Of a warm item its
own history speaks, too; of a cold one only the content does, and items of one content differ. How
much is measured on later rows of items that were cold then: the variance between items of the mean
of doubly robust score minus prediction, less what users and half-samples explain of it (a
moment estimate as of DerSimonian and Laird, 1986, "Meta-analysis in clinical trials", about 0 and
not about the items' mean, so that a bias that they share widens intervals, too).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._student import two_sided_quantile
from causal_ranker.uplift.base import Effect, Predicts
from causal_ranker.uplift.intervals import HalfSampleConfig

__all__ = ["ItemSpread", "NewItemIntervals", "item_spread"]

Array = NDArray[np.float64]

#: With fewer items nobody can say how far they differ.
_LEAST: Final = 10


@dataclass(frozen=True)
class ItemSpread:
    """How far the effects of cold items are from what is predicted of them.

    Attributes
    ----------
    items : int
        Items that it was measured on.
    deviation : float
        Standard deviation, in plays per impression, beyond that of the prediction; 0 where the
        items differ no more than users and half-samples make them.
    """

    items: int
    deviation: float

    def __str__(self) -> str:
        if self.deviation == 0:
            return (
                f"The effects of {self.items} cold items on the choosing rows lie no further from "
                "their predictions than half-samples tell."
            )
        return (
            f"The effects of {self.items} cold items on the choosing rows lie further from their "
            f"predictions than half-samples tell, by {100 * self.deviation:.2g} per 100 "
            "impressions (standard deviation): intervals of cold items are wider by that."
        )


def item_spread(
    scores: Array,
    predicted: Effect,
    *,
    item: NDArray[Any],
    user: NDArray[Any],
    weight: Array,
    config: HalfSampleConfig,
) -> ItemSpread | None:
    """Measure how far effects of items lie from their predictions.

    Parameters
    ----------
    scores : numpy.ndarray
        Doubly robust scores of rows that nothing was fitted on, shape (n_rows,).
    predicted : Effect
        What half-sample intervals say of these rows.
    item, user : numpy.ndarray
        Whose rows they are, shape (n_rows,).
    weight : numpy.ndarray
        Analysis weights, shape (n_rows,).
    config : HalfSampleConfig
        Of the intervals.

    Returns
    -------
    ItemSpread or None
        None where there are fewer than ten items with two users each.
    """
    assert predicted.low is not None
    assert predicted.high is not None
    code = np.unique(item, return_inverse=True)[1]
    total = np.bincount(code, weights=weight)
    off = scores - predicted.point
    mean = np.bincount(code, weights=weight * off) / total
    # Rows of a user move together.
    names, who = np.unique(user, return_inverse=True)
    pairs, pair = np.unique(code * names.size + who, return_inverse=True)
    of = pairs // names.size
    moved = np.bincount(pair, weights=weight * (off - mean[code])) / total[of]
    users = np.bincount(of, minlength=total.size)
    known = users >= 2
    if known.sum() < _LEAST:
        return None
    noise = np.bincount(of, weights=moved**2) * users / np.maximum(users - 1, 1)
    half = (predicted.high - predicted.low) / 2
    error = (half / two_sided_quantile(config.level, degrees=config.draws - 1)) ** 2
    known_error = np.bincount(code, weights=weight * error) / total
    each, share = (mean**2 - noise - known_error)[known], total[known] / total[known].sum()
    beyond = float(share @ each)
    # Noisy where items have few rows, and too narrow is the worse mistake: a standard error more.
    beyond += sqrt(float(share**2 @ (each - beyond) ** 2))
    return ItemSpread(int(known.sum()), sqrt(max(beyond, 0.0)))


class NewItemIntervals:
    """A learner's intervals, wider where an item is cold.

    Parameters
    ----------
    intervals : Predicts
        Fitted, with intervals.
    spread : ItemSpread
        How far cold items differ.
    place : int
        Place among the features of the flag of cold items.
    level : float
        Probability that an interval holds what it covers: of a cold row the effect itself.
    """

    def __init__(
        self, intervals: Predicts, spread: ItemSpread, *, place: int, level: float
    ) -> None:
        self._intervals, self._place = intervals, place
        self._reach = two_sided_quantile(level, degrees=spread.items - 1) * spread.deviation

    def predict(self, features: NDArray[np.float32]) -> Effect:
        """Estimate the uplift of rows, with an interval around each.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).

        Returns
        -------
        Effect
            Uplift in plays per impression, with both ends of its interval.
        """
        effect = self._intervals.predict(features)
        assert effect.low is not None
        assert effect.high is not None
        half = (effect.high - effect.low) / 2
        half = np.where(features[:, self._place] > 0, np.hypot(half, self._reach), half)
        return Effect(point=effect.point, low=effect.point - half, high=effect.point + half)
