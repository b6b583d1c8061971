"""Residuals of labels that arrive day by day, tested at every arrival."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.calibration import chance_and_outcome
from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.errors import SchemaError
from causal_ranker.stats._arrays import Array
from causal_ranker.stats._codes import cluster_codes
from causal_ranker.stats.sequential import always_valid

__all__ = ["ArrivingResiduals"]


@dataclass(frozen=True)
class _Sums:
    """Residuals and rows by user: all that is kept of what has arrived."""

    users: NDArray[np.generic]
    residual: Array
    rows: Array
    binomial: float  # sum of c (1 - c)

    @classmethod
    def of(cls, pairs: ArrayLike, clusters: ArrayLike, *, name: str) -> _Sums:
        chance, outcome = chance_and_outcome(pairs, name=name)
        labels = np.asarray(clusters)
        way = cluster_codes(labels, name="clusters", size=chance.size, rows=np.arange(chance.size))
        users = np.empty(way.count, dtype=labels.dtype)
        users[way.codes] = labels
        return cls(
            users,
            np.bincount(way.codes, weights=outcome - chance).astype(np.float64),
            np.bincount(way.codes).astype(np.float64),
            float(chance @ (1 - chance)),
        )

    @property
    def mean(self) -> float:
        return float(self.residual.sum() / self.rows.sum())

    @property
    def error(self) -> float:
        """Clustered, but not below that of as many independent draws of the chances.

        A first batch without a single play has no spread of its own.
        """
        count = self.rows.size
        gap = self.residual - self.mean * self.rows
        largest = max(count / (count - 1) * float(gap @ gap), self.binomial)
        return float(np.sqrt(largest) / self.rows.sum())

    def plus(self, other: _Sums) -> _Sums:
        users, code = np.unique(np.concatenate([self.users, other.users]), return_inverse=True)
        residual, rows = np.zeros(users.size), np.zeros(users.size)
        np.add.at(residual, code, np.concatenate([self.residual, other.residual]))
        np.add.at(rows, code, np.concatenate([self.rows, other.rows]))
        return _Sums(users, residual, rows, self.binomial + other.binomial)


class ArrivingResiduals(DetectorConfig):
    """Look at the mean residual of all labels so far at every arrival, and never pay for looking.

    A test at 5 % that is repeated every day of a month alarms in every third or fourth quiet
    month. Here the interval is that of a confidence sequence
    (`causal_ranker.stats.sequential.always_valid`), which holds at all looks together: the level
    is the chance that *any* look alarms. Rows of one user are taken together, and the reference's
    own error is allowed for.

    It remembers what `add` takes in; `predict` looks with a window more, and keeps nothing. The
    level holds for looks at windows that are then added. The statistic is how far the mean
    residual is from the reference's in half-widths of that interval, so that the threshold is 1
    and there is no p-value; the effect size is the distance itself, in probability.

    Parameters
    ----------
    level : float
        Chance that any look alarms, ever, if nothing moved.
    least_effect : float
        Smallest distance that matters.
    planned : int
        Rows after which the sequence is tightest, about as many as a change should be found
        within.
    """

    planned: Annotated[int, Field(ge=1)] = 10_000
    _reference: _Sums | None = PrivateAttr(default=None)
    _arrived: _Sums | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike, *, clusters: ArrayLike) -> Self:
        """Learn the reference's mean residual, and forget what has arrived.

        Parameters
        ----------
        reference : array_like, shape (n, 2)
            Predicted chance in [0, 1], and outcome, 0 or 1, of matured rows.
        clusters : array_like of int or str, shape (n,)
            The user of each row.

        Returns
        -------
        ArrivingResiduals
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the columns are not chances and outcomes, or all rows are of one user.
        """
        self._reference = _Sums.of(reference, clusters, name="reference")
        self._arrived = None
        return self

    def add(self, window: ArrayLike, *, clusters: ArrayLike) -> Decision:
        """Take in labels that have arrived, and look.

        Parameters
        ----------
        window : array_like, shape (m, 2)
            As in `fit`; each row once.
        clusters : array_like of int or str, shape (m,)
            The user of each row.

        Returns
        -------
        Decision
            Of all rows added so far.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            As `predict`; nothing is taken in then.
        """
        self._arrived, found = self._look(window, clusters)
        return found

    def predict(self, window: ArrayLike, *, clusters: ArrayLike) -> Decision:
        """Look at what has been added and at a window, and keep nothing of it.

        Parameters
        ----------
        window : array_like, shape (m, 2)
            As in `fit`; no rows that were added.
        clusters : array_like of int or str, shape (m,)
            The user of each row.

        Returns
        -------
        Decision
            Of all rows added so far and these.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            If the columns are not chances and outcomes, all rows are of one user, or ids are of
            another type than before.
        """
        return self._look(window, clusters)[1]

    def _look(self, window: ArrayLike, clusters: ArrayLike) -> tuple[_Sums, Decision]:
        reference = fitted(self._reference, detector=self)
        arrived = _Sums.of(window, clusters, name="window")
        if self._arrived is not None:
            kinds = [each.users.dtype.kind in "iu" for each in (self._arrived, arrived)]
            if kinds[0] != kinds[1]:
                raise SchemaError(
                    expected="ids of one type at every arrival",
                    came=f"{self._arrived.users.dtype} before, and {arrived.users.dtype} now",
                    do="Pass the same column of ids each time.",
                )
            arrived = self._arrived.plus(arrived)
        change, seen = arrived.mean - reference.mean, int(arrived.rows.sum())
        error = float(np.hypot(arrived.error, reference.error))
        if not error:  # chances of 0 and 1 alone: whoever breaks one is no chance
            statistic = float("inf") if change else 0.0
            return arrived, decide(self, statistic, threshold=1.0, effect_size=abs(change))
        interval = always_valid(
            change, standard_error=error, seen=seen, planned=self.planned, level=1 - self.level
        )
        half = (interval.high - interval.low) / 2
        found = decide(self, abs(change) / half, threshold=1.0, effect_size=abs(change))
        return arrived, found
