"""A version that scores what another one answers, and changes nothing."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from causal_ranker.errors import EmptyError, UnknownUserError
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.counts import FallbackReason
from causal_ranker.serving.deadline import QueueFullError
from causal_ranker.serving.decisions.record import ShadowRecord
from causal_ranker.serving.intake import take
from causal_ranker.serving.live import LiveModel
from causal_ranker.serving.metrics import ServiceMetrics
from causal_ranker.serving.ranking import Ranked, rank_request
from causal_ranker.serving.recording import RecordSink
from causal_ranker.serving.wire import RerankRequest

__all__ = ["Compared", "Shadow", "compare"]

_log = logging.getLogger(__name__)

#: Lists that may wait: the shadow sees a sample of the requests, not a backlog.
_WAITING: Final = 4
_WITHIN_S: Final = 1.0


class Shadow:
    """Scores lists after they are answered, as far as there is time.

    Parameters
    ----------
    metrics : ServiceMetrics
        Where the differences go.
    log : RecordSink or None
        Where its lists are written down, each with the decision that was answered.
    """

    def __init__(self, *, metrics: ServiceMetrics, log: RecordSink | None) -> None:
        self._metrics, self._log = metrics, log
        self._tasks: set[asyncio.Task[None]] = set()

    def offer(
        self, model: LiveModel, request: RerankRequest, answered: Ranked, *, decision_id: str | None
    ) -> None:
        """Score a request once more, later and elsewhere; or not, where there is too much to do.

        Parameters
        ----------
        model : LiveModel
            The shadow.
        request : RerankRequest
            The request.
        answered : Ranked
            How the version that answers ranked it.
        decision_id : str or None
            The decision, where it is written down.
        """
        if len(self._tasks) >= _WAITING:
            self._metrics.shadow.labels("dropped").inc()
            return
        task = asyncio.get_running_loop().create_task(
            self._score(model, request, answered, decision_id)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _score(
        self, model: LiveModel, request: RerankRequest, answered: Ranked, decision_id: str | None
    ) -> None:
        metrics = self._metrics
        if model.workers.exhausted or not model.breaker.admits():
            metrics.shadow.labels("dropped").inc()
            return
        call = partial(compare, model.bundle, request, answered)
        try:
            found = await model.workers.run(call, within=_WITHIN_S)
        except QueueFullError:
            model.breaker.skipped()
            metrics.shadow.labels("dropped").inc()
        except (UnknownUserError, EmptyError):  # it knows too little, and is not at fault
            model.breaker.succeeded()
            metrics.shadow.labels("unknown").inc()
        except Exception as error:
            self._failed(model, type(error).__name__)  # its words may name the user
        else:
            if self._log is not None and decision_id is not None:
                # Nobody waits: the log counts what it cannot write.
                self._log.append([found.record(decision_id, request, model.bundle.version)])
            if found.fallback == "unknown_user":
                model.breaker.succeeded()
                metrics.shadow.labels("unknown").inc()
            elif found.fallback is not None:
                self._failed(model, found.fallback)
            else:
                model.breaker.succeeded()
                metrics.shadow.labels("scored").inc()
                metrics.shadow_uplift.observe(found.uplift)
                metrics.shadow_changed.observe(found.changed)

    def _failed(self, model: LiveModel, why: str) -> None:
        model.breaker.failed()
        self._metrics.shadow.labels("failed").inc()
        _log.info("the shadow %s failed: %s", model.bundle.version, why)


@dataclass(frozen=True, eq=False)
class Compared:
    """How another version would have answered.

    Parameters
    ----------
    items : list of int or str
        What it would have shown, best first.
    score : list of float
        Their scores by its policy.
    fallback : str or None
        Why its list is in base order.
    uplift : float
        Mean absolute difference of the uplifts of the items that both rank, in plays per
        impression; NaN where it fell back.
    changed : float
        Share of the items shown (the first k) that it would not show.
    """

    items: list[int | str]
    score: list[float]
    fallback: FallbackReason | None
    uplift: float
    changed: float

    def record(self, decision_id: str, request: RerankRequest, version: str) -> ShadowRecord:
        """Write it as it goes into the log.

        Parameters
        ----------
        decision_id : str
            The decision that was answered.
        request : RerankRequest
            What was asked.
        version : str
            The other version.

        Returns
        -------
        ShadowRecord
            The record.
        """
        return ShadowRecord(
            decision_id=decision_id,
            user_id=request.user_id,
            version=version,
            items=self.items,
            score=None if self.fallback else self.score,
            fallback=self.fallback,
        )


def compare(bundle: Bundle, request: RerankRequest, answered: Ranked) -> Compared:
    """Rank a request by another version, and say how much differs.

    Parameters
    ----------
    bundle : Bundle
        The other version.
    request : RerankRequest
        The request.
    answered : Ranked
        How the version that answers ranked it, without a draw.

    Returns
    -------
    Compared
        What it would have shown, and how far that is from what was.

    Raises
    ------
    CausalRankerError
        If it cannot take the request.
    """
    other = rank_request(bundle, take(bundle, request))
    place = {item: number for number, item in enumerate(other.items)}
    both = [number for number, item in enumerate(answered.items) if item in place]
    theirs = np.array([place[answered.items[number]] for number in both], dtype=np.int64)
    difference = np.abs(answered.uplift[both] - other.uplift[theirs])
    shown = {answered.items[number] for number in np.argsort(answered.rank)[: request.k]}
    best = np.argsort(other.rank)[: request.k]
    kept = [other.items[number] for number in best]
    return Compared(
        items=kept,
        score=other.score[best].tolist(),
        fallback=other.fallback,
        uplift=float(difference.mean()) if both else 0.0,
        changed=len(shown.difference(kept)) / len(shown) if shown else 0.0,
    )
