"""How many small faults in the maths, the credits, the labels and the figures tests notice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import binomtest

from benchmarks import Result
from benchmarks._mutants import Mutant, draw, places
from benchmarks._mutation_tests import ROOT, Recorded, Tree, copied

__all__ = ["DESCRIPTION", "SEEDS", "parts", "run"]

DESCRIPTION: Final = "shares of small faults, drawn at random from rooms, that their tests notice"
PLACES: Final = 60  # drawn of each room
SEED: Final = 2026
SEEDS: Final = f"{SEED} and the room's place in the table, for its places and faults"
LIMIT: Final = 0.8  # of the share that is noticed, in each room


@dataclass(frozen=True)
class _Room:
    """Modules (patterns from the root), the tests that judge them, and a small part of both."""

    modules: Sequence[str]
    tests: Sequence[str]
    quick: tuple[str, str]


def _whole(room: str, *, quick: tuple[str, str]) -> _Room:
    return _Room(
        (f"causal_ranker/{room}/*.py",),
        (f"tests/{room}",),
        (f"causal_ranker/{room}/{quick[0]}.py", f"tests/{room}/test_{quick[1]}.py"),
    )


#: Of the evaluation: the modules that make figures. Others word and lay out what these found.
_FIGURES: Final = (
    "accuracy",
    "arms",
    "background",
    "balance",
    "compare",
    "effect",
    "evaluate",
    "groups",
    "joint",
    "rows",
    "scorers",
    "totals",
    "verdict",
)
ROOMS: Final = {
    "stats": _whole("stats", quick=("uniform_swaps", "uniform_swaps")),
    "attribution": _whole("attribution", quick=("warnings", "warnings")),
    "labels": _whole("labels", quick=("thinning", "thinning")),
    "evaluation": _Room(
        [f"causal_ranker/evaluation/{name}.py" for name in _FIGURES],
        ("tests/evaluation",),
        ("causal_ranker/evaluation/verdict.py", "tests/evaluation/test_verdict.py"),
    ),
}


def parts() -> Sequence[str]:
    """Name the rooms.

    Returns
    -------
    sequence of str
        In order.
    """
    return list(ROOMS)


def run(*, quick: bool, part: str | None = None) -> Result:
    """Draw places in each room's modules, put a fault in each, and run the tests that run it.

    Parameters
    ----------
    quick : bool
        Two places of one module of a room, and its own tests.
    part : str, optional
        One of `parts`; all of them by default.

    Returns
    -------
    Result
        A row for each room, and one for each fault that no test noticed. Figures: ``ROOM_score``
        (the share that was noticed), ``ROOM_low`` and ``ROOM_high`` (its 95 % interval, Wilson's,
        for all places that could have been drawn), ``ROOM_places``, and of these those that were
        ``ROOM_timed_out`` or ``ROOM_not_run``.
    """
    rows: list[tuple[object, ...]] = []
    survivors: list[tuple[object, ...]] = []
    figures: dict[str, object] = {"seed": SEED}
    with copied() as tree:
        for room in parts() if part is None else [part]:
            outcomes = _judged(tree, ROOMS[room], quick=quick, seed=parts().index(room))
            counts = Counter(outcome for _, outcome in outcomes)
            noticed = len(outcomes) - counts["survived"] - counts["not run"]
            ends = binomtest(noticed, len(outcomes)).proportion_ci(method="wilson")
            score = noticed / len(outcomes)
            rows.append((room, "", len(outcomes), score, ends.low, ends.high))
            survivors += [
                (f"{each.path}:{each.line}", each.change, outcome, None, None, None)
                for each, outcome in outcomes
                if outcome in ("survived", "not run")
            ]
            figures |= {
                f"{room}_score": round(score, 3),
                f"{room}_low": round(ends.low, 3),
                f"{room}_high": round(ends.high, 3),
                f"{room}_places": len(outcomes),
                f"{room}_timed_out": counts["timed out"],
                f"{room}_not_run": counts["not run"],
            }
    return Result(
        columns=("room, or fault", "change", "places", "noticed", "from", "to"),
        rows=[*rows, *survivors],
        figures=figures,
        note=f"at least {LIMIT:g} of each room's are to be noticed; seed {SEED}",
    )


def _judged(tree: Tree, room: _Room, *, quick: bool, seed: int) -> list[tuple[Mutant, str]]:
    modules, tests = ((room.quick[0],), (room.quick[1],)) if quick else (room.modules, room.tests)
    recorded = tree.record(tests, source=[modules[0].rpartition("/")[0]])
    paths = sorted(path for pattern in modules for path in ROOT.glob(pattern))
    sources = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}
    found = [each for path, source in sources.items() for each in places(path, source)]
    _refuse_false_alarms(tree, sources, recorded)
    rng = np.random.default_rng([SEED, seed])
    outcomes = []
    for each in draw(found, sources, n=2 if quick else PLACES, rng=rng):
        able = recorded.tests_of(each.path, each.line, source=sources[each.path])
        outcome = "not run"
        if able:
            seconds = _patience(recorded, able)
            outcome = tree.judge(each.path, each.code, tests=able, seconds=seconds)
        outcomes.append((each, outcome))
    return outcomes


def _patience(recorded: Recorded, tests: Iterable[str]) -> float:
    """Give thrice the time that tests took: a wrong answer may take longer to be refused."""
    return 20 + 3 * sum(recorded.seconds[test] for test in tests)


def _refuse_false_alarms(tree: Tree, sources: Mapping[str, str], recorded: Recorded) -> None:
    """See that the tests pass on the code as it is, in the order in which mutants meet them."""
    path, source = next(iter(sources.items()))
    tests = sorted(recorded.seconds, key=lambda test: (recorded.seconds[test], test))
    outcome = tree.judge(path, source, tests=tests, seconds=_patience(recorded, tests))
    if outcome != "survived":
        raise RuntimeError(
            f"expected tests that pass in any order; got {outcome!r} by the code as it is. Find "
            "the test that needs another one to run before it."
        )
