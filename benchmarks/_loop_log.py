"""What the service in the loop writes down, and what its next model is fitted on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._loop_world import Requests, Served
from causal_ranker.reranking.explore import Exploration, Explored
from causal_ranker.serving.decisions.compact import compact
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import Decision, EventRecord, event_id
from causal_ranker.worlds.plays import SURFACES

__all__ = ["Logbook", "decision_ids"]

_TABLES = ("impressions", "plays", "candidates")
#: Seconds within which a day is on the disk, or the benchmark gives up.
_PATIENCE = 60.0


class Logbook:
    """A decision log, its events, and the tables that it is compacted to.

    Parameters
    ----------
    folder : Path
        Where both lie.
    """

    def __init__(self, folder: Path) -> None:
        self._segments, self._tables = folder / "decisions", folder / "compacted"
        self._log: DecisionLog | None = None
        self._later: list[EventRecord] = []

    def write(
        self,
        requests: Requests,
        drawn: Explored,
        *,
        score: NDArray[np.float64],
        exploration: Exploration,
        version: str,
        seed: int,
        served: Served,
    ) -> None:
        """Write down the decisions of one day, and keep what they led to until it happens.

        Parameters
        ----------
        requests : Requests
            The requests.
        drawn : Explored
            Their lists.
        score : ndarray, shape (requests, candidates)
            The policy's scores.
        exploration : Exploration
            How lists were drawn.
        version : str
            Who drew them.
        seed : int
            Of the draws.
        served : Served
            What they did.

        Raises
        ------
        RuntimeError
            If the disk does not take them.
        """
        ids, told = decision_ids(requests), exploration.model_dump()
        shown = (drawn.chosen % requests.item.shape[1]).tolist()
        visits, items = requests.visits, requests.item.tolist()
        decisions = [
            Decision(
                decision_id=decision,
                user_id=user,
                at_ms=t0 * 1000,
                version=version,
                exploration=told,
                seed=seed,
                items=candidates,
                base_score=base_score,
                score=policy_score,
                shown=slate,
                propensity=given,
                slots=exploration.slots,
                fallback=None,
                holdout=False,
                explored=True,
                features_hash="",
                session_id=None,
                surface=SURFACES[0],
                canary=False,
                constrained=False,
            )
            for decision, user, t0, candidates, base_score, policy_score, slate, given in zip(
                ids,
                visits.user.tolist(),
                visits.t0.tolist(),
                items,
                requests.base_score.tolist(),
                score.tolist(),
                shown,
                drawn.propensity.tolist(),
                strict=True,
            )
        ]
        if self._log is None:
            self._log = DecisionLog(self._segments)
        if not self._log.append(decisions).result(_PATIENCE):
            raise RuntimeError(f"the decisions of day {requests.day} were not written")
        self._later += [
            _view(decision, items[row][place], at_ms=decisions[row].at_ms + 1000)
            for row, (decision, slate) in enumerate(zip(ids, shown, strict=True))
            for place in slate[: served.viewed_to[row]]
        ]
        plays = served.plays
        self._later += [
            _play(number, user, item, at_ms=at * 1000)
            for number, (user, item, at) in enumerate(
                zip(
                    plays.user.tolist(), plays.item.tolist(), plays.played_at.tolist(), strict=True
                ),
                start=requests.day * 10**7,
            )
        ]

    def compacted(self, *, until: int) -> dict[str, Path]:
        """Write down the events up to one moment, and compact what was logged.

        Parameters
        ----------
        until : int
            The moment, in seconds since 1970 (UTC); what comes later has not happened yet.

        Returns
        -------
        dict of str to Path
            Folders of impressions, plays and candidates, as `CausalRanker.fit` takes them.

        Raises
        ------
        RuntimeError
            If the disk does not take them, or something of what was logged did not get through.
        """
        assert self._log is not None
        now = [event for event in self._later if event.at_ms < until * 1000]
        self._later = [event for event in self._later if event.at_ms >= until * 1000]
        if not self._log.append(now).result(_PATIENCE):
            raise RuntimeError("the events of a round were not written")
        self._log.close()
        self._log = None
        done = compact(self._segments, out=self._tables)
        lost = done.decisions - done.explained + done.unsound + done.duplicates + len(done.damage)
        if lost or done.aside or done.plays + done.views != len(now):
            raise RuntimeError(f"not everything that was logged can be learned from: {done}")
        return {name: self._tables / name for name in _TABLES}


def decision_ids(requests: Requests) -> list[str]:
    """Name the decisions of one day.

    Parameters
    ----------
    requests : Requests
        The requests.

    Returns
    -------
    list of str
        The same in every run, as draws hang on them.
    """
    return [f"day-{requests.day}-{number}" for number in range(len(requests))]


def _view(decision: str, item: int, *, at_ms: int) -> EventRecord:
    return EventRecord(
        event_id=event_id("view", item, at_ms=at_ms, decision_id=decision),
        kind="view",
        item_id=item,
        at_ms=at_ms,
        received_ms=at_ms,
        decision_id=decision,
    )


def _play(number: int, user: int, item: int, *, at_ms: int) -> EventRecord:
    return EventRecord(
        event_id=event_id("play", item, at_ms=at_ms, user_id=user, play_id=number),
        kind="play",
        item_id=item,
        at_ms=at_ms,
        received_ms=at_ms,
        user_id=user,
        play_id=number,
    )
