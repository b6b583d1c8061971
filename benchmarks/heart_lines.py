"""How much of the heart's code (the rooms that decide what is caused) its own tests run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks import Result
from benchmarks._mutation_tests import Covered, copied

__all__ = ["DESCRIPTION", "SEEDS", "run"]

DESCRIPTION: Final = "shares of the heart's lines that its quick tests run, by room"
SEEDS: Final = "none: nothing is drawn"
HEART: Final = ("attribution", "evaluation", "labels", "reranking", "stats", "uplift")
LIMIT: Final = 0.95  # of all lines of the heart


def run(*, quick: bool) -> Result:
    """Run the tests of the heart's rooms, without the slow ones, and see which lines ran.

    Lines are those at which a statement begins. Not counted are what only readers of types run,
    bodies of protocols, and what Numba compiles, which never runs as Python.

    Parameters
    ----------
    quick : bool
        Labels alone.

    Returns
    -------
    Result
        By room the lines, those that no test ran, and the share that ran; after them the files
        that miss some. Figures: ``share`` of all, ``share_ROOM``, and ``lines``.
    """
    heart = ("labels",) if quick else HEART
    with copied() as tree:
        recorded = tree.record(
            [f"tests/{room}" for room in heart], source=[f"causal_ranker/{room}" for room in heart]
        )
    rooms = [
        _row(
            room,
            [
                each
                for path, each in recorded.files.items()
                if path.startswith(f"causal_ranker/{room}/")
            ],
        )
        for room in heart
    ]
    everything = _row("all", list(recorded.files.values()))
    missed = [_row(path, [each]) for path, each in recorded.files.items() if each.missing]
    return Result(
        columns=("room or file", "lines", "not run", "share run"),
        rows=[*rooms, everything, *missed],
        figures={
            "share": round(everything[3], 4),
            **{f"share_{room}": round(share, 4) for room, _, _, share in rooms},
            "lines": everything[1],
        },
        note=f"at least {LIMIT:g} of all are to run",
    )


def _row(name: str, files: Sequence[Covered]) -> tuple[str, int, int, float]:
    lines = sum(len(each.statements) for each in files)
    missing = sum(len(each.missing) for each in files)
    return name, lines, missing, (lines - missing) / lines if lines else 1.0
