"""A score that some other model gave each row, made an estimate of the uplift by a straight line.

A score that ranks by uplift has no unit. A line gives it one: two numbers, learned from doubly
robust scores, that leave the order of the rows as it is. It cannot mend a score that ranks wrongly,
only find that it is worth nothing, which is a slope of 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.final import LearnerConfig, comparable_rows
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.named import place_of
from causal_ranker.uplift.nuisance import NuisanceValues, cross_fit

__all__ = ["ScoreEffect", "ScoreLine", "fit_line"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreLine:
    """From a score to plays per impression.

    Attributes
    ----------
    slope : float
        Plays per impression that one unit of the score is worth, 0 or more.
    intercept : float
        Effect at a score of 0, in plays per impression.
    average : float
        Average effect, which stands for rows without a score.
    """

    slope: float
    intercept: float
    average: float

    def __call__(self, score: Array) -> Array:
        """Estimate the uplift of rows.

        Parameters
        ----------
        score : numpy.ndarray
            Shape (n_rows,); NaN where there is none.

        Returns
        -------
        numpy.ndarray
            Plays per impression, shape (n_rows,).
        """
        return np.where(np.isnan(score), self.average, self.intercept + self.slope * score)


def fit_line(score: Array, gamma: Array, *, weight: Array) -> ScoreLine:
    """Regress doubly robust scores on a score: weighted least squares, no slope below 0.

    Parameters
    ----------
    score : numpy.ndarray
        Of models that saw no outcome of the row, shape (n_rows,); NaN where there is none.
    gamma : numpy.ndarray
        Doubly robust scores, in plays per impression, shape (n_rows,).
    weight : numpy.ndarray
        How much a row counts, shape (n_rows,).

    Returns
    -------
    ScoreLine
        Slope and intercept; a slope of 0 where the score is the same for all, or turns the effects
        around.
    """
    average = float(np.average(gamma, weights=weight))
    known = ~np.isnan(score)
    if not weight[known].sum() > 0:
        return ScoreLine(slope=0.0, intercept=average, average=average)
    x, y, w = score[known], gamma[known], weight[known]
    centre, level = np.average(x, weights=w), np.average(y, weights=w)
    spread = np.sum(w * np.square(x - centre))
    slope = max(0.0, float(np.sum(w * (x - centre) * (y - level)) / spread)) if spread > 0 else 0.0
    return ScoreLine(slope=slope, intercept=float(level - slope * centre), average=average)


class ScoreEffect(Learner[LearnerConfig]):
    """One feature as the estimate, recalibrated: what an earlier model said of each row.

    The feature has to be as-of: its model saw nothing from t0 on, and so none of these outcomes
    (see `causal_ranker.uplift.collaborative.features`).

    Parameters
    ----------
    column : str
        Name of the feature; larger is more worth showing. Where it is missing, the average effect
        stands.
    config : LearnerConfig
        Nuisances and overlap; its final stage is not read.
    seed : int
        Decides the folds of the nuisances.

    Attributes
    ----------
    line_ : ScoreLine
        Slope and intercept.
    estimand_ : str
        Of which rows the effects are an average, in words.
    """

    line_: ScoreLine | None = None
    estimand_ = ""

    def __init__(self, column: str, *, config: LearnerConfig, seed: int) -> None:
        super().__init__(config=config, seed=seed)
        self._column = column
        self._place = -1

    def fit(self, rows: Rows, *, nuisances: NuisanceValues | None = None) -> ScoreEffect:
        """Learn the line, and the nuisances where none are given.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        nuisances : NuisanceValues, optional
            Cross-fitted nuisances of the same rows, to share them between learners.

        Returns
        -------
        ScoreEffect
            Itself.

        Raises
        ------
        SchemaError
            If the rows have no such feature.
        RowError
            If T, Y or a weight cannot be (see `causal_ranker.uplift.checks`).
        OverlapError
            If an arm's effective sample size among the rows chosen is below the floor.
        """
        check_rows(rows, kind=self._config.nuisance.kind)
        self._place = place_of(self._column, rows.names, what="the score of each row")
        nuisances = nuisances or cross_fit(rows, config=self._config.nuisance, seed=self._seed)
        chosen = comparable_rows(rows, nuisances.propensity, config=self._config)
        self.estimand_, kept = chosen.estimand, chosen.kept
        self.line_ = fit_line(
            rows.features[kept, self._place].astype(np.float64),
            nuisances.take(kept).scores(rows.treatment[kept], rows.outcome[kept]),
            weight=rows.weight[kept] * chosen.factor[kept],
        )
        return self

    def _estimate(self, features: NDArray[np.float32]) -> Array:
        line = self._fitted(self.line_)
        return line(features[:, self._place].astype(np.float64))
