"""Plans of load on the synthetic bundle, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks._load_client import POLICY, Answer, Expected, Plan
from benchmarks._server import Server
from benchmarks._shop import draw_requests
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle

__all__ = ["Questions", "answered", "failures"]

#: Requests that are asked in turn: enough that no cache of a few answers would help.
_BODIES: Final = 64


class Questions:
    """Requests with what every answer to them has to be, worked out in this process.

    Parameters
    ----------
    models : sequence of Path
        The bundles that may answer.
    """

    def __init__(self, models: Sequence[Path]) -> None:
        asked = draw_requests(_BODIES)
        bundles = [load_bundle(model) for model in models]
        self._bodies = [each.body() for each in asked]
        self._expected = [
            Expected(
                each.base_order(),
                {
                    bundle.version: [
                        int(item)
                        for item in rerank(bundle, each.user, candidates=each.candidates).items
                    ]
                    for bundle in bundles
                },
            )
            for each in asked
        ]

    def at_rate(self, server: Server, rate: float, *, seconds: float, seed: int) -> Plan:
        """Plan requests at the times of a Poisson process.

        Parameters
        ----------
        server : Server
            Whom to ask.
        rate : float
            Requests a second.
        seconds : float
            For how long.
        seed : int
            Of the times.

        Returns
        -------
        Plan
            The plan, open-loop.
        """
        gaps = np.random.default_rng(seed).exponential(1 / rate, size=int(rate * seconds))
        return self._plan(server, due=np.cumsum(gaps).tolist(), connections=64)

    def as_fast_as(self, server: Server, connections: int, *, seconds: float) -> Plan:
        """Plan connections that ask again as soon as they are answered.

        Parameters
        ----------
        server : Server
            Whom to ask.
        connections : int
            How many.
        seconds : float
            For how long.

        Returns
        -------
        Plan
            The plan, closed-loop.
        """
        return self._plan(server, seconds=seconds, connections=connections)

    def _plan(
        self,
        server: Server,
        *,
        connections: int,
        due: Sequence[float] = (),
        seconds: float = 0.0,
    ) -> Plan:
        return Plan(
            host=server.host,
            port=server.port,
            bodies=self._bodies,
            expected=self._expected,
            due=list(due),
            seconds=seconds,
            connections=connections,
        )


def answered(answer: Answer) -> bool:
    """Say whether a request got a right list: the policy's, or the base list with a reason."""
    return answer.outcome == POLICY or answer.outcome.startswith("fallback: ")


def failures(answers: Sequence[Answer]) -> dict[str, int]:
    """Count what is no right list.

    Parameters
    ----------
    answers : sequence of Answer
        Answers.

    Returns
    -------
    dict of str to int
        By outcome; empty where all is well.
    """
    return dict(Counter(each.outcome for each in answers if not answered(each)))
