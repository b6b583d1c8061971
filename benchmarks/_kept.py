"""Results that stay: the latest full run of a benchmark, from which the site's tables are made.

Each is one file of `RESULTS`, written by ``--keep`` and committed. It says what was found and how
it came about, so that a page can show both, and whoever doubts a figure can make it again.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from benchmarks import Benchmark, PartedBenchmark, Result
from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.reporting.blocks import Table
from causal_ranker.reporting.json import to_line

__all__ = ["RESULTS", "Kept", "Origin", "keep", "read_kept"]

_ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = _ROOT / "docs" / "results"
#: What is said of a benchmark that does not name its seeds in `SEEDS`.
_FIXED: Final = "fixed in the code"


@dataclass(frozen=True)
class Origin:
    """How a result comes about; made before the run, whose code may change on disk meanwhile.

    Parameters
    ----------
    benchmark : str
        Its name.
    part : str or None
        Of a benchmark that has parts, the one that ran alone.
    description : str
        What it measures.
    command : str
        What makes it again.
    seeds : str
        Seeds of its draws, in words.
    started : str
        Moment in UTC, ISO 8601.
    commit : str
        First 12 digits of the commit that ran.
    changed : bool
        Whether tracked files, other than kept results, differed from that commit.
    machine : str
        Cores, processor, memory, system and Python, in words.
    load : float
        How many processes wanted a core in the minute before (`os.getloadavg`).
    """

    benchmark: str
    part: str | None
    description: str
    command: str
    seeds: str
    started: str
    commit: str
    changed: bool
    machine: str
    load: float

    @classmethod
    def now(cls, name: str, benchmark: Benchmark | PartedBenchmark, *, part: str | None) -> Self:
        """Look at the clock, the repository and the machine.

        Parameters
        ----------
        name : str
            Of the benchmark.
        benchmark : module
            Its module.
        part : str, optional
            The part that is about to run; None: all of it.

        Returns
        -------
        Origin
            As of this moment.

        Raises
        ------
        ConfigError
            If this is no clone, so that no commit can be told.
        """
        chosen = "" if part is None else f" --part {part}"
        changes = _git(
            "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude)docs/results"
        )
        return cls(
            benchmark=name,
            part=part,
            description=benchmark.DESCRIPTION,
            command=f"python -m benchmarks {name}{chosen} --keep",
            seeds=getattr(benchmark, "SEEDS", _FIXED),
            started=datetime.now(UTC).isoformat(timespec="minutes"),
            commit=_git("rev-parse", "--short=12", "HEAD"),
            changed=bool(changes),
            machine=_machine(),
            load=round(os.getloadavg()[0], 1),
        )


@dataclass(frozen=True)
class Kept:
    """A result, and how it came about.

    Parameters
    ----------
    origin : Origin
        How.
    seconds : float
        How long it ran.
    table : Table
        What was printed.
    figures : mapping of str to values
        The figures of its line of JSON.
    """

    origin: Origin
    seconds: float
    table: Table
    figures: Mapping[str, Any]


def keep(result: Result, *, origin: Origin, seconds: float, folder: Path) -> Path:
    """Write a result in the place of an older one of the same benchmark and part.

    Parameters
    ----------
    result : Result
        What was found.
    origin : Origin
        How.
    seconds : float
        How long it ran.
    folder : Path
        Where results lie, made where it is missing.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    table = {"columns": result.columns, "rows": result.rows, "note": result.note}
    told = {
        "origin": asdict(origin),
        "seconds": round(seconds, 1),
        "table": table,
        "figures": result.figures,
    }
    words = json.dumps(json.loads(to_line(told)), indent=1, ensure_ascii=False, allow_nan=False)
    name = origin.benchmark if origin.part is None else f"{origin.benchmark}.{origin.part}"
    path = folder / f"{name}.json"
    aside = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside.write_text(words + "\n", encoding="utf-8")
        os.replace(aside, path)
    except OSError as error:
        raise ConfigError(
            expected=f"a folder that can be written at {folder}",
            came=error.strerror or str(error),
            do="Make room for it; the table and the line above are the same result.",
        ) from error
    return path


def read_kept(path: Path) -> Kept:
    """Read one file.

    Parameters
    ----------
    path : Path
        As `keep` wrote it.

    Returns
    -------
    Kept
        What it says.

    Raises
    ------
    ConfigError
        If it lacks a key, has another, or a row that does not fit the columns.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        origin, table = Origin(**told.pop("origin")), Table(**told.pop("table"))
        return Kept(origin=origin, table=table, **told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, SchemaError) as error:
        raise ConfigError(
            expected=f"a kept result in {path.name}",
            came=str(error),
            do=f"Write it again: python -m benchmarks {path.name.split('.')[0]} --keep.",
        ) from error


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            expected="a clone of the repository, whose commit a kept result names",
            came=f"git {arguments[0]} failed",
            do="Run it in a clone, or without --keep.",
        ) from error
    return done.stdout.strip()


def _machine() -> str:
    told = {line.split(":")[0].strip(): line for line in _lines("/proc/cpuinfo")}
    processor = told.get("model name", f":{platform.machine()}").split(":", 1)[1].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {processor}, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return []
