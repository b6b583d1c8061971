"""Two stretches of one log: what was known by a moment, and what came after."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import ibis

from causal_ranker.chain.logs import Logs
from causal_ranker.columns import Columns as C

__all__ = ["split_logs"]


def split_logs(logs: Logs, *, at: datetime) -> tuple[Logs, Logs]:
    """Cut logs at a moment, each event by its own clock.

    Requests and impressions go by their t0, plays by when they began. A request before the cut
    whose horizon ends after it is censored in the first stretch, as it would have been that day.

    Parameters
    ----------
    logs : Logs
        Logs that passed `causal_ranker.chain.logs.read_logs`.
    at : datetime
        The moment, with a time zone.

    Returns
    -------
    tuple of Logs
        Events before the moment, and events from then on; users and items are in both.
    """
    moment = ibis.literal(at)

    def cut(later: bool) -> Logs:
        def part(table: ibis.Table, clock: str) -> ibis.Table:
            return table.filter(table[clock] >= moment if later else table[clock] < moment)

        return replace(
            logs,
            impressions=part(logs.impressions, C.T0),
            plays=part(logs.plays, C.PLAYED_AT),
            candidates=part(logs.candidates, C.T0),
        )

    return cut(False), cut(True)
