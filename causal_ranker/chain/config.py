"""All settings of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.boosting import BoostConfig
from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.evaluation.refute.material import RefuteConfig
from causal_ranker.features.config import FeatureConfig
from causal_ranker.reranking.description import policy_from_dict
from causal_ranker.uplift.candidates import Candidate, check_league
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.intervals import HalfSampleConfig

__all__ = ["ChainConfig", "ColdConfig"]

_Rate = Annotated[float, Field(gt=0, le=1)]


class ColdConfig(FrozenConfig):
    """Which items are cold, for candidate logs that do not say it themselves (``is_cold``).

    Parameters
    ----------
    days : float
        How long an item is cold: from ``available_from`` of the item table on, or else from its
        first impression or play. Items that were already there in the first `days` of the logs
        count as warm.
    """

    days: Annotated[float, Field(gt=0)] = 7.0


class ChainConfig(FrozenConfig):
    """Settings from logs to policy; each has a default that fits a first run.

    Parameters
    ----------
    attribution : AttributionConfig
        Windows and touch model of credits.
    features : FeatureConfig
        As-of features.
    dr : LearnerConfig
        Nuisances, overlap and, for a learner that is named, its final stage.
    candidates : tuple of Candidate
        What ``learner="auto"`` chooses from on the choosing rows, simplest first and one effect
        for all before the others, each under a name of its own (learner, number and kind of
        leaves): the best one by doubly robust gain, or the simplest that is no more than a
        standard error behind.
    intervals : HalfSampleConfig, optional
        Half-sample intervals of the effects that are served, for learners that have them
        ("constant", "dr", "r", "x"; what they cover is told in `causal_ranker.uplift.intervals`).
        A published model then says them with each uplift, and its lists can be drawn by Thompson
        sampling. None by default: they cost a final stage for each draw (three where T was
        assigned at another unit than the user), and a second prediction for each list.
    base_trials : tuple of BoostConfig
        Settings the built-in base ranker tries on the choosing rows, by log-loss.
    base_stops : tuple of float
        Shares of each trial's trees after which it is judged, too. Trials times stops must be at
        least the settings of `candidates` plus `blend_weights`, which is what the causal layer
        tries on those rows.
    thin : bool
        Train on rows of each user and item whose horizons do not overlap (see
        `causal_ranker.labels.thinning`), so that no play is the outcome of two of them. Lists are
        judged whole.
    user_share : float
        Share of the users whose rows train and choose, by a salted hash; histories and
        evaluation always use everyone.
    zero_rate, zero_rate_with_history : float
        Share of training rows with Y = 0 that are kept: for pairs the user never played, and for
        those played before t0. Both become weights.
    propensity_rate : float
        Share of the training rows, drawn evenly, from which the propensity is learned.
    choose_days : int, optional
        The last days of the fit logs, kept for choosing settings and policy; the last fifth of
        their time by default.
    base_first_days, base_refit_days : int
        Days of log before the built-in base ranker first speaks, and between its refits.
    policy : dict, optional
        A policy as its JSON object (see `causal_ranker.reranking.description`), list rules
        included, in the place of what ``policy="auto"`` would choose; a policy that the ranker is
        given goes before it.
    blend_weights : tuple of float
        Weights of uplift that the blend policy tries on the choosing rows.
    curve_rate : float
        Share of report rows, drawn evenly, on which curves, calibration and balance stand.
    cold : ColdConfig, optional
        Flag cold items as the feature ``is_cold``, which rules of the policy can protect, and tell
        of cold and warm items apart in the report. `row_numbers` of the features has to name it.
    refute : RefuteConfig
        What the report tries against itself ("Can this be false?"), and on how many rows.
    unique_candidates : bool
        The candidate logs are unique in user, item and t0 by construction (a cross join, say):
        leave out the search for duplicates, which takes time and memory by the row.
    on_bad_rows : {"raise", "quarantine"}
        Refuse a log with a row that breaks its contract, or set such rows aside with their reasons.
    quarantine_folder : Path
        Where rows set aside are written: one Parquet file for each table that has any.
    engine_threads : int, optional
        Threads of the embedded engine where the ranker opens it; all cores by default.
    engine_memory : str, optional
        Its memory, e.g. ``"2GB"``; what does not fit spills to disk. Models need memory beside it.
    block_rows : int
        Candidate rows scored at a time: decides memory. The random policy and the curve sample are
        drawn block by block, so another size draws them anew.
    """

    attribution: AttributionConfig = AttributionConfig()
    features: FeatureConfig = FeatureConfig()
    dr: LearnerConfig = LearnerConfig()
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)] = (
        Candidate(learner="constant"),
        Candidate(
            learner="r",
            final=BoostConfig(rounds=40, leaves=4, min_rows_leaf=2000, linear=True),
            stops=(0.5, 1.0),
        ),
        *(
            Candidate(learner="dr", final=final, stops=(0.5, 1.0))
            for final in (
                BoostConfig(rounds=40, learning_rate=0.12, leaves=8, min_rows_leaf=2000),
                BoostConfig(rounds=40, learning_rate=0.12, leaves=16, min_rows_leaf=1000),
                BoostConfig(rounds=40, learning_rate=0.12, leaves=31, min_rows_leaf=500),
            )
        ),
    )
    intervals: HalfSampleConfig | None = None
    base_trials: Annotated[tuple[BoostConfig, ...], Field(min_length=1)] = (
        BoostConfig(rounds=45, learning_rate=0.15, leaves=15, l2=200.0),
        BoostConfig(rounds=45, learning_rate=0.15, leaves=31, l2=200.0),
        BoostConfig(rounds=45, learning_rate=0.15, leaves=63, l2=200.0),
    )
    base_stops: Annotated[tuple[_Rate, ...], Field(min_length=1)] = (0.25, 0.5, 0.75, 1.0)
    thin: bool = False
    user_share: _Rate = 1.0
    zero_rate: _Rate = 1.0
    zero_rate_with_history: _Rate = 1.0
    propensity_rate: _Rate = 1.0
    choose_days: Annotated[int, Field(ge=1)] | None = None
    base_first_days: Annotated[int, Field(ge=1)] = 56
    base_refit_days: Annotated[int, Field(ge=1)] = 49
    policy: dict[str, Any] | None = None
    blend_weights: Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=1)
    ] = (0.25, 0.5, 0.75)
    curve_rate: _Rate = 1.0
    cold: ColdConfig | None = None
    refute: RefuteConfig = RefuteConfig()
    unique_candidates: bool = False
    on_bad_rows: Literal["raise", "quarantine"] = "raise"
    quarantine_folder: Path = Path("quarantine")
    engine_threads: Annotated[int, Field(ge=1)] | None = None
    engine_memory: str | None = None
    block_rows: Annotated[int, Field(ge=1)] = 1_200_000

    @model_validator(mode="after")
    def _check_candidates(self) -> ChainConfig:
        check_league(self.candidates)
        return self

    @model_validator(mode="after")
    def _check_cold(self) -> ChainConfig:
        if self.cold is not None and C.IS_COLD not in self.features.row_numbers:
            raise ConfigError(
                expected=f"'{C.IS_COLD}' among row_numbers of the features, as cold is set",
                came=", ".join(map(repr, self.features.row_numbers)) or "none",
                do="Add it: models and rules read it as any other column of the candidates.",
            )
        return self

    @model_validator(mode="after")
    def _check_policy(self) -> ChainConfig:
        if self.policy is not None:
            policy_from_dict(self.policy)
        return self

    @model_validator(mode="after")
    def _check_budgets(self) -> ChainConfig:
        base, causal = (
            # Stops that come to the same number of trees are one trial.
            sum(
                len({max(1, round(stop * trees.rounds)) for stop in self.base_stops})
                for trees in self.base_trials
            ),
            sum(len(each.path) for each in self.candidates) + len(self.blend_weights),
        )
        if base < causal:
            raise ConfigError(
                expected="base_trials times base_stops at least the settings of candidates plus "
                "blend_weights, so that the causal layer is not tuned harder than the base",
                came=f"{base} and {causal}",
                do="Give the base more trials or stops, or the causal layer fewer.",
            )
        return self
