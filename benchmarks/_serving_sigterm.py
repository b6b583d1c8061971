"""SIGTERM under load: whatever was asked before it is answered, and the process ends in time."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks._asked import Questions, answered
from benchmarks._load_client import REFUSED
from benchmarks._server import Server, put_load, serving, told_by
from benchmarks._shop import publish_shop

__all__ = ["run"]

#: Asking again as soon as they are answered, so that as many requests are always on their way.
_CONNECTIONS: Final = 16
_PATIENCE_S: Final = 20


def run(*, quick: bool) -> dict[str, object]:
    """Stop a server that 16 connections wait for.

    Parameters
    ----------
    quick : bool
        Once instead of 5 times.

    Returns
    -------
    dict
        ``sigterm_in_flight``: requests on their way at the signal; ``sigterm_lost``: those of them
        without a right list; ``sigterm_cut``: requests sent after it on connections from before it,
        and not answered (who connects only after the signal is not counted); ``sigterm_exit_s``:
        from signal to end, the slowest.
    """
    rng = random.Random(0)
    totals = {"sigterm_in_flight": 0, "sigterm_lost": 0, "sigterm_cut": 0}
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        model = publish_shop(Path(folder))
        questions = Questions([model])
        for _ in range(1 if quick else 5):
            found, took = _stop_once(model, questions, after=rng.random() / 2)
            slowest = max(slowest, took)
            for name, count in found.items():
                totals[name] += count
    return {**totals, "sigterm_exit_s": slowest}


def _stop_once(model: Path, questions: Questions, *, after: float) -> tuple[dict[str, int], float]:
    with serving(model) as server:
        plan = questions.as_fast_as(server, _CONNECTIONS, seconds=30)
        with put_load(plan) as client:
            _wait_for_load(server)
            time.sleep(after)
            signalled = time.monotonic()
            server.ask_to_stop()
            took = server.wait_for_end()
            answers = told_by(client, plan).answers
    before = [each for each in answers if each.sent <= signalled]
    in_flight = [each for each in before if each.done > signalled]
    return {
        "sigterm_in_flight": len(in_flight),
        "sigterm_lost": sum(not answered(each) for each in before),
        "sigterm_cut": sum(
            not answered(each)
            for each in answers
            if each.opened <= signalled < each.sent and each.outcome != REFUSED
        ),
    }, took


def _wait_for_load(server: Server) -> None:
    """Wait until every connection has asked, however long a busy machine takes to start them."""
    end = time.monotonic() + _PATIENCE_S
    while server.lists() < 2 * _CONNECTIONS:
        if time.monotonic() > end:
            raise RuntimeError("the load had not begun when the server was to be stopped")
        time.sleep(0.02)
