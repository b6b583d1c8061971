"""Residuals of what has matured: outcomes against their predictions, and T against logged p."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.drift.windows import columns_of
from causal_ranker.stats._arrays import Array, IntArray, binary_vector, reject_rows
from causal_ranker.stats.two_windows import (
    SharedClusters,
    change_covariance,
    shared_clusters,
    wald_test,
)

__all__ = ["CalibrationDrift", "ResidualBin", "chance_and_outcome"]


@dataclass(frozen=True)
class ResidualBin:
    """Residuals of the rows whose chance lies between two quantiles of the reference.

    Parameters
    ----------
    low, high : float
        Chances in ``(low, high]``; infinite at the ends.
    rows : int
        Rows of the window.
    expected : float
        Mean residual that the window is held against: that of the reference, or 0.
    residual : float
        The window's mean residual, outcome less chance.
    """

    low: float
    high: float
    rows: int
    expected: float
    residual: float


@dataclass(frozen=True)
class _Rows:
    chance: Array
    outcome: Array
    clusters: NDArray[np.generic] | None


class CalibrationDrift(DetectorConfig):
    """Test residuals by bin of the predicted chance, rows of one user taken together.

    Outcome residuals are plays against P(play); propensity residuals are T against the logged p:
    a policy that no longer draws with the chances it writes down shows there and nowhere else.

    The effect size is the root mean square change of the bins' residuals, by their shares of the
    window, less what chance adds to it: in units of probability.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest change of residuals that matters.
    against : {"reference", "chance"}
        Whether residuals are held against those of the reference (has the model become worse than
        it was?) or against 0 (are the chances true? For logged propensities they should be);
        the reference then decides the bins alone.
    bins : int
        Quantile bins of the reference's chances.
    """

    against: Literal["reference", "chance"] = "reference"
    bins: Annotated[int, Field(ge=1, le=50)] = 5
    _reference: _Rows | None = PrivateAttr(default=None)
    _edges: Array | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike, *, clusters: ArrayLike | None = None) -> Self:
        """Keep the reference and its bins.

        Parameters
        ----------
        reference : array_like, shape (n, 2)
            Predicted chance in [0, 1], and outcome, 0 or 1, of matured rows.
        clusters : array_like of int or str, shape (n,), optional
            The user of each row; each row by itself by default.

        Returns
        -------
        CalibrationDrift
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the columns are not chances and outcomes.
        """
        chance, outcome = chance_and_outcome(reference, name="reference")
        levels = np.linspace(0, 1, self.bins + 1)[1:-1]
        self._edges = np.unique(np.quantile(chance, levels))
        self._reference = _Rows(
            chance.copy(), outcome, None if clusters is None else np.array(clusters)
        )
        return self

    def predict(self, window: ArrayLike, *, clusters: ArrayLike | None = None) -> Decision:
        """Test the window's residuals.

        Parameters
        ----------
        window : array_like, shape (m, 2)
            As in `fit`.
        clusters : array_like of int or str, shape (m,), optional
            The user of each row, where the reference has them.

        Returns
        -------
        Decision
            The statistic is Hotelling's F over the bins that both windows have rows of.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the columns are not chances and outcomes, or there are too few clusters.
        """
        reference = fitted(self._reference, detector=self)
        now = _Rows(*chance_and_outcome(window, name="window"), None)
        _, (before, after) = self._binned(now)
        labels: ArrayLike | None
        if self.against == "reference":
            labels, sides = reference.clusters, (before, after)
        else:  # the window stands alone: in the reference's place a part that has no error
            labels, sides = clusters, (after.exact(), after)
        rows = sides[0].chance.size, sides[1].chance.size
        shared = shared_clusters(labels, clusters, rows=rows)
        covariance = self._covariance(sides, shared)
        change = sides[1].mean - sides[0].mean
        test = wald_test(change, covariance, degrees=shared.degrees, level=self.level)
        share = after.rows / after.rows.sum()
        excess = float(share @ (change**2 - np.diag(covariance)))
        return decide(
            self,
            test.statistic,
            threshold=test.threshold,
            p_value=test.p_value,
            effect_size=float(np.sqrt(max(excess, 0.0))),
        )

    def residuals(self, window: ArrayLike) -> list[ResidualBin]:
        """Show the residuals behind a decision.

        Parameters
        ----------
        window : array_like, shape (m, 2)
            As in `fit`.

        Returns
        -------
        list of ResidualBin
            One for each bin that both windows have rows of, lowest chances first.
        """
        now = _Rows(*chance_and_outcome(window, name="window"), None)
        bins, (before, after) = self._binned(now)
        ends = np.concatenate([[-np.inf], fitted(self._edges, detector=self), [np.inf]])
        return [
            ResidualBin(
                low=float(ends[each]),
                high=float(ends[each + 1]),
                rows=int(after.rows[at]),
                expected=float(before.mean[at]) if self.against == "reference" else 0.0,
                residual=float(after.mean[at]),
            )
            for at, each in enumerate(bins)
        ]

    def _covariance(self, sides: tuple[_Side, _Side], shared: SharedClusters) -> Array:
        """Covariance of the change: of binomial draws, or of clusters where they vary by more."""
        first, second = sides
        expected = np.zeros_like(first.mean)
        if self.against == "reference":  # as if nothing had changed
            expected = (first.rows * first.mean + second.rows * second.mean) / (
                first.rows + second.rows
            )
        least = [side.least_variance(expected) for side in sides]
        if shared.apart:
            return np.diag(least[0] + least[1])
        sums = [shared.sums(side.centred, at) for at, side in enumerate(sides)]
        lacking = [
            np.maximum(each - np.square(part).sum(axis=0), 0.0)
            for each, part in zip(least, sums, strict=True)
        ]
        return change_covariance(sums[0], sums[1]) + np.diag(lacking[0] + lacking[1])

    def _binned(self, now: _Rows) -> tuple[IntArray, tuple[_Side, _Side]]:
        """Cut both windows at the same chances; bins that one has no rows of tell nothing."""
        edges = fitted(self._edges, detector=self)
        windows = fitted(self._reference, detector=self), now
        places = [np.searchsorted(edges, each.chance, side="left") for each in windows]
        counts = [np.bincount(place, minlength=edges.size + 1) for place in places]
        bins = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
        before, after = (
            _Side.of(each, member=place[:, None] == bins)
            for each, place in zip(windows, places, strict=True)
        )
        return bins, (before, after)


@dataclass(frozen=True)
class _Side:
    """One window's residuals by bin, and what each row adds to the error of their means."""

    rows: Array
    mean: Array
    centred: Array
    chance: Array
    member: NDArray[np.bool_]

    @classmethod
    def of(cls, window: _Rows, *, member: NDArray[np.bool_]) -> _Side:
        rows = member.sum(axis=0).astype(np.float64)
        residual = window.outcome - window.chance
        mean = member.T @ residual / rows
        centred = member * (residual[:, None] - mean) / rows
        return cls(rows, mean, centred, window.chance, member)

    def exact(self) -> _Side:
        """Return as many rows without residuals, of chances that no row misses."""
        nothing = np.zeros_like(self.mean), np.zeros_like(self.centred)
        return _Side(self.rows, *nothing, np.zeros_like(self.chance), self.member)

    def least_variance(self, expected: Array) -> Array:
        """Variance of the means if each row were drawn by itself, with what is expected of it.

        A bin without a single play seems to have a residual that is known for certain.
        """
        true = np.clip(self.chance[:, None] + expected, 0.0, 1.0)
        lowest: Array = (self.member * true * (1 - true)).sum(axis=0) / self.rows**2
        return lowest


def chance_and_outcome(pairs: ArrayLike, *, name: str) -> tuple[Array, Array]:
    """Take a table of two columns apart, and check it.

    Parameters
    ----------
    pairs : array_like, shape (n, 2)
        Chance in [0, 1], and outcome, 0 or 1.
    name : str
        What the table is called, for messages.

    Returns
    -------
    tuple of ndarray
        Both columns.

    Raises
    ------
    EmptyError, RowError, SchemaError
        If it is anything else.
    """
    chance, outcome = columns_of(pairs, names=("chance", "outcome"), table=name)
    reject_rows(
        (chance < 0) | (chance > 1),
        chance,
        name="chance",
        expected="chances in [0, 1]",
        do="Pass probabilities, not log odds or ranks.",
    )
    return chance, binary_vector(outcome, name="outcome").astype(np.float64)
