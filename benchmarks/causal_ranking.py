"""Collaborative causal rankers beside tabular learners, in worlds whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks import Result
from benchmarks._causal_draws import Given, given
from benchmarks._causal_judge import by_user
from benchmarks._causal_methods import METHODS, ORACLE, Chosen, Method, features, scores
from benchmarks._causal_ranges import TRIALS
from benchmarks._causal_search import best_settings, read_chosen, searched, write_chosen
from benchmarks._causal_speed import speed
from benchmarks._causal_tables import Judged, compared, search_table
from benchmarks._causal_worlds import WORLDS, planted_world
from benchmarks._pool import each_on_a_core
from benchmarks._spent import Spent, spending
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.candidates import CANDIDATES

if TYPE_CHECKING:
    from causal_ranker.worlds.semisynthetic.pair_world import PairDraw, PairWorld

__all__ = ["DESCRIPTION", "SEEDS", "parts", "run", "search"]

DESCRIPTION: Final = (
    "causal rankings: CP@10, CP@100, CDCG of collaborative and tabular methods, truth known"
)
SEEDS: Final = "0 to 4; settings were searched on 100"
_SEEDS: Final = range(5)
#: Its draws are none of those that are told of.
_SEARCH_SEED: Final = 100
#: The part that is no world.
_SPEED: Final = "speed"


@dataclass(frozen=True)
class _Job:
    """All methods on one seed of a world."""

    world: PairWorld
    seed: int
    chosen: Chosen


@dataclass(frozen=True)
class _Trials:
    """The search of one method in a world, with what is chosen for methods that it builds on.

    The truth is that of the second draw, for a method that is told.
    """

    world: str
    known: Given
    truth: PairDraw | None
    method: Method
    chosen: Chosen
    trials: int


def parts() -> Sequence[str]:
    """Name the worlds, and the measurement of speed.

    Returns
    -------
    sequence of str
        In the order in which they run.
    """
    return (*WORLDS, _SPEED)


def run(*, quick: bool, part: str | None = None) -> Result:
    """Judge every method on five seeds of each world, with the settings that a search chose.

    A seed has three draws of a world's exposures and outcomes. Pair models learn from the first,
    and stop early by CDCG as estimated on the second. Tabular learners learn from the second, of
    whose pairs they know what the first tells. All are judged on the third, by its drawn effects.
    Two rows show what the papers' way comes to: they are told the truth of the second draw.

    Parameters
    ----------
    quick : bool
        One seed of a small world that is made up, with the settings of the real one; `auto` has
        two learners to choose from.
    part : str, optional
        One of `parts`; all by default.

    Returns
    -------
    Result
        By world: ``ours_cp10``, ``dlce_true_cp10``, ``cp10_diff_low``, ``ours_cdcg``,
        ``dlce_true_cdcg``, ``cdcg_diff_low`` (lower ends of paired 95 % intervals over users of
        ours minus DLCE with true propensities), ``oracle_gain_share`` in CDCG, ``statistics``,
        ``orders`` and the ``table``. And ``sgd_pairs_per_s``, and ``ml1m_seconds`` of a fit to its
        early stop on a log of that size.
    """
    worlds = _worlds(part, quick=quick)
    seeds = _SEEDS[:1] if quick else _SEEDS
    fewer = {"auto": {"settings": {"candidates": CANDIDATES[:2], "stack": False}}} if quick else {}
    jobs = [
        _Job(world, seed, {**read_chosen(world.name), **fewer})
        for world in worlds
        for seed in seeds
    ]
    found = list(map(_judge, jobs) if quick else each_on_a_core(_judge, jobs))
    by_world = [
        (world, found[place * len(seeds) : (place + 1) * len(seeds)])
        for place, world in enumerate(worlds)
    ]
    return compared(by_world, speed=speed(quick=quick) if part in (None, _SPEED) else None)


def search(*, quick: bool, part: str | None = None) -> Result:
    """Try as many random settings of each method, and keep the best, of each world.

    Parameters
    ----------
    quick : bool
        Two settings a method in a small world that is made up; nothing is kept.
    part : str, optional
        One of `parts`; all by default. Speed has nothing to choose.

    Returns
    -------
    Result
        What was chosen for each world and method, which is also written beside this module.
    """
    worlds = _worlds(part, quick=quick)
    found: dict[str, dict[str, dict[str, Any]]] = {world.name: {} for world in worlds}
    known = {world.name: _logs(world, seed=_SEARCH_SEED) for world in worlds}
    truth = {world.name: world.draw_three(seed=_SEARCH_SEED).validate for world in worlds}
    for tabular in (False, True):  # columns of the tabular methods are scores of the others
        jobs = [
            _Trials(
                name,
                logs,
                truth[name] if method.told else None,
                method,
                found[name],
                trials=2 if quick else TRIALS,
            )
            for name, logs in known.items()
            for method in searched()
            if method.tabular == tabular
        ]
        best = map(_search, jobs) if quick else each_on_a_core(_search, jobs)
        for job, told in zip(jobs, best, strict=True):
            found[job.world][job.method.searched] = told
    if not quick:
        write_chosen(found)
    return search_table(found)


def _worlds(part: str | None, *, quick: bool) -> list[PairWorld]:
    names = [name for name in WORLDS if part in (None, name)]
    return [planted_world(name) for name in names[:1]] if quick else [WORLDS[n]() for n in names]


def _logs(world: PairWorld, *, seed: int) -> Given:
    train, validate, _ = world.draw_three(seed=seed)
    return given(train, validate, world=world, seed=seed)


def _judge(job: _Job) -> Judged:
    """Fit every method on a seed's logs, one after the other, and judge it on the third draw."""
    world, seed = job.world, job.seed
    known, (_, second, test) = _logs(world, seed=seed), world.draw_three(seed=seed)
    with spending() as describing:
        tables = features(known, chosen=job.chosen)
    found = Judged({}, {})
    for method in METHODS:
        with spending() as spent:
            guess = scores(
                method,
                known,
                tables=tables,
                chosen=job.chosen,
                truth=second if method.told else None,
            )
        before = describing if method.tabular else Spent(0.0, 0.0)
        if method.estimates:
            before = before + known.estimating
        found.spent[method.name] = before + spent
        rng = stage_rng(seed, "causal_ranking/ties")
        found.figures[method.name] = by_user(guess, test, rng=rng)
    rng = stage_rng(seed, "causal_ranking/ties")
    found.figures[ORACLE] = by_user(world.effect, test, rng=rng)
    return found


def _search(job: _Trials) -> dict[str, Any]:
    tables = features(job.known, chosen=job.chosen) if job.method.tabular else []
    return best_settings(job.method, job.known, tables=tables, trials=job.trials, truth=job.truth)
