"""A service without HTTP: always a list within the deadline, and nothing lost that was promised."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import cache, partial
from typing import Final

from causal_ranker.errors import (
    ConfigError,
    EmptyError,
    LogUnavailableError,
    OverloadedError,
    UnknownUserError,
)
from causal_ranker.reranking.description import policy_to_dict
from causal_ranker.reranking.explore import in_holdout
from causal_ranker.serving.asked import Asked
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.counts import FallbackReason
from causal_ranker.serving.deadline import CallLateError, QueueFullError
from causal_ranker.serving.explain import explain_item
from causal_ranker.serving.intake import check_ids, take
from causal_ranker.serving.live import LiveModel, LiveModels, ModelSource
from causal_ranker.serving.metrics import ServiceMetrics
from causal_ranker.serving.ranking import Ranked, base_list, rank_request, snapshot_list
from causal_ranker.serving.recording import RecordSink, event_records, is_written
from causal_ranker.serving.shadow import Shadow
from causal_ranker.serving.slate import Draws, Slate, make_slate
from causal_ranker.serving.wire import (
    MOST_USERS,
    EventsAnswer,
    EventsRequest,
    ExplainAnswer,
    ExplainRequest,
    Play,
    RerankAnswer,
    RerankRequest,
    UsersAnswer,
    VersionAnswer,
)

__all__ = ["Service"]

_log = logging.getLogger(__name__)

#: Reasons that are a model's own fault.
_FAULTS: Final = frozenset(
    {
        "feature_store_error",
        "base_model_error",
        "model_error",
        "model_not_finite",
        "model_wrong_length",
        "interval_error",
        "deadline",
    }
)


class Service:
    """Answers requests for lists from one event loop; models run in threads beside it.

    Parameters
    ----------
    models : Registry or Bundle
        Where the versions come from: a registry is followed, one bundle never changes.
    config : ServeConfig
        Deadline, bounds, exploration, canary and shadow.
    log : DecisionLog, optional
        Where decisions and events are written down. Whoever made it closes it.

    Attributes
    ----------
    metrics : ServiceMetrics
        What is counted and timed.

    Raises
    ------
    ConfigError
        If the settings do not go together: exploration without a log, Thompson draws from one
        bundle without intervals, a canary or a shadow without a registry.
    """

    def __init__(
        self,
        models: ModelSource | Bundle,
        *,
        config: ServeConfig = ServeConfig(),  # noqa: B008
        log: RecordSink | None = None,
    ) -> None:
        if config.exploration is not None and log is None:
            raise ConfigError(
                expected="a decision log, where lists are drawn to learn from",
                came="exploration without one",
                do="Give the service a log, or do not explore.",
            )
        self.metrics = ServiceMetrics()
        # To look a labelled counter up costs more than to count; there is one for each role and
        # each outcome.
        self._requests = cache(self.metrics.requests.labels)
        self._decisions = cache(self.metrics.decisions.labels)
        self._config = config
        self._log = log
        self._models = LiveModels(models, config=config, metrics=self.metrics)
        self._shadow = Shadow(metrics=self.metrics, log=log)
        self._follower: asyncio.Task[None] | None = None
        self._stopping = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.metrics.watch(
            waiting=lambda: sum(each.waiting for each in self._models.workers()),
            abandoned=lambda: sum(each.abandoned for each in self._models.workers()),
            circuit=lambda: self._models.current.breaker.state if self._models.loaded else "open",
        )

    async def start(self) -> None:
        """Load the models and begin to follow the registry.

        Raises
        ------
        BundleError
            If a version does not load.
        ConfigError
            If exploration does not go with its policy.
        """
        await self._models.open()
        self._follower = asyncio.create_task(self._models.follow())

    async def stop(self) -> None:
        """Stop: not ready at once, then requests in flight are finished and the log is flushed."""
        self._stopping = True
        drain_s = self._config.drain_s
        try:
            await asyncio.wait_for(self._idle.wait(), drain_s)
        except TimeoutError:
            _log.warning("%d requests were in flight after %g s", self._in_flight, drain_s)
        if self._follower is not None:
            self._follower.cancel()
        self._models.close()
        if self._log is not None:
            await asyncio.to_thread(self._log.flush, drain_s)

    def not_ready(self) -> str | None:
        """Say why no request should be sent here.

        Returns
        -------
        str or None
            The reason; ``None`` where the service is ready.
        """
        if self._stopping:
            return "stopping"
        if self._log is not None and not self._log.alive:
            return "the decision log has stopped"
        return None if self._models.loaded else "no model is loaded"

    def version(self) -> VersionAnswer:
        """Say which models answer, and how often they could not.

        Returns
        -------
        VersionAnswer
            The current version, and names of the others.
        """
        models = self._models
        bundle = models.current.bundle
        manifest, counts = bundle.manifest, bundle.counts
        return VersionAnswer(
            version=bundle.version,
            package_version=manifest.package_version,
            created_at=manifest.created_at,
            training_window=manifest.training_window,
            policy=policy_to_dict(bundle.policy),
            shadow=None if models.shadow is None else models.shadow.bundle.version,
            canary=None if models.canary is None else models.canary.bundle.version,
            requests=counts.requests,
            fallbacks=counts.fallbacks,
            unknown_items=counts.unknown_items,
            relaxed=counts.relaxed,
        )

    def users(self) -> UsersAnswer:
        """Name some users that the current version knows.

        Returns
        -------
        UsersAnswer
            The first of its snapshot.
        """
        ids = self._models.current.bundle.snapshot.users.ids
        return UsersAnswer(users=ids[:MOST_USERS].tolist())

    async def rerank(self, asked: RerankRequest) -> RerankAnswer:
        """Answer a user's list within the deadline, in base order where nothing better is ready.

        Parameters
        ----------
        asked : RerankRequest
            The request.

        Returns
        -------
        RerankAnswer
            The list, and the decision's id where it is written down.

        Raises
        ------
        ConfigError, DataError
            If the request cannot be.
        OverloadedError
            If too many wait and no candidates came to fall back to.
        UnknownUserError
            If the user is not known, and there are neither candidates nor a base model.
        """
        with _Busy(self):
            return await self._rerank(asked)

    async def events(self, told: EventsRequest) -> EventsAnswer:
        """Write down views and plays.

        Parameters
        ----------
        told : EventsRequest
            What happened.

        Returns
        -------
        EventsAnswer
            How many are safe: all of them.

        Raises
        ------
        ConfigError
            If a view has no decision, or a play neither a decision nor a user.
        LogUnavailableError
            If they could not be written, or not in time; they may be sent again.
        RowError
            If an id is no text or has more than 64 bits.
        """
        with _Busy(self):
            check_ids([told.decision_id, told.user_id, *_event_ids(told)])
            records = event_records(told)
            written: bool | None = False
            if self._log is not None:
                written = await is_written(
                    self._log.append(records), within=self._config.events_ms / 1e3
                )
            self.metrics.events.labels(_outcome(written)).inc(len(records))
            if not written:
                raise LogUnavailableError(
                    expected="a decision log that can be written to",
                    came="none" if self._log is None else "one that cannot, or not in time",
                    do="Send the events again later.",
                )
            return EventsAnswer(accepted=len(records))

    async def explain(self, asked: ExplainRequest) -> ExplainAnswer:
        """Say why an item stands where it does in the list that `rerank` would give.

        Nothing is drawn and nothing is written down.

        Parameters
        ----------
        asked : ExplainRequest
            The request, and the item.

        Returns
        -------
        ExplainAnswer
            The item's ranks, what each feature adds, and a sentence.

        Raises
        ------
        ConfigError, DataError
            If the request cannot be, or the item is no candidate.
        OverloadedError
            If too many wait.
        UnknownUserError
            If the user is not known, and there are neither candidates nor a base model.
        """
        with _Busy(self):
            model = self._models.of(asked.user_id)
            taken = take(model.bundle, asked)
            check_ids([*_ids(asked), asked.item_id])
            holdout = self._in_holdout(asked)
            if model.breaker.state == "open":
                ranked = self._base(model, taken, reason="circuit_open", at_hand=[])
                return explain_item(model.bundle, ranked, asked.item_id, holdout=holdout)

            def call() -> ExplainAnswer:
                found = rank_request(model.bundle, taken, by_policy=not holdout)
                return explain_item(model.bundle, found, asked.item_id, holdout=holdout)

            try:
                return await model.explainers.run(call, within=self._config.explain_ms / 1e3)
            except QueueFullError:
                raise _overloaded() from None
            except (UnknownUserError, ConfigError, EmptyError):
                raise
            except Exception as error:  # late, or whatever a model does
                reason: FallbackReason = "model_error"
                if isinstance(error, CallLateError):
                    reason = "deadline"
                else:
                    _log.warning("the model failed at an explanation", exc_info=True)
                ranked = self._base(model, taken, reason=reason, at_hand=[])
                return explain_item(model.bundle, ranked, asked.item_id, holdout=holdout)

    async def _rerank(self, asked: RerankRequest) -> RerankAnswer:
        arrived = time.monotonic()
        log, config = self._log, self._config
        by = arrived + config.deadline_ms / 1e3
        model = self._models.of(asked.user_id)
        taken = take(model.bundle, asked)
        check_ids(_ids(asked))
        if taken.unread:
            self.metrics.unread_features.inc(taken.unread)
        decision_id = None if log is None or not asked.log else log.new_id()
        draws = None
        if config.exploration is not None and decision_id is not None:
            draws = Draws(exploration=config.exploration, seed=config.seed, decision_id=decision_id)
        slate = await self._slate(
            model,
            taken,
            draws=draws,
            holdout=self._in_holdout(asked),
            by=by if log is None else by - config.log_ms / 1e3,
        )
        if log is not None and decision_id is not None:
            decision = slate.decision(
                asked,
                draws=draws,
                decision_id=decision_id,
                at_ms=time.time_ns() // 1_000_000,
                bundle=model.bundle,
                canary=model.role == "canary",
            )
            written = await is_written(log.append([decision]), within=by - time.monotonic())
            self._decisions(_outcome(written)).inc()
            if not written:  # an id that was handed out must be one that events can refer to
                decision_id = None
        answer = slate.answer(asked.user_id, version=model.bundle.version, decision_id=decision_id)
        self._count(model, slate)
        self.metrics.latency.observe(time.monotonic() - arrived)
        shadow = self._models.shadow
        if shadow is not None and slate.ranked.lists is not None:
            if slate.ranked.fallback is None and not model.workers.waiting:
                self._shadow.offer(shadow, asked, slate.ranked, decision_id=decision_id)
            else:
                self.metrics.shadow.labels("dropped").inc()
        return answer

    async def _slate(
        self, model: LiveModel, taken: Asked, *, draws: Draws | None, holdout: bool, by: float
    ) -> Slate:
        """Ask the model for a list, or take the base order where it has none by `by`."""
        if holdout and taken.items is not None and taken.base_score is not None:
            return Slate.of(base_list(taken.items, taken.base_score), k=taken.k, holdout=True)
        at_hand: list[Ranked] = []
        reason: FallbackReason
        if model.workers.exhausted or not model.breaker.admits():
            reason = "circuit_open"
        else:
            call = partial(
                make_slate,
                model.bundle,
                taken,
                draws=draws,
                holdout=holdout,
                hashed=self._log is not None,
                at_hand=at_hand.append,
            )
            try:
                slate = await model.workers.run(call, within=by - time.monotonic())
            except QueueFullError:
                model.breaker.skipped()
                self.metrics.shed.inc()
                if taken.items is None:
                    raise _overloaded() from None
                reason = "overload"
            except CallLateError as late:
                if late.started:
                    model.breaker.failed()
                    reason = "deadline"
                else:
                    model.breaker.skipped()
                    self.metrics.shed.inc()
                    reason = "overload"
            except (UnknownUserError, EmptyError) as error:
                model.breaker.succeeded()
                if isinstance(error, UnknownUserError):
                    model.bundle.counts.add(unknown_items=0, fallback="unknown_user")
                    self.metrics.unknown_users.inc()
                raise
            except asyncio.CancelledError:
                model.breaker.skipped()
                raise
            except Exception:  # whatever a model does, the user gets a list
                _log.warning("the model failed; the list is in base order", exc_info=True)
                model.breaker.failed()
                reason = "model_error"
            else:
                if slate.ranked.fallback in _FAULTS:
                    model.breaker.failed()
                else:
                    model.breaker.succeeded()
                return slate
        ranked = self._base(model, taken, reason=reason, at_hand=at_hand)
        return Slate.of(ranked, k=taken.k, holdout=holdout)

    def _base(
        self, model: LiveModel, taken: Asked, *, reason: FallbackReason, at_hand: list[Ranked]
    ) -> Ranked:
        if taken.items is not None and taken.base_score is not None:
            return base_list(taken.items, taken.base_score, fallback=reason)
        if at_hand:  # the base model had answered before
            return base_list(at_hand[0].items, at_hand[0].base_score, fallback=reason)
        return snapshot_list(model.bundle, taken, fallback=reason)

    def _in_holdout(self, asked: RerankRequest) -> bool:
        exploration = self._config.exploration
        if exploration is None or not exploration.holdout_share:
            return False
        return bool(in_holdout([asked.user_id], exploration)[0])

    def _count(self, model: LiveModel, slate: Slate) -> None:
        ranked, metrics = slate.ranked, self.metrics
        model.bundle.counts.add(
            unknown_items=ranked.unknown_items,
            fallback=ranked.fallback,
            relaxed=slate.relaxed,
            missing_features=slate.missing_features,
        )
        self._requests(model.role).inc()
        if ranked.fallback is not None:
            metrics.fallbacks.labels(ranked.fallback).inc()
            if ranked.fallback == "unknown_user":
                metrics.unknown_users.inc()
        if ranked.unknown_items:
            metrics.unknown_items.inc(ranked.unknown_items)
        if slate.missing_features:
            metrics.missing_features.inc(slate.missing_features)
        for rule in slate.relaxed:
            metrics.relaxed.labels(rule).inc()
        if slate.explored:
            metrics.explored.inc()
        if slate.holdout:
            metrics.holdout.inc()


class _Busy:
    """Counts a request as in flight."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __enter__(self) -> None:
        self._service._in_flight += 1
        self._service._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._service._in_flight -= 1
        if not self._service._in_flight:
            self._service._idle.set()


def _ids(asked: RerankRequest) -> list[object]:
    """Everything of a request that is hashed or written down."""
    items = [each.item_id for each in asked.candidates or ()]
    moment = [*asked.moment, *asked.moment.values()]
    return [asked.user_id, asked.session_id, asked.surface, *moment, *items]


def _event_ids(told: EventsRequest) -> list[object]:
    plays = [each.play_id for each in told.events if isinstance(each, Play)]
    return [*plays, *(each.item_id for each in told.events)]


def _outcome(written: bool | None) -> str:
    return "late" if written is None else "written" if written else "failed"


def _overloaded() -> OverloadedError:
    return OverloadedError(
        expected="fewer requests at a time",
        came="more than may wait, and no candidates to put in base order",
        do="Send the request again later, or with candidates and base scores.",
    )
