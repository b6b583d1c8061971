"""The service in this process with a model that raises, hangs, says NaN or too little.

Half of the requests meet a circuit that opens, as by default; the other half one that never does,
so that each of them waits for the model.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks._in_process import ask_at_rate, wire_request
from benchmarks._shop import draw_requests, publish_shop
from causal_ranker.serving.bundle import Bundle, load_bundle
from causal_ranker.serving.config import BreakerConfig, ServeConfig
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.model import Scorer, TextModel
from causal_ranker.serving.service import Service

__all__ = ["run"]

_RATE: Final = 200
#: A thread that hangs comes back after this, so that there is an end to them.
_HANGS_S: Final = 0.5
_NEVER_OPEN: Final = ServeConfig(breaker=BreakerConfig(failures=100_000), abandoned=1_000)

Array = NDArray[np.float64]


def _raise(X: Array) -> Array:
    raise ArithmeticError("out of trees")


def _hang(X: Array) -> Array:
    time.sleep(_HANGS_S)
    return np.zeros(len(X))


def _say_nan(X: Array) -> Array:
    return np.full(len(X), np.nan)


def _say_too_little(X: Array) -> Array:
    return np.zeros(len(X) - 1)


_FAULTS: Final[tuple[Callable[[Array], Array], ...]] = (_raise, _hang, _say_nan, _say_too_little)


@dataclass(frozen=True)
class _Faulty:
    predict: Callable[[Array], Array]


def run(*, quick: bool) -> dict[str, object]:
    """Ask 10,000 times, a quarter for each fault.

    Parameters
    ----------
    quick : bool
        240 times.

    Returns
    -------
    dict
        ``fault_ok_share``: of the requests that got the exact base order with a reason; shares that
        were answered within the deadline and 5 or 50 ms, and the slowest; reasons; and the share
        whose decision was written down within the deadline.
    """
    n = 30 if quick else 1_250
    level = logging.getLogger("causal_ranker").level
    logging.getLogger("causal_ranker").setLevel(logging.CRITICAL)  # each failure has a traceback
    good, durations, written = 0, [], 0
    reasons: Counter[str | None] = Counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            bundle = load_bundle(publish_shop(Path(folder)))
            with DecisionLog(Path(folder) / "log") as log:
                for fault in _FAULTS:
                    for config in (ServeConfig(), _NEVER_OPEN):
                        service = Service(_with(bundle, fault), config=config, log=log)
                        asked = draw_requests(50)
                        bodies = [wire_request(each) for each in asked]
                        right = [each.base_order() for each in asked]
                        found = asyncio.run(ask_at_rate(service, bodies, n=n, rate=_RATE))
                        for place, (answer, seconds) in enumerate(found):
                            durations.append(seconds)
                            if isinstance(answer, Exception):
                                reasons[type(answer).__name__] += 1
                                continue
                            reasons[answer.fallback] += 1
                            items = [each.item_id for each in answer.items]
                            good += answer.fallback is not None and items == right[place % 50]
                            written += answer.decision_id is not None
    finally:
        logging.getLogger("causal_ranker").setLevel(level)
    ms = np.array(durations) * 1e3
    deadline = ServeConfig().deadline_ms
    return {
        "fault_ok_share": good / ms.size,
        "fault_within_5_ms": float((ms <= deadline + 5).mean()),
        "fault_within_50_ms": float((ms <= deadline + 50).mean()),
        "fault_slowest_ms": float(ms.max()),
        "fault_requests": ms.size,
        "fault_reasons": {str(reason): count for reason, count in sorted(reasons.items(), key=str)},
        "fault_written_share": written / ms.size,
    }


def _with(bundle: Bundle, fault: Callable[[Array], Array]) -> Bundle:
    model = cast(TextModel, cast(Any, _Faulty(fault)))
    return replace(bundle, uplift=Scorer(model=model, plan=bundle.uplift.plan))
