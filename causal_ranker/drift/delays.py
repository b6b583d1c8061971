"""Drift of how long plays take to come, between windows of which one is younger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.distribution import DistributionDrift
from causal_ranker.drift.protocol import Decision, DetectorConfig, fitted
from causal_ranker.drift.windows import columns_of
from causal_ranker.errors import EmptyError
from causal_ranker.stats._arrays import Array, reject_rows

__all__ = ["DelayDrift", "DelayRows"]


@dataclass(frozen=True)
class DelayRows:
    """What of a window can be compared.

    Parameters
    ----------
    too_young : float
        Share of rows that were not followed for long enough; they are left out, plays and all.
    played : float
        Share of the rest with a play in time.
    median : float
        Median delay of those plays, in the unit of the delays; NaN without any.
    """

    too_young: float
    played: float
    median: float


class DelayDrift(DetectorConfig):
    """Compare delays that both windows could have observed, rows of one user taken together.

    A young window has short delays alone: later plays have not come yet. So rows that were not
    followed for `within` are left out, *with* their plays, and of the others only plays within
    `within` are compared, by `DistributionDrift`. Both windows then show the distribution of the
    delay given a play in time. Labels of a horizon mature later, and touch windows fit worse, if
    it moves.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest distance of the distribution functions that matters.
    within : float
        Longest delay compared, in the unit of the delays; at most what the youngest window has
        been followed for, or it has no rows.
    seed : int
        Decides the draws.
    """

    within: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 24.0
    seed: Annotated[int, Field(ge=0)] = 0
    _inner: DistributionDrift | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike, *, clusters: ArrayLike | None = None) -> Self:
        """Learn the reference's delays.

        Parameters
        ----------
        reference : array_like, shape (n, 2)
            Delay from impression to play (or from play to its event), NaN where there was none
            yet, and how long the row has been followed, in the same unit.
        clusters : array_like of int or str, shape (n,), optional
            The user of each row; each row by itself by default.

        Returns
        -------
        DelayDrift
            Itself.

        Raises
        ------
        EmptyError
            If no row was followed for long enough, or none of those has a play in time.
        RowError, SchemaError
            If a delay is negative or longer than the row was followed.
        """
        delays, labels = self._compared(reference, clusters, name="reference")
        inner = DistributionDrift(level=self.level, least_effect=self.least_effect, seed=self.seed)
        self._inner = inner.fit(delays, clusters=labels)
        return self

    def predict(self, window: ArrayLike, *, clusters: ArrayLike | None = None) -> Decision:
        """Compare the window's delays.

        Parameters
        ----------
        window : array_like, shape (m, 2)
            As in `fit`.
        clusters : array_like of int or str, shape (m,), optional
            The user of each row, where the reference has them.

        Returns
        -------
        Decision
            As of `DistributionDrift`.

        Raises
        ------
        EmptyError, RowError, SchemaError
            As in `fit`, or if there are fewer than two clusters.
        """
        inner = fitted(self._inner, detector=self)
        delays, labels = self._compared(window, clusters, name="window")
        return inner.predict(delays, clusters=labels)

    def rows(self, window: ArrayLike) -> DelayRows:
        """Say how much of a window is compared.

        Parameters
        ----------
        window : array_like, shape (m, 2)
            As in `fit`.

        Returns
        -------
        DelayRows
            Shares, and the median delay.
        """
        delay, old = self._read(window, name="window")
        in_time = old & (delay <= self.within)
        return DelayRows(
            too_young=float(1 - old.mean()),
            played=float(in_time.sum() / old.sum()) if old.any() else float("nan"),
            median=float(np.median(delay[in_time])) if in_time.any() else float("nan"),
        )

    def _read(self, window: ArrayLike, *, name: str) -> tuple[Array, NDArray[np.bool_]]:
        delay, followed = columns_of(
            window, names=("delay", "followed"), table=name, missing=("delay",)
        )
        reject_rows(
            (delay < 0) | (delay > followed),
            delay,
            name="delay",
            expected="delays from 0 to as long as the row was followed, or NaN",
            do="Count both from the same moment, and in one unit.",
        )
        return delay, followed >= self.within

    def _compared(
        self, window: ArrayLike, clusters: ArrayLike | None, *, name: str
    ) -> tuple[Array, NDArray[np.generic] | None]:
        delay, old = self._read(window, name=name)
        kept = old & (delay <= self.within)
        if not kept.any():
            raise EmptyError(
                expected=f"plays within {self.within:g} in the {name}, of rows followed as long",
                came=f"{int(old.sum())} of {old.size} rows followed as long, and no play of theirs",
                do="Wait, or compare shorter delays: lower within.",
            )
        return delay[kept], None if clusters is None else np.asarray(clusters)[kept]
