"""The learner that chooses: nuisances once, every candidate out of fold, one winner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.boosting import BoostConfig, first_trees, predict_trees
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import OverlapError
from causal_ranker.seeds import stage_seed
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.candidates import CANDIDATES, Candidate
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import FinalStageLearner, LearnerConfig
from causal_ranker.uplift.league import League, Scored, rank_estimates
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances, NuisanceValues
from causal_ranker.uplift.overlap import inside
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.ridge import RidgeLearner
from causal_ranker.uplift.stack import Predicts, StackedEffect, stack_weights
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.x import XLearner

__all__ = ["STACK", "AutoConfig", "AutoLearner"]

Array = NDArray[np.float64]

#: What the league calls a weighted sum of all candidates; the least simple of them.
STACK: Final = "stack"
_STAGES: Final[dict[str, type[FinalStageLearner]]] = {
    "dr": DRLearner,
    "r": RLearner,
    "x": XLearner,
}
_TREES: Final = BoostConfig(
    rounds=100, learning_rate=0.05, leaves=15, min_rows_leaf=100, feature_share=1.0, bins=255
)


class AutoConfig(FrozenConfig):
    """Settings of the choice.

    Parameters
    ----------
    learner : LearnerConfig
        Nuisances and overlap of all candidates; its final stage is not read.
    candidates : tuple of Candidate
        Simplest first, each under a name of its own.
    stack : bool
        Whether a weighted sum of all candidates takes part as well.
    folds : int
        Folds of users: a candidate is trained on all but one of them and judged on that.
    """

    learner: LearnerConfig = LearnerConfig(
        nuisance=NuisanceConfig(outcome=_TREES, propensity=_TREES)
    )
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)] = CANDIDATES
    stack: bool = True
    folds: Annotated[int, Field(ge=2)] = 3


class AutoLearner(Learner[AutoConfig]):
    """The best of several learners by out-of-fold gain, or a simpler one that is as good.

    Candidates share the nuisances. Whatever judges a row, or is judged on it, saw no outcome of
    its user: outcome models are fitted again without each fold, for a learner that was handed the
    noise of a row by way of its outcome models would seem to predict it. The propensity is fitted
    once, as it sees no outcomes. Rows count by e (1 - e), e being the propensity, so that noisy
    scores count least.

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
            Called `AutoLearner.steps` times.

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
        kept = inside(values.propensity, lowest=config.lowest_propensity)
        if not kept.any():
            raise OverlapError(
                expected="rows whose propensity lies in the overlap band",
                came=f"none among {len(rows)} rows",
                do="Explore: show what is shown with some chance, and log its propensity.",
            )
        # Not the folds of the nuisances: without one of those, they would have nothing to fit on.
        fold = user_fold(rows.user, self._config.folds, seed=stage_seed(self._seed, "league"))
        estimates, held_out = self._out_of_fold(rows, fold, values.propensity, advance=advance)
        e = values.propensity[kept]
        judged = Scored(
            scores=held_out.take(kept).scores(rows.treatment[kept], rows.outcome[kept]),
            weight=rows.weight[kept] * e * (1 - e),
            user=rows.user[kept],
            unit=rows.unit[kept],
        )
        best, self.tuned_ = _tune({key: each[kept] for key, each in estimates.items()}, judged)
        entrants = best
        if self._config.stack and len(best) > 1:
            entrants = best | {STACK: _stacked(best, judged, fold[kept])}
        self.league_ = rank_estimates(entrants, judged)
        self.learner_ = self._fit_chosen(rows, values, models, best=best, judged=judged)
        advance()
        return self

    @property
    def steps(self) -> int:
        """How often `fit` says that it advanced."""
        return 2 + self._config.folds

    def _out_of_fold(
        self,
        rows: Rows,
        fold: NDArray[np.int64],
        propensity: Array,
        *,
        advance: Callable[[], None],
    ) -> tuple[dict[tuple[str, float], Array], NuisanceValues]:
        """Predict every row by every candidate at every setting, and its outcomes."""
        found: dict[tuple[str, float], Array] = {}
        arms = np.empty((2, len(rows)))
        for f in range(self._config.folds):
            held, seen = np.flatnonzero(fold == f), np.flatnonzero(fold != f)
            part, features = rows.take(seen), rows.features[held]
            models = Nuisances(config=self._config.learner.nuisance, seed=self._seed)
            models.fit_outcomes(part)
            values = models.predict(part.features, part.user, propensity=propensity[seen])
            arms[:, held] = models.arms(features)
            for candidate in self._config.candidates:
                for setting, guess in self._path(candidate, part, values, models, features):
                    found.setdefault((candidate.name, setting), np.empty(len(rows)))[held] = guess
            advance()
        return found, NuisanceValues(propensity, outcome_control=arms[0], outcome_treated=arms[1])

    def _path(
        self,
        candidate: Candidate,
        rows: Rows,
        values: NuisanceValues,
        models: Nuisances,
        features: NDArray[np.float32],
    ) -> Iterator[tuple[float, Array]]:
        """Yield the estimates at each setting; trees are fitted once for all their stops."""
        if candidate.final is None:
            for setting in candidate.path:
                fitted = self._fit_one(candidate, rows, values, models, setting=setting)
                yield setting, fitted.predict(features).point
            return
        longest = self._fit_one(candidate, rows, values, models, setting=candidate.path[-1])
        assert isinstance(longest, FinalStageLearner)
        assert longest.model_ is not None
        for rounds in candidate.path:
            yield rounds, predict_trees(first_trees(longest.model_, int(rounds)), features)

    def _fit_one(
        self,
        candidate: Candidate,
        rows: Rows,
        values: NuisanceValues,
        models: Nuisances,
        *,
        setting: float,
    ) -> Predicts:
        config, seed = self._config.learner, self._seed
        if candidate.final is not None:
            final = candidate.final.model_copy(update={"rounds": int(setting)})
            staged = config.model_copy(update={"final": final})
            return _STAGES[candidate.learner](config=staged, seed=seed).fit(rows, nuisances=values)
        if candidate.learner == "linear":
            ridge = RidgeLearner(config=config, seed=seed, penalty=setting)
            return ridge.fit(rows, nuisances=values)
        if candidate.learner == "t":
            return TLearner(config=config.nuisance, seed=seed).fit(rows, nuisances=models)
        return ConstantEffect(config=config, seed=seed).fit(rows, nuisances=values)

    def _fit_chosen(
        self,
        rows: Rows,
        values: NuisanceValues,
        models: Nuisances,
        *,
        best: dict[str, Array],
        judged: Scored,
    ) -> Predicts:
        """Fit the winner on all rows; of a stack, the members that have a weight."""
        assert self.league_ is not None
        candidates = {each.name: each for each in self._config.candidates}

        def fitted(name: str) -> Predicts:
            setting = self.tuned_[name]
            return self._fit_one(candidates[name], rows, values, models, setting=setting)

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

    def _estimate(self, features: NDArray[np.float32]) -> Array:
        return self._fitted(self.learner_).predict(features).point


def _tune(
    estimates: dict[tuple[str, float], Array], judged: Scored
) -> tuple[dict[str, Array], dict[str, float]]:
    """Return each candidate's estimates at its best setting, and that setting."""
    loss: dict[str, float] = {}
    best: dict[str, Array] = {}
    tuned: dict[str, float] = {}
    for (name, setting), guess in estimates.items():
        missed = float(np.average(np.square(judged.scores - guess), weights=judged.weight))
        if name not in loss or missed < loss[name]:
            loss[name], best[name], tuned[name] = missed, guess, setting
    return best, tuned


def _stacked(best: dict[str, Array], judged: Scored, fold: NDArray[np.int64]) -> Array:
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
