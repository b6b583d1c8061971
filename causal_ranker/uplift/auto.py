"""The learner that chooses: nuisances once, every candidate out of fold, one winner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.boosting import first_trees, predict_trees
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import OverlapError
from causal_ranker.seeds import stage_seed
from causal_ranker.uplift.base import Rows, UpliftModel
from causal_ranker.uplift.candidates import CANDIDATES, FINAL_STAGES, Candidate
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.final import LearnerConfig, inside
from causal_ranker.uplift.league import League, Scored, rank_estimates
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.nuisance import Nuisances, NuisanceValues
from causal_ranker.uplift.t import TLearner

__all__ = ["AutoConfig", "AutoLearner"]


class AutoConfig(FrozenConfig):
    """Settings of the choice.

    Parameters
    ----------
    learner : LearnerConfig
        Nuisances and overlap of all candidates; its final stage is theirs.
    candidates : tuple of Candidate
        Simplest first, each under a name of its own.
    folds : int
        Folds of users: a candidate is trained on all but one of them and judged on that.
    """

    learner: LearnerConfig = LearnerConfig()
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)] = CANDIDATES
    folds: Annotated[int, Field(ge=2)] = 3


class AutoLearner(Learner[AutoConfig]):
    """The best of several learners by out-of-fold gain, or a simpler one that is as good.

    Every candidate shares the nuisances. Whatever judges a row, or is judged on it, saw no outcome
    of its user: outcome models are fitted again without each fold, for learners that were handed
    the noise of a row by way of its outcome models would seem to predict it. The propensity is
    fitted once, as it sees no outcomes.

    Attributes
    ----------
    league_ : League
        Every candidate with its gain, simplest first.
    rounds_ : dict of str to int
        Rounds at which each final stage was best.
    learner_ : UpliftModel
        The chosen candidate, fitted on all rows.
    """

    league_: League | None = None
    learner_: UpliftModel | None = None

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
        estimates, held_out = self._out_of_fold(rows, values.propensity, advance=advance)
        e = values.propensity[kept]
        judged = Scored(
            scores=held_out.take(kept).scores(rows.treatment[kept], rows.outcome[kept]),
            weight=rows.weight[kept] * e * (1 - e),
            user=rows.user[kept],
            unit=rows.unit[kept],
        )
        best, self.rounds_ = _best_stops(
            {key: guess[kept] for key, guess in estimates.items()}, judged
        )
        self.league_ = rank_estimates(best, judged)
        winner = next(c for c in self._config.candidates if c.name == self.league_.chosen)
        self.learner_ = self._fit_one(
            winner, rows, values, models=models, rounds=self.rounds_.get(winner.name)
        )
        advance()
        return self

    @property
    def steps(self) -> int:
        """How often `fit` says that it advanced."""
        return 2 + self._config.folds

    def _out_of_fold(
        self, rows: Rows, propensity: NDArray[np.float64], *, advance: Callable[[], None]
    ) -> tuple[dict[tuple[str, int], NDArray[np.float64]], NuisanceValues]:
        """Predict every row by every candidate at every stop, and its outcomes, out of its fold."""
        # Not the folds of the nuisances: each of those would leave one arm's models without rows.
        fold = user_fold(rows.user, self._config.folds, seed=stage_seed(self._seed, "league"))
        found: dict[tuple[str, int], NDArray[np.float64]] = {}
        arms = np.empty((2, len(rows)))
        for f in range(self._config.folds):
            held = np.flatnonzero(fold == f)
            seen = np.flatnonzero(fold != f)
            part = rows.take(seen)
            models = Nuisances(config=self._config.learner.nuisance, seed=self._seed)
            models.fit_outcomes(part)
            values = models.predict(part.features, part.user, propensity=propensity[seen])
            features = rows.features[held]
            arms[:, held] = models.arms(features)
            for candidate in self._config.candidates:
                learner = self._fit_one(candidate, part, values, models=models)
                for rounds, guess in _stopped(candidate, learner, features):
                    found.setdefault((candidate.name, rounds), np.empty(len(rows)))[held] = guess
            advance()
        return found, NuisanceValues(propensity, outcome_control=arms[0], outcome_treated=arms[1])

    def _fit_one(
        self,
        candidate: Candidate,
        rows: Rows,
        values: NuisanceValues,
        *,
        models: Nuisances,
        rounds: int | None = None,
    ) -> UpliftModel:
        config = self._config.learner
        if candidate.learner == "constant":
            return ConstantEffect(config=config, seed=self._seed).fit(rows, nuisances=values)
        if candidate.learner == "t":
            return TLearner(config=config.nuisance, seed=self._seed).fit(rows, nuisances=models)
        final = candidate.final.model_copy(update={"rounds": rounds or candidate.final.rounds})
        return FINAL_STAGES[candidate.learner](
            config=config.model_copy(update={"final": final}), seed=self._seed
        ).fit(rows, nuisances=values)

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._fitted(self.learner_).predict(features).point


def _stopped(
    candidate: Candidate, learner: UpliftModel, features: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the estimates at each stop."""
    if not candidate.rounds:
        yield 0, learner.predict(features).point
        return
    model = learner.model_  # type: ignore[attr-defined]
    for rounds in candidate.rounds:
        yield rounds, predict_trees(first_trees(model, rounds), features)


def _best_stops(
    estimates: dict[tuple[str, int], NDArray[np.float64]], judged: Scored
) -> tuple[dict[str, NDArray[np.float64]], dict[str, int]]:
    loss: dict[str, float] = {}
    best: dict[str, NDArray[np.float64]] = {}
    rounds: dict[str, int] = {}
    for (name, stop), guess in estimates.items():
        missed = float(np.average(np.square(judged.scores - guess), weights=judged.weight))
        if name not in loss or missed < loss[name]:
            loss[name], best[name], rounds[name] = missed, guess, stop
    return best, rounds
