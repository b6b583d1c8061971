"""What `auto` chooses from: learners with the settings of their last step, simplest first."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from causal_ranker.boosting import BoostConfig
from causal_ranker.config import FrozenConfig
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import FinalStageLearner
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.x import XLearner

__all__ = ["CANDIDATES", "FINAL_STAGES", "Candidate"]

#: Learners whose last step is a regression, by name.
FINAL_STAGES: Final[dict[str, type[FinalStageLearner]]] = {
    "dr": DRLearner,
    "r": RLearner,
    "x": XLearner,
}


class Candidate(FrozenConfig):
    """A learner, its final stage, and how early that may stop.

    Parameters
    ----------
    learner : {"constant", "t", "dr", "r", "x"}
        One effect for all; the difference of the outcome models; or a final stage.
    final : BoostConfig
        Trees of the final stage, where there is one.
    stops : tuple of float
        Shares of the final stage's rounds after which it is judged; the best one is kept. Trees
        are never changed by later ones, so that stops cost no training.
    """

    learner: Literal["constant", "t", "dr", "r", "x"]
    final: BoostConfig = BoostConfig(rounds=100, learning_rate=0.05, leaves=4, min_rows_leaf=200)
    stops: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (1.0,)

    @property
    def rounds(self) -> tuple[int, ...]:
        """Rounds after which the final stage is judged, ascending; none without such a stage."""
        if self.learner not in FINAL_STAGES:
            return ()
        return tuple(sorted({max(1, round(stop * self.final.rounds)) for stop in self.stops}))

    @property
    def name(self) -> str:
        """What the league calls it."""
        if self.learner not in FINAL_STAGES:
            return self.learner
        kind = "linear" if self.final.linear else "constant"
        return f"{self.learner}, {self.final.leaves} {kind} leaves"


_STOPS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)


def _stage(learner: Literal["dr", "r", "x"], leaves: int, *, linear: bool) -> Candidate:
    final = BoostConfig(
        rounds=200,
        learning_rate=0.05,
        leaves=leaves,
        min_rows_leaf=500,
        feature_share=1.0,
        bins=255,
        linear=linear,
        linear_l2=1.0 if linear else 0.0,
    )
    return Candidate(learner=learner, final=final, stops=_STOPS)


#: The default league, simplest first. Small trees, stopped early, beat large ones on effects,
#: which are faint beside the noise of their scores; linear leaves follow smooth effects.
CANDIDATES: Final[tuple[Candidate, ...]] = (
    Candidate(learner="constant"),
    _stage("r", 2, linear=True),
    _stage("r", 4, linear=False),
    _stage("dr", 4, linear=False),
    _stage("x", 4, linear=False),
    _stage("r", 4, linear=True),
    _stage("x", 4, linear=True),
    Candidate(learner="t"),
)
