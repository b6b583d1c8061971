"""A version that scores what another one answers, and changes nothing."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Final

import numpy as np

from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.deadline import QueueFullError
from causal_ranker.serving.intake import take
from causal_ranker.serving.live import LiveModel
from causal_ranker.serving.metrics import ServiceMetrics
from causal_ranker.serving.ranking import Ranked, rank_request
from causal_ranker.serving.wire import RerankRequest

__all__ = ["Shadow", "compare"]

_log = logging.getLogger(__name__)

#: Lists that may wait: the shadow sees a sample of the requests, not a backlog.
_WAITING: Final = 4
_WITHIN_S: Final = 1.0


class Shadow:
    """Scores lists after they are answered, as far as there is time.

    Parameters
    ----------
    model : LiveModel
        The version.
    metrics : ServiceMetrics
        Where the differences go.
    """

    def __init__(self, model: LiveModel, *, metrics: ServiceMetrics) -> None:
        self._model, self._metrics = model, metrics
        self._tasks: set[asyncio.Task[None]] = set()

    def offer(self, request: RerankRequest, answered: Ranked) -> None:
        """Score a request once more, later and elsewhere; or not, where there is too much to do.

        Parameters
        ----------
        request : RerankRequest
            The request.
        answered : Ranked
            How the version that answers ranked it.
        """
        if len(self._tasks) >= _WAITING:
            self._metrics.shadow.labels("dropped").inc()
            return
        task = asyncio.get_running_loop().create_task(self._score(request, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _score(self, request: RerankRequest, answered: Ranked) -> None:
        model, metrics = self._model, self._metrics
        if model.workers.exhausted or not model.breaker.admits():
            metrics.shadow.labels("dropped").inc()
            return
        call = partial(compare, model.bundle, request, answered)
        try:
            uplift, changed = await model.workers.run(call, within=_WITHIN_S)
        except QueueFullError:
            model.breaker.skipped()
            metrics.shadow.labels("dropped").inc()
        except Exception as error:
            model.breaker.failed()
            metrics.shadow.labels("failed").inc()
            _log.info("the shadow %s failed: %s", model.bundle.version, error)
        else:
            model.breaker.succeeded()
            metrics.shadow.labels("scored").inc()
            metrics.shadow_uplift.observe(uplift)
            metrics.shadow_changed.observe(changed)


def compare(bundle: Bundle, request: RerankRequest, answered: Ranked) -> tuple[float, float]:
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
    uplift : float
        Mean absolute difference of the uplifts of the items that both rank, in plays per
        impression.
    changed : float
        Share of the items shown (the first k) that the other version would not show.

    Raises
    ------
    RuntimeError
        If the other version falls back.
    CausalRankerError
        If it cannot take the request.
    """
    other = rank_request(bundle, take(bundle, request))
    if other.fallback is not None:
        raise RuntimeError(f"it fell back: {other.fallback}")
    place = {item: number for number, item in enumerate(other.items)}
    both = [number for number, item in enumerate(answered.items) if item in place]
    theirs = np.array([place[answered.items[number]] for number in both], dtype=np.int64)
    difference = np.abs(answered.uplift[both] - other.uplift[theirs])
    shown = {answered.items[number] for number in np.argsort(answered.rank)[: request.k]}
    kept = {other.items[number] for number in np.argsort(other.rank)[: request.k]}
    return (
        float(difference.mean()) if both else 0.0,
        len(shown - kept) / len(shown) if shown else 0.0,
    )
