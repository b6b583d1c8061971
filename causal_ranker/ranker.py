"""`CausalRanker`: the whole chain in five lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from rich.console import Console
from sklearn.base import BaseEstimator

from causal_ranker.chain.answers import Answers
from causal_ranker.chain.arrivals import Arrivals
from causal_ranker.chain.base import filled_blocks
from causal_ranker.chain.blocks import BlockReader
from causal_ranker.chain.cold import WithColdItems, with_cold_candidates
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.infer import infer_features
from causal_ranker.chain.latest import latest_block
from causal_ranker.chain.logs import (
    LabelledLogs,
    Logs,
    connection_of,
    label_logs,
    read_checked,
    read_logs,
)
from causal_ranker.chain.origin import Origin
from causal_ranker.chain.publish import bundle_contents
from causal_ranker.chain.reach import check_later, check_whole, last_event
from causal_ranker.chain.report import compared, make_report, summary
from causal_ranker.chain.sensitivity import Reassessment, reassess
from causal_ranker.chain.settings import PolicySetting, check_settings, chosen_policy
from causal_ranker.chain.train import Trained, train
from causal_ranker.columns import Columns as C
from causal_ranker.errors import NotFittedError
from causal_ranker.evaluation.report import Report
from causal_ranker.logs.quarantine import Quarantine
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.reporting.blocks import Section
from causal_ranker.reporting.progress import Stages
from causal_ranker.reranking.description import policy_name
from causal_ranker.seeds import stage_rng
from causal_ranker.serving.bundle import BundleContents, load_bundle
from causal_ranker.serving.counts import Counts
from causal_ranker.serving.registry import Registry, check_target
from causal_ranker.uplift.checkpoint import Checkpoint

__all__ = ["CausalRanker"]


class CausalRanker(Answers, BaseEstimator):  # type: ignore[misc]
    """Re-rank any recommender by the plays that showing an item causes.

    Parameters
    ----------
    learner : str
        "auto", the best of several learners on the last days of the logs or a simpler one that is
        as good; or a name of `causal_ranker.uplift.factory.LEARNERS`.
    policy : {"auto", "uplift", "blend", "base"}, Policy, ChainedPolicy or mapping
        The policy, or its JSON object; "auto" for that of `config`, or else for the best of uplift
        and blends on the last days of the logs.
    base : BaseRecommender, "boosted" or None
        The base recommender; "boosted" trains the built-in one; None reads the column
        ``base_score`` of the candidates. One with cold items beside its own is
        `causal_ranker.chain.cold.WithColdItems`.
    k : int
        Slots of a slate.
    horizon_hours : float or None
        Length of the horizon; None where the candidates have a ``horizon_end``.
    config : ChainConfig or None
        Everything else; None for defaults and all covariates of the tables.
    seed : int
        Seed of the run.
    progress : bool
        Whether to draw progress bars.
    checkpoint : str, Path or None
        Folder in which `fit` keeps its nuisances: run again after an interruption, on the same
        logs and with the same settings, it does not fit them again.

    Attributes
    ----------
    trained_ : Trained
        Models and policy, after `fit`.
    config_ : ChainConfig
        Settings in force, after `fit`.
    stages_ : Stages
        Seconds of each stage.
    lists_ : ScoredLists
        The rows that the last `evaluate` stood on.
    counts_ : Counts
        Lists that `rerank` was asked for since `fit` or `load`, and by reason those in base order.
    checkpoint_ : Checkpoint or None
        Which nuisances came from the folder of `checkpoint`, and which were fitted.
    quarantines_ : tuple of Quarantine
        Rows that were set aside, where the config asks for that instead of a refusal.
    """

    _summary: Mapping[str, Any]

    def __init__(
        self,
        *,
        learner: str = "auto",
        policy: PolicySetting = "auto",
        base: BaseRecommender | Literal["boosted"] | None = None,
        k: int = 10,
        horizon_hours: float | None = None,
        config: ChainConfig | None = None,
        seed: int = 0,
        progress: bool = False,
        checkpoint: str | Path | None = None,
    ) -> None:
        self.learner = learner
        self.policy = policy
        self.base = base
        self.k = k
        self.horizon_hours = horizon_hours
        self.config = config
        self.seed = seed
        self.progress = progress
        self.checkpoint = checkpoint

    def fit(
        self,
        impressions: Any,
        plays: Any,
        *,
        candidates: Any,
        users: Any = None,
        items: Any = None,
        log_end: datetime | None = None,
    ) -> Self:
        """Learn from logs.

        Parameters
        ----------
        impressions, plays, candidates : path, pandas, Polars, Arrow or Ibis table
            The logs (see `causal_ranker.logs.contract`).
        users, items : same, optional
            Covariates by user and by item.
        log_end : datetime, optional
            End of the logs, the last event by default; later horizons are censored.

        Returns
        -------
        CausalRanker
            Itself.

        Raises
        ------
        ConfigError
            If a setting is not one of those above.
        DataError
            If a log breaks its contract.
        OverlapError
            If what was shown is (nearly) determined by the features.
        """
        check_settings(self.get_params(deep=False))
        self.checkpoint_ = None if self.checkpoint is None else Checkpoint(self.checkpoint)
        self._connection = connection_of(candidates, impressions, plays, config=self.config)
        self.stages_ = Stages(Console(stderr=True) if self.progress else None)
        with self.stages_.stage("Logs, attribution and labels"):
            self.quarantines_: tuple[Quarantine, ...] = ()
            read = self._read(impressions, plays, candidates, users=users, items=items)
            logs, self._arrivals = self._flagged(read)
            self.config_ = self.config or ChainConfig(
                features=infer_features(logs.candidates, users=logs.users, items=logs.items)
            )
            self._log_end = log_end or last_event(logs.plays, logs.candidates)
            self._origin = Origin.of_fit(self, logs, log_end=self._log_end)
            labelled = self._label(logs, self._log_end)
        self.trained_: Trained = train(
            self._connection,
            labelled,
            base=self.base,
            learner=self.learner,
            policy=chosen_policy(self.policy, self.config),
            k=self.k,
            log_end=self._log_end,
            config=self.config_,
            seed=self.seed,
            stages=self.stages_,
            checkpoint=self.checkpoint_,
        )
        self._history = self._known = labelled.history
        self._candidates, self._now = read.candidates, self._log_end
        self._arrived = self._arrivals
        self._bundle, self._summary, self.counts_ = None, {}, Counts()
        return self

    def evaluate(
        self,
        impressions: Any,
        plays: Any,
        *,
        candidates: Any,
        log_end: datetime | None = None,
        title: str = "Causal Ranker report",
        outcome: str = "plays",
        background: Sequence[Section] = (),
    ) -> Report:
        """Judge the frozen policy on later logs.

        Parameters
        ----------
        impressions, plays, candidates : path, pandas, Polars, Arrow or Ibis table
            Logs that begin where those of `fit` end. Their plays become history for features,
            always strictly before the row's t0. Each call starts from the logs of `fit` alone, so
            the same logs give the same report again.
        log_end : datetime, optional
            End of these logs; the last event by default.
        title : str
            Title of the report.
        outcome : str
            What one outcome is called, in the plural.
        background : sequence of Section
            Sections to append: assumptions, sensitivity, another account of how to reproduce.

        Returns
        -------
        Report
            Verdict, tables and curves.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        DataError
            If a log breaks its contract.
        OverlapError
            If no candidate had a chance in both arms.
        """
        self._check_fitted()
        with self.stages_.stage("Labels of the report"):
            # The items of `fit` say what could be played.
            read = self._read(impressions, plays, candidates, items=self._history.items)
            check_later(read, than=self._log_end)
            logs, arrivals = self._flagged(read, before=self._arrivals)
            end = log_end or last_event(logs.plays, logs.candidates)
            origin = self._origin.sections(self, logs, log_end=end, title=title, outcome=outcome)
            labelled = self._label(logs, end)
            history = self._history.followed_by(labelled.history)
            reader = BlockReader.of(
                self._connection,
                labelled,
                history=history,
                config=self.config_.features,
                levels=self.trained_.levels,
            )
        spans = reader.spans(block_rows=self.config_.block_rows)
        with self.stages_.stage("Scoring every candidate", total=len(spans)) as advance:
            self.lists_ = lists = self.trained_.scorer.score(
                filled_blocks(reader, spans, base=self.trained_.scorer.base),
                rankings=compared(self.trained_, config=self.config_.features, seed=self.seed),
                k=self.k,
                curve_rate=self.config_.curve_rate,
                rng=stage_rng(self.seed, "curves"),
                totals=labelled.totals,
                hold=self.config_.refute.held,
                cold=None if arrivals is None else self.config_.features.names.index(C.IS_COLD),
                advance=advance,
            )
        report = make_report(
            lists,
            self.trained_,
            labelled=labelled,
            before=self._history,
            logs=logs,
            history=history,
            k=self.k,
            config=self.config_,
            seed=self.seed,
            title=title,
            outcome=outcome,
            background=[*background, *origin],
            stages=self.stages_,
            arrivals=arrivals,
        )
        self._known, self._candidates, self._now = history, read.candidates, end
        self._arrived = arrivals
        self._bundle, self._summary = None, summary(report, policy=self.policy_name_)
        return report

    def reassess(
        self,
        impressions: Any,
        plays: Any,
        *,
        candidates: Any,
        report_from: datetime,
        log_end: datetime,
    ) -> Reassessment:
        """Judge the frozen lists under another definition of the treatment.

        Call it after `evaluate`, whose history it uses.

        Parameters
        ----------
        impressions, candidates : path, pandas, Polars, Arrow or Ibis table
            Logs of the whole time, training and report, in which ``shown`` says what the other
            treatment is; they may hold some of the users only.
        plays : same
            All plays.
        report_from, log_end : datetime
            Begin of the report and end of the logs.

        Returns
        -------
        Reassessment
            Average effect and paired difference under the other treatment.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        self._check_fitted()
        logs = self._read(impressions, plays, candidates, items=self._history.items)
        logs, _ = self._flagged(logs, before=self._arrivals)
        with self.stages_.stage("Another treatment: labels"):
            earlier = self._label(logs, self.trained_.window[1])
            later = self._label(logs.since(report_from), log_end)
        return reassess(
            self._connection,
            self.trained_,
            earlier=earlier,
            later=later,
            history=self._known,
            config=self.config_,
            k=self.k,
            seed=self.seed,
            stages=self.stages_,
        )

    @property
    def policy_name_(self) -> str:
        """Name of the frozen policy in the report: uplift, blend or base, and its rules."""
        self._check_fitted()
        return policy_name(self.trained_.policy)

    def save(self, path: str | Path, *, candidates: Any = None, at: datetime | None = None) -> Path:
        """Publish models, policy and a feature snapshot in a registry; they answer from then on.

        Parameters
        ----------
        path : str or Path
            Folder of the registry, made where it is missing. Earlier versions stay in it.
        candidates : path, pandas, Polars, Arrow or Ibis table, optional
            Candidate log whose last request per user is described; by default the latest seen.
        at : datetime, optional
            Moment of the snapshot; the end of the latest logs by default.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        BundleError
            If the folder cannot be written or is something else, or what was trained does not
            score in a process of its own.
        """
        self._check_fitted()
        registry = Registry(check_target(path))
        contents = self._contents(candidates, at=at)
        with self.stages_.stage("Publishing"):
            version = registry.publish(contents)
        self._bundle = replace(load_bundle(registry.path_of(version)), counts=self.counts_)
        return registry.root

    @classmethod
    def load(cls, path: str | Path, *, base: BaseRecommender | None = None) -> Self:
        """Open a published model, for `rerank` only.

        Parameters
        ----------
        path : str or Path
            Folder of a registry, whose current version is opened, or of one bundle.
        base : BaseRecommender, optional
            Whom `rerank` asks for candidates where none are given.

        Returns
        -------
        CausalRanker
            A ranker that serves; to evaluate, fit one.

        Raises
        ------
        BundleError
            If the folder is neither, or a file was changed.
        ConfigError
            If `base` has no method candidates.
        """
        ranker = cls(base=base)
        check_settings(ranker.get_params(deep=False))
        ranker._bundle = load_bundle(path)
        ranker.counts_ = ranker._bundle.counts
        return ranker

    def _contents(self, candidates: Any = None, *, at: datetime | None = None) -> BundleContents:
        """Describe the latest requests, and collect what a bundle holds."""
        self._check_fitted()
        listed = self._candidates
        if candidates is not None:
            listed, quarantine = read_checked(
                self._connection, candidates, name="candidates", config=self.config_
            )
            self.quarantines_ += () if quarantine is None else (quarantine,)
        features, now = self.config_.features, at or self._now
        if isinstance(self.base, WithColdItems):
            listed = with_cold_candidates(listed, self.base)
        if self._arrived is not None:
            listed = self._arrived.flag(listed, at=now)
        with self.stages_.stage("Features of the latest requests"):
            block = latest_block(
                self._connection,
                listed,
                at=now,
                history=self._known,
                config=features,
                levels=self.trained_.levels,
            )
            told = self._summary
            return bundle_contents(self.trained_, block, config=features, evaluation=told)

    def _read(self, impressions: Any, plays: Any, candidates: Any, **facts: Any) -> Logs:
        tables = {"impressions": impressions, "plays": plays, "candidates": candidates, **facts}
        logs = read_logs(self._connection, config=self.config, **tables)
        check_whole(logs)
        self.quarantines_ += logs.quarantines
        return logs

    def _flagged(
        self, logs: Logs, *, before: Arrivals | None = None
    ) -> tuple[Logs, Arrivals | None]:
        """Say which candidates are cold, where the config asks for it."""
        cold = None if self.config is None else self.config.cold
        if cold is None:
            return logs, None
        arrivals = Arrivals.of(self._connection, logs, days=cold.days, before=before)
        return replace(logs, candidates=arrivals.flag(logs.candidates)), arrivals

    def _label(self, logs: Logs, log_end: datetime) -> LabelledLogs:
        return label_logs(
            self._connection,
            logs,
            log_end=log_end,
            horizon_hours=self.horizon_hours,
            config=self.config_,
        )

    def _check_fitted(self) -> None:
        if not hasattr(self, "trained_"):
            raise NotFittedError(
                expected="a fitted CausalRanker",
                came="one without models" if self._bundle is None else "one that was loaded",
                do="Call fit(impressions, plays, candidates=...); a loaded one only reranks.",
            )
