"""Every notebook as a script: seconds on the small slice that tests run, and in full."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks import Result

__all__ = ["DESCRIPTION", "NOTEBOOKS", "SLICE", "run", "run_notebook"]

DESCRIPTION: Final = "the notebooks as scripts: seconds of each, on a slice and in full"
#: Users of the small slice.
SLICE: Final = 120
NOTEBOOKS: Final = tuple(sorted(Path(__file__).parents[1].joinpath("notebooks").glob("0*.py")))


def run_notebook(path: Path, *, out: Path, users: int | None) -> str:
    """Run a notebook as a script, in a folder of its own.

    Parameters
    ----------
    path : Path
        The notebook's ``.py`` file.
    out : Path
        A folder that exists, to work in; what the notebook draws lies in ``out`` below it.
    users : int or None
        How many users it reads or simulates; None for its own number.

    Returns
    -------
    str
        What it printed.

    Raises
    ------
    RuntimeError
        If it fails; the message ends with its last lines.
    """
    environment = {**os.environ, "NOTEBOOK_OUT": str(out / "out")}
    environment.pop("NOTEBOOK_USERS", None)
    if users is not None:
        environment["NOTEBOOK_USERS"] = str(users)
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", str(path)],
        cwd=out,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{path.name} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def run(*, quick: bool) -> Result:
    """Run all notebooks, one after the other.

    Parameters
    ----------
    quick : bool
        On the slice only.

    Returns
    -------
    Result
        Figures ``slice_seconds`` and, unless quick, ``full_seconds`` by notebook, and the sum of
        the first, ``slice_total``.

    Raises
    ------
    RuntimeError
        If one fails.
    """
    sizes = {"slice": SLICE} if quick else {"slice": SLICE, "full": None}
    seconds: dict[str, dict[str, float]] = {size: {} for size in sizes}
    for size, users in sizes.items():
        for path in NOTEBOOKS:
            with tempfile.TemporaryDirectory(prefix="causal-ranker-bench-") as folder:
                started = perf_counter()
                run_notebook(path, out=Path(folder), users=users)
                seconds[size][path.stem] = round(perf_counter() - started, 1)
    rows = [(path.stem, *(seconds[size][path.stem] for size in sizes)) for path in NOTEBOOKS]
    total = {size: round(sum(each.values()), 1) for size, each in seconds.items()}
    return Result(
        columns=("notebook", *(f"seconds, {size}" for size in sizes)),
        rows=[*rows, ("all", *total.values())],
        figures={f"{size}_seconds": each for size, each in seconds.items()}
        | {"slice_total": total["slice"]},
    )
