"""A real server whose model raises, hangs, says NaN or too little: the base list, in time."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks._asked import Questions
from benchmarks._faulty_server import FAULTS
from benchmarks._load_client import Answer
from benchmarks._server import ask, serving
from benchmarks._shop import publish_shop
from causal_ranker.serving.config import ServeConfig

__all__ = ["run"]


def run(*, quick: bool) -> dict[str, object]:
    """Ask a server for each fault, at 100 requests a second.

    Parameters
    ----------
    quick : bool
        50 requests to one that hangs instead of 2,500 for each of 4 faults.

    Returns
    -------
    dict
        ``http_fault_ok_share`` of the requests got 200 and the exact base order, with a reason;
        shares that were whole within the deadline and 5 or 50 ms, seen by a client on the same
        cores, and the slowest; reasons.
    """
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory() as folder:
        model = publish_shop(Path(folder))
        questions = Questions([model])
        for fault in ["hangs"] if quick else FAULTS:
            with serving(model, program=("benchmarks._faulty_server", fault)) as server:
                plan = questions.at_rate(server, 100, seconds=0.5 if quick else 25, seed=0)
                answers += ask(plan).answers
    outcomes = Counter(each.outcome for each in answers)
    ms = np.array([(each.done - each.sent) * 1e3 for each in answers])
    deadline = ServeConfig().deadline_ms
    return {
        "http_fault_ok_share": sum(
            count for outcome, count in outcomes.items() if outcome.startswith("fallback: ")
        )
        / len(answers),
        "http_fault_within_5_ms": float((ms <= deadline + 5).mean()),
        "http_fault_within_50_ms": float((ms <= deadline + 50).mean()),
        "http_fault_slowest_ms": float(ms.max()),
        "http_fault_outcomes": dict(outcomes),
    }
