"""Intervals of the uplift in a bundle: a second model, which says half of their width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError
from causal_ranker.serving.model import ModelPart, TextModel

__all__ = ["WidthModel", "WidthPart"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WidthPart:
    """The model of the half-widths as it goes into a bundle.

    Parameters
    ----------
    model : ModelPart
        Half of an interval's width, in plays per impression; it reads what the uplift model reads.
    level : float
        Probability that an interval holds what it covers, in (0, 1).

    Raises
    ------
    ConfigError
        If the level is no such probability.
    """

    model: ModelPart
    level: float

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ConfigError(
                expected="a level of the intervals above 0 and below 1",
                came=f"{self.level}",
                do="Give e.g. 0.95, or publish without intervals.",
            )


@dataclass(frozen=True, eq=False)
class WidthModel:
    """The model of the half-widths, ready to say them.

    Parameters
    ----------
    model : TextModel
        The model.
    level : float
        Probability that an interval holds what it covers.
    """

    model: TextModel
    level: float

    def around(self, uplift: Array, features: Array) -> tuple[Array, Array] | None:
        """Put intervals around uplifts.

        Parameters
        ----------
        uplift : ndarray of float64, shape (n,)
            What the uplift model said.
        features : ndarray of float64, shape (n, features)
            What it read.

        Returns
        -------
        tuple of ndarray of float64, shape (n,), or None
            Lower and upper ends; None where the model says another number of widths, or one that
            is not finite or leaves no width.
        """
        found = self.ends(uplift, features)
        if found is None:
            return None
        low, high, sound = found
        return (low, high) if sound.all() else None

    def ends(self, uplift: Array, features: Array) -> tuple[Array, Array, NDArray[np.bool_]] | None:
        """Put intervals around uplifts, and say which of them are intervals.

        Parameters
        ----------
        uplift : ndarray of float64, shape (n,)
            What the uplift model said.
        features : ndarray of float64, shape (n, features)
            What it read.

        Returns
        -------
        tuple of ndarray, shape (n,), or None
            Lower and upper ends, and where both are finite with some width between them; None
            where the model says another number of widths.
        """
        half = self.model.predict(features)
        if half.shape != uplift.shape:
            return None
        low, high = uplift - half, uplift + half
        return low, high, np.isfinite(low) & np.isfinite(high) & (low < high)
