"""One scale for the scores of two recommenders, so that one list can hold the items of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError

__all__ = ["CommonScale"]


@dataclass(frozen=True)
class CommonScale:
    """A rising straight line from one recommender's scores to another's.

    It is one line for all users and items, so that no item's rank among those of its own
    recommender moves, and what was done to make these fair is kept.

    Parameters
    ----------
    slope, intercept : float
        A score s becomes ``slope * s + intercept``.
    """

    slope: float
    intercept: float

    @classmethod
    def between(cls, scores: ArrayLike, onto: ArrayLike) -> Self:
        """Match mean and standard deviation over the same pairs of users and items.

        A regression would shrink the scores by what they tell badly. New items would then never
        stand at the head of a list of warm ones, which is what they are to be freed of.

        Parameters
        ----------
        scores : array_like, shape (n_pairs,)
            What one recommender says of pairs that both know.
        onto : array_like, shape (n_pairs,)
            What the other says of them, on the scale that is wanted.

        Returns
        -------
        CommonScale
            The line.

        Raises
        ------
        RowError
            If the scores are not of the same pairs, not finite, or all the same on either side.
        """
        source, target = (np.asarray(side, dtype=np.float64) for side in (scores, onto))
        if source.shape != target.shape or source.ndim != 1:
            raise RowError(
                expected="two scores for each pair",
                came=f"shapes {source.shape} and {target.shape}",
                do="Pass what both say of the same users and items.",
            )
        spreads = [float(side.std()) if side.size else 0.0 for side in (source, target)]
        if not all(0 < spread < np.inf for spread in spreads):  # NaN is in no interval
            raise RowError(
                expected="finite scores that differ from pair to pair, on both sides",
                came=f"{source.size} pairs, with standard deviations {spreads[0]:g} and "
                f"{spreads[1]:g}",
                do="Pass more pairs, and leave out those that a side cannot score.",
            )
        slope = spreads[1] / spreads[0]
        return cls(slope, float(target.mean()) - slope * float(source.mean()))

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Bring scores onto the other scale.

        Parameters
        ----------
        scores : numpy.ndarray
            Any shape.

        Returns
        -------
        numpy.ndarray
            The same shape.
        """
        return self.slope * scores.astype(np.float64) + self.intercept
