"""The learner that chooses: nuisances once, every candidate out of fold, one winner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from causal_ranker.boosting import BoostConfig
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.seeds import stage_seed
from causal_ranker.uplift.base import Predicts, Rows
from causal_ranker.uplift.candidates import CANDIDATES, Candidate, check_league
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.contest import (
    Fitting,
    estimates_along,
    fit_candidate,
    judge_rows,
    tune,
)
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.league import League, Scored, rank_estimates
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances, NuisanceValues
from causal_ranker.uplift.stack import StackedEffect, stack_weights

__all__ = ["SMALL_TREES", "STACK", "AutoConfig", "AutoLearner"]

Array = NDArray[np.float64]

#: What the league calls a weighted sum of all candidates; the least simple of them.
STACK: Final = "stack"
_TREES: Final = BoostConfig(
    rounds=100, learning_rate=0.05, leaves=15, min_rows_leaf=100, feature_share=1.0, bins=255
)
#: Settings that suit thousands of rows as well as millions.
SMALL_TREES: Final = LearnerConfig(
    final=BoostConfig(
        rounds=70, learning_rate=0.05, leaves=4, min_rows_leaf=500, feature_share=1.0, bins=255
    ),
    nuisance=NuisanceConfig(outcome=_TREES, propensity=_TREES),
)


class AutoConfig(FrozenConfig):
    """Settings of the choice.

    Parameters
    ----------
    learner : LearnerConfig
        Nuisances and overlap of all candidates; its final stage is not read.
    candidates : tuple of Candidate
        Simplest first, one effect for all before the others, each under a name of its own.
    stack : bool
        Whether a weighted sum of all candidates takes part as well.
    folds : int
        Folds of users: a candidate is trained on all but one of them and judged on that.
    """

    learner: LearnerConfig = SMALL_TREES
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)] = CANDIDATES
    stack: bool = True
    folds: Annotated[int, Field(ge=2)] = 3

    @model_validator(mode="after")
    def _check_candidates(self) -> Self:
        check_league(self.candidates)
        if self.learner.final.monotone:
            raise ConfigError(
                expected="monotone features in the final stage of each candidate",
                came=f"monotone = {self.learner.final.monotone} in a final stage that is not read",
                do="Set them in candidates, or name the learner that is to keep them.",
            )
        return self


class AutoLearner(Learner[AutoConfig]):
    """The best of several learners by out-of-fold gain, or a simpler one that is as good.

    Candidates share the nuisances. Models that judge a row, or are judged on it, saw no outcome of
    its user: outcome models are fitted again without each fold, for a learner that was handed the
    noise of a row by way of its outcome models would seem to predict it. The propensity is fitted
    once, as it sees no outcomes. What each candidate is judged at (its rounds or penalty, one
    number) is chosen on all judged rows, so that its gain is a little flattered. Rows count by
    e (1 - e), e being the propensity, so that noisy scores count least.

    Attributes
    ----------
    league_ : League
        Every candidate with its gain, simplest first.
    tuned_ : dict of str to float
        Rounds at which each final stage was best, and penalty at which the linear effect was.
    learner_ : Predicts
        The chosen candidate, fitted on all rows.
    """

    league_: League | None = None
    learner_: Predicts | None = None

    def fit(self, rows: Rows, *, advance: Callable[[], None] = lambda: None) -> Self:
        """Fit the nuisances, every candidate on every fold, and the chosen one on all rows.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        advance : callable
            Called `steps` times.

        Returns
        -------
        AutoLearner
            Itself.

        Raises
        ------
        RowError
            If T, Y or a weight cannot be (see `causal_ranker.uplift.checks`).
        OverlapError
            If an arm's effective sample size inside the overlap band is below the floor.
        """
        config = self._config.learner
        check_rows(rows, kind=config.nuisance.kind)
        models = Nuisances(config=config.nuisance, seed=self._seed).fit(rows)
        advance()
        values = models.cross_fitted(rows)
        # Not the folds of the nuisances: without one of those, they would have nothing to fit on.
        fold = user_fold(rows.user, self._config.folds, seed=stage_seed(self._seed, "league"))
        estimates, held_out = self._out_of_fold(rows, fold, values.propensity, advance=advance)
        judged, kept = judge_rows(rows, held_out, lowest=config.lowest_propensity)
        # One by one: of millions of rows, all estimates twice would be gigabytes.
        shown = {key: estimates.pop(key)[kept] for key in list(estimates)}
        best, self.tuned_ = tune(shown, judged)
        entrants: dict[str, NDArray[Any]] = dict(best)
        if self._config.stack and len(best) > 1:
            entrants |= {STACK: _stacked(best, judged, fold[kept])}
        self.league_ = rank_estimates(entrants, judged)
        fitting = Fitting(rows, values, models, config, self._seed)
        self.learner_ = self._fit_chosen(fitting, best=best, judged=judged)
        advance()
        return self

    def steps(self, rows: Rows) -> int:
        """Say how often `fit` will advance.

        Parameters
        ----------
        rows : Rows
            Training rows; however many, the steps are the same.

        Returns
        -------
        int
            One for the nuisances, one a fold, one for the winner.
        """
        return 2 + self._config.folds

    def _out_of_fold(
        self,
        rows: Rows,
        fold: NDArray[np.int64],
        propensity: Array,
        *,
        advance: Callable[[], None],
    ) -> tuple[dict[tuple[str, float], NDArray[np.float32]], NuisanceValues]:
        """Predict every row by every candidate at every setting, and its outcomes."""
        # There are dozens of settings: at millions of rows, half the bytes are gigabytes less.
        found = {
            (each.name, setting): np.empty(len(rows), dtype=np.float32)
            for each in self._config.candidates
            for setting in each.path
        }
        arms = np.empty((2, len(rows)))
        for f in range(self._config.folds):
            held = np.flatnonzero(fold == f)
            fitting = self._fitted_without(rows, fold != f, propensity)
            features = rows.features[held]
            arms[:, held] = fitting.models.arms(features)
            for candidate in self._config.candidates:
                for setting, guess in estimates_along(candidate, fitting, features):
                    found[candidate.name, setting][held] = guess
            # Before the next fold's, not after: each has a copy of most rows and their bins.
            del fitting, features
            advance()
        return found, NuisanceValues(propensity, outcome_control=arms[0], outcome_treated=arms[1])

    def _fitted_without(self, rows: Rows, seen: NDArray[np.bool_], propensity: Array) -> Fitting:
        """Return the rows of all folds but one, with outcome models that saw no others."""
        config, folds = self._config.learner, self._config.folds
        # The floor is meant for all rows, and here are those of all folds but one.
        floor = max(1.0, config.fewest_effective_rows * (folds - 1) / folds)
        config = config.model_copy(update={"fewest_effective_rows": floor})
        part = rows.take(seen)
        models = Nuisances(config=config.nuisance, seed=self._seed)
        models.fit_outcomes(part)
        values = models.predict(part.features, part.user, propensity=propensity[seen])
        return Fitting(part, values, models, config, self._seed)

    def _fit_chosen(
        self, fitting: Fitting, *, best: Mapping[str, NDArray[Any]], judged: Scored
    ) -> Predicts:
        """Fit the winner on all rows; of a stack, the members that have a weight."""
        assert self.league_ is not None
        candidates = {each.name: each for each in self._config.candidates}

        def fitted(name: str) -> Predicts:
            return fit_candidate(candidates[name], fitting, setting=self.tuned_[name])

        if self.league_.chosen != STACK:
            return fitted(self.league_.chosen)
        average = float(np.average(judged.scores, weights=judged.weight))
        weights = stack_weights(
            list(best.values()), judged.scores, weight=judged.weight, average=average
        )
        members = {name: weight for name, weight in zip(best, weights, strict=True) if weight > 0}
        return StackedEffect(
            average=average,
            members=[fitted(name) for name in members],
            weights=np.array(list(members.values())),
        )

    @property
    def estimand_(self) -> str:
        """Of which rows its effects are an average, in words; empty where nothing says so."""
        return str(getattr(self.learner_, "estimand_", ""))

    def _estimate(self, features: NDArray[np.float32]) -> Array:
        return self._fitted(self.learner_).predict(features).point


def _stacked(best: Mapping[str, NDArray[Any]], judged: Scored, fold: NDArray[np.int64]) -> Array:
    """Stack the estimates of each fold by weights learned on the others."""
    estimates = list(best.values())
    found = np.empty(len(fold))
    for f in np.unique(fold):
        held, seen = fold == f, fold != f
        weight, scores = judged.weight[seen], judged.scores[seen]
        average = float(np.average(scores, weights=weight))
        weights = stack_weights(
            [each[seen] for each in estimates], scores, weight=weight, average=average
        )
        parts = zip(weights, estimates, strict=True)
        found[held] = average + sum(w * (each[held] - average) for w, each in parts)
    return found
