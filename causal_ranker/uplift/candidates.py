"""What `auto` chooses from: learners with the settings of their last step, simplest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from causal_ranker.boosting import BoostConfig
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError

__all__ = ["CANDIDATES", "Candidate", "Stage", "check_league"]

#: Learners whose last step regresses pseudo-outcomes on trees.
Stage = Literal["dr", "r", "x"]
_STAGES: Final = ("dr", "r", "x")


class Candidate(FrozenConfig):
    """A learner, and how much its last step may learn.

    Parameters
    ----------
    learner : {"constant", "score", "linear", "t", "dr", "r", "x"}
        One effect for all; one feature, taken for an estimate and recalibrated (see
        `causal_ranker.uplift.score`); an R-learner that is linear in the features; the difference
        of the outcome models; or a final stage of trees.
    final : BoostConfig, optional
        Trees of the final stage, where there is one.
    stops : tuple of float
        Shares of the final stage's rounds after which it is judged; the best one is kept. Trees
        are never changed by later ones, so that stops cost no training.
    penalties : tuple of float
        Penalties of the linear effect to try; the best one is kept.
    column : str, optional
        The feature that is the estimate, e.g. an earlier model's score.
    """

    learner: Literal["constant", "score", "linear", "t", "dr", "r", "x"]
    final: BoostConfig | None = None
    stops: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    penalties: tuple[Annotated[float, Field(ge=0)], ...] = ()
    column: str | None = None

    @model_validator(mode="after")
    def _settings_fit_the_learner(self) -> Self:
        wanted = {"final": self.learner in _STAGES, "stops": self.learner in _STAGES}
        wanted |= {"penalties": self.learner == "linear", "column": self.learner == "score"}
        wrong = [name for name, there in wanted.items() if bool(getattr(self, name)) != there]
        if wrong:
            needs = " and ".join(name for name, there in wanted.items() if there)
            raise ConfigError(
                expected=f"a candidate '{self.learner}' with {needs or 'no settings'}",
                came=f"{', '.join(wrong)} that it lacks or has no use for",
                do="Give each candidate its own settings, and no others.",
            )
        return self

    @property
    def path(self) -> tuple[float, ...]:
        """Rounds or penalties at which it is judged; a single 0 where there is nothing to try."""
        if self.final is not None:
            rounds = self.final.rounds
            return tuple(sorted({max(1, round(stop * rounds)) for stop in self.stops}))
        return self.penalties or (0,)

    @property
    def name(self) -> str:
        """What the league calls it."""
        if self.column is not None:
            return f"score, {self.column}"
        if self.final is None:
            return self.learner
        kind = "linear" if self.final.linear else "constant"
        return f"{self.learner}, {self.final.leaves} {kind} leaves"


def check_league(candidates: Sequence[Candidate]) -> None:
    """Refuse candidates that a league could not tell apart, or that all claim to differ by row.

    Parameters
    ----------
    candidates : sequence of Candidate
        Those of one league.

    Raises
    ------
    ConfigError
        If two have the same name, as estimates are kept by name and one would stand for both; or
        if the first is not one effect for all, to which each of the others must be preferred.
    """
    if candidates[0].learner != "constant":
        raise ConfigError(
            expected="candidates that begin with one effect for all, the simplest of them",
            came=f"{candidates[0].name!r} as the first of {len(candidates)}",
            do="Put Candidate(learner='constant') first: effects need not differ at all.",
        )
    names = [each.name for each in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            expected="candidates that differ in learner, column, number or kind of leaves",
            came=f"several called {', '.join(map(repr, twice))}",
            do="Leave all but one of them out, or give them other numbers of leaves.",
        )


def _stage(learner: Stage, *, linear: bool) -> Candidate:
    final = BoostConfig(
        rounds=200,
        learning_rate=0.05,
        leaves=4,
        min_rows_leaf=500,
        feature_share=1.0,
        bins=255,
        linear=linear,
        linear_l2=1.0 if linear else 0.0,
    )
    stops = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
    return Candidate(learner=learner, final=final, stops=stops)


#: The default league, simplest first. Small trees that stop early beat large ones on effects,
#: which are faint beside the noise of their scores; linear leaves follow smooth effects.
CANDIDATES: Final[tuple[Candidate, ...]] = (
    Candidate(learner="constant"),
    Candidate(learner="linear", penalties=(30.0, 300.0, 3_000.0, 30_000.0)),
    _stage("r", linear=False),
    _stage("dr", linear=False),
    _stage("r", linear=True),
    _stage("x", linear=True),
    Candidate(learner="t"),
)
