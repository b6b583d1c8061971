"""`CausalRanker`: the whole chain in five lines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import ibis
from rich.console import Console
from sklearn.base import BaseEstimator

from causal_ranker.chain.base import filled_blocks
from causal_ranker.chain.blocks import BlockReader
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.infer import infer_features
from causal_ranker.chain.latest import latest_block
from causal_ranker.chain.logs import (
    LabelledLogs,
    Logs,
    check_later,
    check_whole,
    connection_of,
    label_logs,
    last_event,
    read_checked,
    read_logs,
)
from causal_ranker.chain.publish import bundle_contents
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
from causal_ranker.serving.adapter import RerankedList, rerank
from causal_ranker.serving.bundle import Bundle, load_bundle, publish_bundle
from causal_ranker.serving.counts import Counts
from causal_ranker.uplift.checkpoint import Checkpoint

__all__ = ["CausalRanker"]


class CausalRanker(BaseEstimator):  # type: ignore[misc]
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
        ``base_score`` of the candidates.
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

    _bundle: Bundle | None = None

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
            logs = self._read(impressions, plays, candidates, users=users, items=items)
            self.config_ = self.config or ChainConfig(
                features=infer_features(logs.candidates, users=logs.users, items=logs.items)
            )
            self._log_end = log_end or last_event(logs.plays, logs.candidates)
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
        self._candidates, self._now = logs.candidates, self._log_end
        self._summary: dict[str, Any] = {}
        self._bundle = None
        self.counts_ = Counts()
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
            Sections to append: assumptions, sensitivity, how to reproduce.

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
            logs = self._read(impressions, plays, candidates, items=self._history.items)
            check_later(logs, than=self._log_end)
            end = log_end or last_event(logs.plays, logs.candidates)
            labelled = self._label(logs, end)
            history = self._history.followed_by(labelled.history)
            reader = BlockReader(
                self._connection,
                rows=labelled.dataset.table,
                requests=labelled.requests,
                history=history,
                config=self.config_.features,
                levels=self.trained_.levels,
            )
            kinds = labelled.dataset.kinds()
        spans = reader.spans(block_rows=self.config_.block_rows)
        with self.stages_.stage("Scoring every candidate", total=len(spans)) as advance:
            self.lists_ = lists = self.trained_.scorer.score(
                filled_blocks(reader, spans, base=self.trained_.scorer.base),
                rankings=compared(self.trained_, config=self.config_.features, seed=self.seed),
                k=self.k,
                curve_rate=self.config_.curve_rate,
                rng=stage_rng(self.seed, "curves"),
                advance=advance,
            )
        with self.stages_.stage("Evaluation"):
            report = make_report(
                lists,
                self.trained_,
                kinds=kinds,
                k=self.k,
                config=self.config_,
                seed=self.seed,
                title=title,
                outcome=outcome,
                background=background,
            )
        self._known, self._candidates, self._now = history, logs.candidates, end
        self._bundle = None
        self._summary = summary(report, policy=self.policy_name_)
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
        choose_from = self.trained_.window[1]
        late = logs.candidates[C.T0] >= ibis.literal(report_from)
        with self.stages_.stage("Another treatment: labels"):
            earlier = self._label(logs, choose_from)
            late_logs = replace(logs, candidates=logs.candidates.filter(late))
            later = self._label(late_logs, log_end)
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

    def rerank(
        self,
        user_id: int | str,
        candidates: Iterable[tuple[int | str, float]] | None = None,
        *,
        k: int | None = None,
        columns: Mapping[str, Sequence[float | str | None]] | None = None,
    ) -> RerankedList:
        """Order one user's candidates by the frozen policy.

        Parameters
        ----------
        user_id : int or str
            The user.
        candidates : iterable of (item_id, base_score), optional
            What the base recommender offers. If left out, the built-in base ranker scores the
            user's candidates of the last request, or every item for an unknown user.
        k : int, optional
            Longest list to return.
        columns : mapping of str to sequence, optional
            What rules of the policy read, where the request knows better than the snapshot.

        Returns
        -------
        RerankedList
            Items with base score, uplift and rank; the base order where the user is unknown.

        Raises
        ------
        NotFittedError
            If there is no model.
        UnknownUserError
            If the user is unknown, no candidates are given, and the ranker holds no built-in base.
        ConfigError, DataError
            If an argument cannot be (see `causal_ranker.serving.adapter.rerank`).
        """
        offered = None if candidates is None else list(candidates)
        return rerank(self._serving(), user_id, candidates=offered, k=k, columns=columns)

    def known_users(self) -> list[int | str]:
        """Return the users that `rerank` knows without being given candidates.

        Returns
        -------
        list of int or str
            Ids in ascending order.

        Raises
        ------
        NotFittedError
            If there is no model.
        """
        users: list[int | str] = self._serving().snapshot.users.ids.tolist()
        return users

    def save(self, path: str | Path, *, candidates: Any = None, at: datetime | None = None) -> Path:
        """Publish models, policy and a feature snapshot as a bundle.

        Parameters
        ----------
        path : str or Path
            Folder of the bundle.
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
            If the folder cannot be written or is something else.
        """
        self._check_fitted()
        listed = self._candidates
        if candidates is not None:
            listed, quarantine = read_checked(
                self._connection, candidates, name="candidates", config=self.config_
            )
            self.quarantines_ += () if quarantine is None else (quarantine,)
        with self.stages_.stage("Publishing"):
            block = latest_block(
                self._connection,
                listed,
                at=at or self._now,
                history=self._known,
                config=self.config_.features,
                levels=self.trained_.levels,
            )
            contents = bundle_contents(
                self.trained_, block, config=self.config_.features, evaluation=self._summary
            )
            folder = publish_bundle(path, contents=contents)
        self._bundle = replace(load_bundle(folder), counts=self.counts_)
        return folder

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Open a published bundle, for `rerank` only.

        Parameters
        ----------
        path : str or Path
            Folder of the bundle.

        Returns
        -------
        CausalRanker
            A ranker that serves; to evaluate, fit one.

        Raises
        ------
        BundleError
            If the folder is not a bundle, or a file was changed.
        """
        ranker = cls()
        ranker._bundle = load_bundle(path)
        ranker.counts_ = ranker._bundle.counts
        return ranker

    def _read(self, impressions: Any, plays: Any, candidates: Any, **facts: Any) -> Logs:
        logs = read_logs(
            self._connection,
            impressions=impressions,
            plays=plays,
            candidates=candidates,
            config=self.config,
            **facts,
        )
        check_whole(logs)
        self.quarantines_ += logs.quarantines
        return logs

    def _label(self, logs: Logs, log_end: datetime) -> LabelledLogs:
        return label_logs(
            self._connection,
            logs,
            log_end=log_end,
            horizon_hours=self.horizon_hours,
            config=self.config_,
        )

    def _serving(self) -> Bundle:
        """Return the bundle that answers; a fitted ranker publishes one for itself."""
        if self._bundle is None:
            self._check_fitted()
            with tempfile.TemporaryDirectory() as folder:
                self.save(Path(folder) / "bundle")
        assert self._bundle is not None
        return self._bundle

    def _check_fitted(self) -> None:
        if not hasattr(self, "trained_"):
            raise NotFittedError(
                expected="a fitted CausalRanker",
                came="one without models" if self._bundle is None else "one that was loaded",
                do="Call fit(impressions, plays, candidates=...); a loaded one only reranks.",
            )
