"""Latency at 100 and 200 requests a second, the most there can be, and memory.

The server is ``causal-ranker serve`` with its decision log, in a process of its own, the client
another one on the same cores. 200 candidates, 30 features, 300 trees. Every answer is checked: all
200 items in the very order that the version it names gives them, worked out beforehand.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks._asked import Questions, failures
from benchmarks._load_client import POLICY, Answer
from benchmarks._server import Server, ask, serving
from benchmarks._shop import publish_shop

__all__ = ["run"]

_RATES: Final = (100, 200)
_CONNECTIONS: Final = (4, 8)


def run(*, quick: bool) -> dict[str, object]:
    """Start the server and put load on it.

    Parameters
    ----------
    quick : bool
        One run of 0.4 seconds of each kind instead of three of 20 (10 where it is saturated).

    Returns
    -------
    dict
        Of 3 runs each: the median and the worst p99 of the milliseconds from the moment that a
        request was due to its whole answer, at each rate, with the median of the medians, and how
        late the client was; ``max_rps``: lists by the policy a second that waiting connections get
        (lists that fell back do not count), the better of 4 and 8 connections. The server's
        processor time a request at both rates, which a busy machine changes little. Its memory (or
        that of the largest worker) in MB at the end; answers whose decision could not be written
        down; what fell back, and what went wrong.
    """
    runs = 1 if quick else 3
    with tempfile.TemporaryDirectory() as folder:
        model = publish_shop(Path(folder))
        questions = Questions([model])
        with serving(model, "--log", str(Path(folder) / "decisions")) as server:
            everything: list[Answer] = []
            if not quick:
                ask(questions.at_rate(server, 100, seconds=2, seed=99))  # until it is warm
            figures: dict[str, object] = {}
            before = server.cpu_seconds()
            for rate in _RATES:
                figures |= _latency(server, questions, rate, runs=runs, kept=everything)
            cpu = (server.cpu_seconds() - before) / len(everything)
            figures |= _throughput(server, questions, runs=runs, kept=everything)
            memory = max(server.memory(), key=lambda each: each.rss)
    outcomes = Counter(each.outcome for each in everything)
    return {
        **figures,
        "cpu_ms_per_request": cpu * 1e3,
        "rss_mb": memory.rss,
        "pss_mb": memory.pss,
        "uss_mb": memory.uss,
        "requests": len(everything),
        "unlogged": sum(not each.logged for each in everything),
        "fallbacks": {k: n for k, n in outcomes.items() if k.startswith("fallback: ")},
        "failures": failures(everything),
    }


def _latency(
    server: Server, questions: Questions, rate: int, *, runs: int, kept: list[Answer]
) -> dict[str, object]:
    middle, high, late = [], [], []
    for seed in range(runs):
        plan = questions.at_rate(server, rate, seconds=0.4 if runs == 1 else 20, seed=seed)
        answers = ask(plan).answers
        kept += answers
        ms = np.array([(each.done - each.due) * 1e3 for each in answers])
        middle.append(float(np.median(ms)))
        high.append(float(np.quantile(ms, 0.99)))
        late.append(float(np.quantile([(each.sent - each.due) * 1e3 for each in answers], 0.99)))
    return {
        f"p99_ms_{rate}": statistics.median(high),
        f"p99_ms_{rate}_worst": max(high),
        f"p50_ms_{rate}": statistics.median(middle),
        f"client_late_ms_{rate}": max(late),
    }


def _throughput(
    server: Server, questions: Questions, *, runs: int, kept: list[Answer]
) -> dict[str, object]:
    found: dict[int, list[float]] = {connections: [] for connections in _CONNECTIONS}
    for _ in range(runs):
        for connections, rates in found.items():
            plan = questions.as_fast_as(server, connections, seconds=0.4 if runs == 1 else 10)
            told = ask(plan)
            kept += told.answers
            took = max(each.done for each in told.answers) - told.began
            rates.append(sum(each.outcome == POLICY for each in told.answers) / took)
    best = max(found.values(), key=statistics.median)
    return {"max_rps": statistics.median(best), "max_rps_worst": min(best)}
