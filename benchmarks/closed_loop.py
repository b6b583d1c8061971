"""Serve, log, learn, serve again: what each round of the loop adds, beside base and bandits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import Result
from benchmarks._loop_bandits import LinThompson, LinUCB
from benchmarks._loop_service import CausalService
from benchmarks._loop_world import Audience, LoopWorld, Requests, Served, top
from benchmarks._pool import each_on_a_core
from causal_ranker.worlds.config import WorldConfig

__all__ = ["ARMS", "DESCRIPTION", "OURS", "SEEDS", "Job", "play_out", "run"]

DESCRIPTION: Final = (
    "closed loop: fit, serve with exploration, log, compact and fit again, beside base and bandits"
)
SEEDS: Final = "0 to 19"

IntArray = NDArray[np.int64]

OURS: Final = "causal ranker"
_BASE: Final = "base ranker"
_CEILING: Final = "true effects"
#: By the name that is printed.
ARMS: Final = (
    _BASE,
    OURS,
    "LinUCB, plays",
    "Thompson, plays",
    "LinUCB, clicks",
    "Thompson, clicks",
    _CEILING,
)
#: What a round's line holds of each seed and arm.
_KEPT: Final = ("total", "gain", "changed", "seconds", "sessions")


@dataclass(frozen=True)
class Job:
    """One world to play out.

    Parameters
    ----------
    seed : int
        Of world, draws and fits.
    users, days, rounds : int
        Users, days of a round, and rounds after the first log.
    """

    seed: int
    users: int
    days: int
    rounds: int


_FULL: Final = tuple(Job(seed, users=1_500, days=7, rounds=3) for seed in range(20))
_QUICK: Final = (Job(0, users=300, days=4, rounds=2),)


class _Arm(Protocol):
    def choose(self, requests: Requests) -> IntArray: ...

    def told(self, requests: Requests, slate: IntArray, *, served: Served) -> None: ...


class _Fixed:
    """An arm that learns nothing: the base recommender, or who knows the effects."""

    def __init__(self, world: LoopWorld, *, knows: bool) -> None:
        self._world, self._knows = world, knows

    def choose(self, requests: Requests) -> IntArray:
        if self._knows:
            return self._world.best(requests)
        return top(requests.base_score, self._world.config.slate_size)

    def told(self, requests: Requests, slate: IntArray, *, served: Served) -> None:
        """Learn nothing."""


def run(*, quick: bool) -> Result:
    """Play 20 worlds out for three rounds, every arm on the same draws.

    In round 0 the base recommender serves with exploration (Plackett-Luce over its log odds), and
    all arms learn from that log. Then each arm serves its own copy of the users. Ours is fitted
    before each round on the whole compacted log, published, loaded, and draws its lists by
    Plackett-Luce over the standardised uplift; the bandits learn day by day, as soon as horizons
    have ended. What counts is not what was drawn but what the slates were expected to bring: titles
    played per session, which the world knows.

    Parameters
    ----------
    quick : bool
        One small world, two rounds; no interval.

    Returns
    -------
    Result
        Figures ``rounds`` (a line per round and arm: plays per session over the base with a paired
        95 % interval over seeds, of these the slates' own part, share of slates changed, seconds)
        and ``least_low``, the lowest lower end of our rounds, asked to be above 0.
    """
    jobs = _QUICK if quick else _FULL
    told: Iterable[NDArray[np.float64]] = (
        map(play_out, jobs) if quick else each_on_a_core(play_out, jobs)
    )
    found = np.stack(list(told))  # (seeds, rounds, arms, kept)
    lines = [
        _line(found[:, number, arm], found[:, number, 0], number=number + 1, arm=name)
        for number in range(found.shape[1])
        for arm, name in enumerate(ARMS)
    ]
    return Result(
        columns=("round", "arm", "plays over base", "95 %", "of the slate", "changed", "seconds"),
        rows=[_cells(line) for line in lines],
        figures={
            "rounds": lines,
            "seeds": len(jobs),
            "least_low": min(line["low"] for line in lines if line["arm"] == OURS),
        },
        note="Plays over base: titles played within a day of a session (true expectation), minus "
        "those in the base ranker's copy of the same world, with a paired interval over seeds. Of "
        "the slate: the part that the session's own slate adds; the rest is what earlier slates "
        "left behind. Changed: slates with other items than the base list has. Clicks: rewards are "
        "plays from the slate itself; in this world nobody who finds a title anyway plays it "
        "there, so a click is nearly free of what would have happened without the slate.",
    )


def _line(
    mine: NDArray[np.float64], base: NDArray[np.float64], *, number: int, arm: str
) -> dict[str, Any]:
    from scipy.stats import t as student

    of = {name: mine[:, place] for place, name in enumerate(_KEPT)}
    over = {name: of[name] - base[:, _KEPT.index(name)] for name in ("total", "gain")}
    seeds = len(mine)
    width = np.nan  # one world has no spread
    if seeds > 1:
        width = student.ppf(0.975, seeds - 1) * over["total"].std(ddof=1) / np.sqrt(seeds)
    mean = float(over["total"].mean())
    return {
        "round": number,
        "arm": arm,
        "plays_over_base": mean,
        "low": mean - float(width),
        "high": mean + float(width),
        "of_the_slate": float(over["gain"].mean()),
        "base_plays": float(base[:, 0].mean()),
        "changed": float(of["changed"].mean()),
        "seconds": float(of["seconds"].mean()),
        "sessions": int(of["sessions"].sum()),
    }


def _cells(line: dict[str, Any]) -> tuple[object, ...]:
    return (
        line["round"],
        line["arm"],
        f"{line['plays_over_base']:+.3f}",
        f"{line['low']:+.3f} to {line['high']:+.3f}",
        f"{line['of_the_slate']:+.3f}",
        f"{line['changed']:.0%}",
        f"{line['seconds']:.1f}",
    )


def play_out(job: Job) -> NDArray[np.float64]:
    """Play one world out.

    Parameters
    ----------
    job : Job
        Which.

    Returns
    -------
    ndarray, shape (rounds, arms, 5)
        Titles played per session; the slate's part of them; share of slates changed; seconds; and
        sessions.
    """
    world = LoopWorld(
        WorldConfig(
            users=job.users,
            items=150,
            days=(1 + job.rounds) * job.days,
            candidates=20,
            slate_size=5,
            cannibalisation=0.2,
            seed=job.seed,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        ours = CausalService(world, folder=Path(folder))
        arms: dict[str, _Arm] = {
            _BASE: _Fixed(world, knows=False),
            OURS: ours,
            "LinUCB, plays": LinUCB(world, reward="played"),
            "Thompson, plays": LinThompson(world, reward="played"),
            "LinUCB, clicks": LinUCB(world, reward="clicked"),
            "Thompson, clicks": LinThompson(world, reward="clicked"),
            _CEILING: _Fixed(world, knows=True),
        }
        first = Audience(world)
        for day in range(job.days):
            requests = first.requests(day)
            slate = ours.choose(requests)
            served = first.serve(requests, slate)
            for arm in arms.values():
                arm.told(requests, slate, served=served)
        audiences = {name: Audience(world, first.state) for name in ARMS}
        found = np.empty((job.rounds, len(ARMS), len(_KEPT)))
        for number in range(job.rounds):
            days = range((1 + number) * job.days, (2 + number) * job.days)
            for place, name in enumerate(ARMS):
                began = perf_counter()
                if name == OURS:
                    ours.retrain(day=days.start)
                part = np.concatenate([_day(arms[name], audiences[name], day) for day in days])
                seconds = perf_counter() - began
                found[number, place] = (*part.mean(axis=0), seconds, len(part))
    return found


def _day(arm: _Arm, audience: Audience, day: int) -> NDArray[np.float64]:
    """Serve one day; a row per session: titles played, the slate's part, whether it changed."""
    requests = audience.requests(day)
    slate = arm.choose(requests)
    served = audience.serve(requests, slate)
    arm.told(requests, slate, served=served)
    listed = top(requests.base_score, slate.shape[1])
    changed = (np.sort(slate, axis=1) != np.sort(listed, axis=1)).any(axis=1)
    return np.stack([served.total, served.gain, changed], axis=1)
