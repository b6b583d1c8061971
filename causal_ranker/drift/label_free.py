"""How well a model does on rows whose labels have not come, and whether that can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.calibration import CalibrationDrift, chance_and_outcome
from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.drift.support import Support
from causal_ranker.errors import SchemaError
from causal_ranker.stats._arrays import Array, float_vector, reject_rows
from causal_ranker.stats._codes import cluster_codes
from causal_ranker.stats._student import two_sided_quantile
from causal_ranker.stats.expected_performance import (
    ExpectedPerformance,
    PerformanceMetric,
    expected_performance,
)
from causal_ranker.stats.intervals import Interval, clustered_mean
from causal_ranker.stats.logistic import fit_logistic, probability
from causal_ranker.stats.two_windows import change_covariance, shared_clusters, wald_test

__all__ = ["LabelFree", "Trust"]

# Keeps coefficients finite where scores tell the outcomes apart without an error.
_RIDGE: Final = 1e-6
# Of the check: a calibration that fails by chance one time in a hundred.
_CHECK_LEVEL: Final = 0.01
_INSIDE: Final = 0.95
_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class Trust:
    """Whether a label-free estimate of a window can be believed.

    Parameters
    ----------
    trusted : bool
        False: *cannot tell*.
    reasons : tuple of str
        Why not; empty where it can.
    calibration_error : float
        Root mean square error of the calibrated chances on the latest matured window, less what
        chance adds.
    known_to : float
        Half-width of the 95 % interval of those chances' mean error.
    outside : float
        Share of the window's rows outside the reference's support.
    """

    trusted: bool
    reasons: tuple[str, ...]
    calibration_error: float
    known_to: float
    outside: float


@dataclass(frozen=True)
class _Learned:
    score: Array
    outcome: Array
    clusters: NDArray[np.generic] | None
    coefficients: Array
    covariance: Array
    support: Support | None


class LabelFree(DetectorConfig):
    """Estimate log-loss, Brier score or AUC from scores alone, by calibrated chances.

    Matured rows of the reference give each score its chance (beta calibration: Kull, Silva Filho
    and Flach, 2017, a logistic regression on ``log s`` and ``log(1 - s)``); the expected loss of
    new rows follows from their scores (`causal_ranker.stats.expected_performance`). This holds as
    long as P(Y | X) is what it was. If that moves, no look at scores or features can tell: hence
    `trust`, which asks the latest labels there are. A change since those cannot be seen at all.

    As a detector it alarms if the expected metric moved; the effect size is by how much.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest change of the metric that matters.
    metric : {"log_loss", "brier", "auc"}
        What is estimated.
    most_error : float
        Largest calibration error, in probability, at which an estimate is still believed.
    most_outside : float
        Largest share of rows outside the reference's support at which it still is.
    """

    metric: PerformanceMetric = "log_loss"
    most_error: Annotated[float, Field(gt=0, lt=1)] = 0.03
    most_outside: Annotated[float, Field(gt=0, lt=1)] = 0.05
    _learned: _Learned | None = PrivateAttr(default=None)

    def fit(
        self,
        reference: ArrayLike,
        *,
        clusters: ArrayLike | None = None,
        features: ArrayLike | None = None,
    ) -> Self:
        """Learn the chances of scores from matured rows that the model was not trained on.

        Parameters
        ----------
        reference : array_like, shape (n, 2)
            The model's probability, strictly between 0 and 1, and the outcome, 0 or 1.
        clusters : array_like of int or str, shape (n,), optional
            The user of each row; each row by itself by default.
        features : array_like, shape (n, n_features), optional
            What the model read, for the check of support.

        Returns
        -------
        LabelFree
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the columns are not probabilities and outcomes.
        """
        score, outcome = chance_and_outcome(reference, name="reference")
        design = _design(score)
        coefficients = fit_logistic(
            design, outcome, weight=np.ones(score.size), l2=np.full(design.shape[1], _RIDGE)
        )
        chance = probability(design @ coefficients)
        curve = (design * (chance * (1 - chance))[:, None]).T @ design
        bread = np.linalg.inv(curve + _RIDGE * score.size * np.eye(len(curve)))
        pull = design * (outcome - chance)[:, None]
        if clusters is not None:
            way = cluster_codes(
                clusters, name="clusters", size=score.size, rows=np.arange(score.size)
            )
            pull = np.column_stack([np.bincount(way.codes, weights=column) for column in pull.T])
        self._learned = _Learned(
            score.copy(),
            outcome,
            None if clusters is None else np.array(clusters),
            coefficients,
            bread @ (pull.T @ pull) @ bread,
            None if features is None else Support().fit(features),
        )
        return self

    def chances(self, scores: ArrayLike) -> Array:
        """Return the calibrated chances of scores.

        Parameters
        ----------
        scores : array_like, shape (m,)
            The model's probabilities.

        Returns
        -------
        ndarray of float64, shape (m,)
            P(Y = 1).
        """
        learned = fitted(self._learned, detector=self)
        return probability(_design(_scores(scores)) @ learned.coefficients)

    def predict(self, window: ArrayLike, *, clusters: ArrayLike | None = None) -> Decision:
        """Test whether the expected metric moved.

        Parameters
        ----------
        window : array_like, shape (m,)
            The model's probabilities of rows without labels.
        clusters : array_like of int or str, shape (m,), optional
            The user of each row, where the reference has them.

        Returns
        -------
        Decision
            The statistic is the square of Student's t.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the values are no probabilities, or there are fewer than two clusters.
        """
        learned = fitted(self._learned, detector=self)
        before, now = self._expected(learned.score), self._expected(window)
        rows = before.by_row.size, now.by_row.size
        shared = shared_clusters(learned.clusters, clusters, rows=rows)
        change = now.value - before.value
        if abs(change) <= _ROUNDING * max(abs(now.value), abs(before.value)):
            change = 0.0  # constant scores have no variance, and sums of them only differ so
        covariance = change_covariance(
            shared.sums(before.by_row[:, None], 0), shared.sums(now.by_row[:, None], 1)
        )
        found = wald_test(np.array([change]), covariance, degrees=shared.degrees, level=self.level)
        return decide(
            self,
            found.statistic,
            threshold=found.threshold,
            p_value=found.p_value,
            effect_size=abs(change),
        )

    def estimate(self, window: ArrayLike) -> Interval:
        """Estimate the metric that the window's labels will give.

        Parameters
        ----------
        window : array_like, shape (m,)
            The model's probabilities of rows without labels.

        Returns
        -------
        Interval
            Of 95 %, for the metric as it will come out: it allows for the labels' own chance and
            for the calibration's error, not for a calibration that no longer holds (`trust`).

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the values are no probabilities.
        """
        learned = fitted(self._learned, detector=self)
        scores = _scores(window)
        chance, found = self.chances(scores), self._expected(scores)
        variance = chance * (1 - chance)
        slope = (found.by_chance * variance) @ _design(scores)
        error = np.sqrt(
            np.sum(np.square(found.by_chance) * variance) + slope @ learned.covariance @ slope
        )
        quantile = two_sided_quantile(_INSIDE, degrees=max(learned.score.size - 3, 1))
        return Interval.around(found.value, error=float(error), quantile=quantile)

    def trust(
        self,
        window: ArrayLike,
        *,
        matured: ArrayLike,
        clusters: ArrayLike | None = None,
        features: ArrayLike | None = None,
    ) -> Trust:
        """Ask the latest labels, and the covariates, whether an estimate can be believed.

        Parameters
        ----------
        window : array_like, shape (m,)
            The model's probabilities of the rows whose metric is estimated.
        matured : array_like, shape (l, 2)
            Probability and outcome of the latest window whose labels have come, not rows of the
            reference.
        clusters : array_like of int or str, shape (l,), optional
            The user of each matured row; each row by itself by default.
        features : array_like, shape (m, n_features), optional
            What the model read, where `fit` had it.

        Returns
        -------
        Trust
            Not trusted if chances were off by more than `most_error` on the matured window and
            more than chance at 1 %, or are not known to be within `most_error` there; or if more
            than `most_outside` of the window's rows are outside the reference's support, scores
            or features.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If a table is not what it should be, or features are given on one side only.
        """
        learned = fitted(self._learned, detector=self)
        score, outcome = chance_and_outcome(matured, name="matured")
        pairs = np.column_stack([self.chances(score), outcome])
        known = np.column_stack([self.chances(learned.score), learned.outcome])
        judge = CalibrationDrift(level=_CHECK_LEVEL, least_effect=self.most_error, against="chance")
        off = judge.fit(known).predict(pairs, clusters=clusters)
        labels = np.arange(score.size) if clusters is None else clusters
        mean = clustered_mean(pairs[:, 1] - pairs[:, 0], labels, level=_INSIDE)
        known_to = (mean.high - mean.low) / 2
        outside = self._outside(_scores(window), features)
        checks = (
            (
                off.drifted,
                f"chances were off by {off.effect_size:.3f} on the latest matured window, more "
                f"than {self.most_error:g}",
            ),
            (
                known_to > self.most_error,
                f"the latest matured window is too small: chances are known to within "
                f"{known_to:.3f}, not {self.most_error:g}",
            ),
            (
                outside > self.most_outside,
                f"{outside:.1%} of the rows are like none of the reference, more than "
                f"{self.most_outside:.1%}",
            ),
        )
        reasons = tuple(words for failed, words in checks if failed)
        return Trust(not reasons, reasons, off.effect_size, known_to, outside)

    def _outside(self, scores: Array, features: ArrayLike | None) -> float:
        learned = fitted(self._learned, detector=self)
        beyond = (scores < learned.score.min()) | (scores > learned.score.max())
        if (features is None) != (learned.support is None):
            raise SchemaError(
                expected="features of the reference and of the window, or of neither",
                came=f"features of the {'reference' if features is None else 'window'} alone",
                do="Pass features to fit and to trust.",
            )
        if learned.support is not None and features is not None:
            beyond = beyond | learned.support.outside(features)
        return float(beyond.mean())

    def _expected(self, window: ArrayLike) -> ExpectedPerformance:
        scores = _scores(window)
        return expected_performance(scores, self.chances(scores), metric=self.metric)


def _scores(values: ArrayLike) -> Array:
    vector = float_vector(values, name="scores")
    _check_open(vector)
    return vector


def _design(score: Array) -> Array:
    _check_open(score)
    return np.column_stack([np.ones(score.size), np.log(score), np.log1p(-score)])


def _check_open(score: Array) -> None:
    reject_rows(
        (score <= 0) | (score >= 1),
        score,
        name="scores",
        expected="probabilities strictly between 0 and 1",
        do="Pass the model's probabilities; no outcome is certain.",
    )
