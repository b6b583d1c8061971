"""What is drawn in an epoch: pairs for the pointwise losses, triples for the pairwise ones.

Draws are seeded and unbiased: an epoch's expected gradient is that of the loss each class states,
times the number of draws. Nothing is rejected, clipped or skipped on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.collaborative.absent import AbsentPairs

__all__ = ["Stratum", "draw_other_items", "parts", "stratified"]

Codes = NDArray[np.int32]

#: Draws made in one go: enough to spare NumPy's overhead, few enough to stay near the processor.
BATCH: Final = 2**16


@dataclass(frozen=True)
class Stratum:
    """Pairs of one class: listed, or all that are absent from a list.

    Parameters
    ----------
    share : float
        Of the draws.
    user, item : ndarray of int32, optional
        The pairs, where they are listed.
    absent : AbsentPairs, optional
        The pairs, where they are those that are not listed.
    """

    share: float
    user: Codes | None = None
    item: Codes | None = None
    absent: AbsentPairs | None = None

    @property
    def size(self) -> int:
        """Pairs in the class."""
        if self.absent is not None:
            return self.absent.size
        return 0 if self.user is None else self.user.size

    def draw(self, count: int, *, rng: np.random.Generator) -> tuple[Codes, Codes]:
        """Draw pairs of the class evenly, with replacement.

        Parameters
        ----------
        count : int
            How many.
        rng : numpy.random.Generator
            Decides the draws.

        Returns
        -------
        user, item : ndarray of int32, shape (count,)
            The pairs drawn.
        """
        if self.absent is not None:
            return self.absent.draw(count, rng=rng)
        assert self.user is not None and self.item is not None
        at = rng.integers(self.user.size, size=count)
        return self.user[at], self.item[at]
