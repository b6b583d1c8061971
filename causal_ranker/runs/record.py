"""The record of runs: what was run on what, with which settings, and what came of it.

Each run writes one ``run.json`` into the folder of its results, or one ``NAME.run.json`` beside the
file NAME where its result is one file; a folder of runs is the whole store. Whoever keeps theirs in
MLflow has it there, too (`causal_ranker.runs.mlflow`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from causal_ranker.errors import ConfigError
from causal_ranker.reporting.json import to_line
from causal_ranker.runs.inputs import Hashed, fingerprints

__all__ = [
    "RunRecord",
    "differences",
    "flat",
    "list_runs",
    "read_run",
    "recording",
    "write_run",
]

_FILE: Final = "run.json"
_BESIDE: Final = f".{_FILE}"


@dataclass
class RunRecord:
    """One run.

    Parameters
    ----------
    command : str
        What was run, e.g. ``"fit"``.
    started : str
        Moment in UTC, ISO 8601.
    settings : dict
        Options and configuration.
    inputs : dict of str to dict
        What was read, by name: what `causal_ranker.runs.inputs.fingerprints` returned.
    versions : dict of str to str
        Versions of the packages that decide the result.
    figures : dict
        What came of it.
    seconds : float
        Duration; 0 while the run goes on.
    """

    command: str
    started: str
    settings: dict[str, Any]
    inputs: dict[str, dict[str, Any]]
    versions: dict[str, str]
    figures: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@contextmanager
def recording(
    folder: Path,
    command: str,
    *,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str | None],
    versions: Mapping[str, str],
    hashed: Hashed = "rows",
    also: Callable[[RunRecord, Path], None] | None = None,
) -> Iterator[RunRecord]:
    """Record a run; the record is written when the block ends without an error.

    Parameters
    ----------
    folder : Path
        The folder of the run's results, or the one file that it writes.
    command : str
        What is run.
    settings : mapping of str to values
        Options and configuration.
    inputs : mapping of str to str or None
        Paths of what is read, by name; None is left out.
    versions : mapping of str to str
        Versions of packages.
    hashed : {"rows", "bytes", "nothing"}
        What of the inputs is hashed (`causal_ranker.runs.inputs.fingerprints`).
    also : callable, optional
        Is told the record and the folder once it is written: what
        `causal_ranker.runs.mlflow.open_tracking` returned.

    Yields
    ------
    RunRecord
        Put the run's figures into its ``figures``.

    Raises
    ------
    ConfigError
        If the record cannot be written.
    """
    record = RunRecord(
        command=command,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=dict(settings),
        inputs=fingerprints(inputs, hashed=hashed),
        versions=dict(versions),
    )
    begun = time.perf_counter()
    yield record
    record.seconds = round(time.perf_counter() - begun, 1)
    write_run(folder, record)
    if also is not None:
        also(record, folder)


def write_run(folder: Path, record: RunRecord) -> None:
    """Write a record; readers see the old one or the whole new one.

    Parameters
    ----------
    folder : Path
        The folder of the run's results, made where it is missing; or the one file that it wrote.
    record : RunRecord
        The record.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    path = _path_of(folder)
    aside = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(to_line(asdict(record)) + "\n", encoding="utf-8")
        os.replace(aside, path)
    except OSError as error:
        raise ConfigError(
            expected=f"a folder for the run's record at {path.parent}",
            came=error.strerror or str(error),
            do="Choose another folder with --out.",
        ) from error


def _path_of(place: Path) -> Path:
    """Say where the record of a place lies; a file that is gone since has one still."""
    beside = place.with_name(f"{place.name}{_BESIDE}") if place.name else place / _FILE
    if place.is_file() or (beside.is_file() and not place.is_dir()):
        return beside
    return place / _FILE


def read_run(folder: Path) -> RunRecord:
    """Read the record of one run.

    Parameters
    ----------
    folder : Path
        The folder of its results, or the file.

    Returns
    -------
    RunRecord
        The record.

    Raises
    ------
    ConfigError
        If there is none, or it is not one.
    """
    path = _path_of(folder)
    try:
        return RunRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            expected=f"the record of a run at {path}",
            came=str(error),
            do="See what there is with `causal-ranker runs list`.",
        ) from error


def list_runs(root: Path) -> dict[str, RunRecord]:
    """Find all runs below a folder, the newest first.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    dict of str to RunRecord
        Records by folder or file, relative to `root`.

    Raises
    ------
    ConfigError
        If a record cannot be read.
    """
    places = [path.parent for path in root.rglob(_FILE)]
    places += [
        path.with_name(path.name.removesuffix(_BESIDE)) for path in root.rglob(f"?*{_BESIDE}")
    ]
    found = {str(place.relative_to(root)): read_run(place) for place in sorted(places)}
    return dict(sorted(found.items(), key=lambda pair: pair[1].started, reverse=True))


def differences(first: RunRecord, second: RunRecord) -> list[tuple[str, Any, Any]]:
    """List what differs between two runs.

    Parameters
    ----------
    first, second : RunRecord
        The runs.

    Returns
    -------
    list of (str, value, value)
        Dotted names in order, with both values; None where a run has none.
    """
    ones, others = (flat(asdict(record)) for record in (first, second))
    names = sorted(ones.keys() | others.keys())
    return [
        (name, ones.get(name), others.get(name))
        for name in names
        if ones.get(name) != others.get(name)
    ]


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Write nested names with dots.

    Parameters
    ----------
    value : any
        A dict, of which any value may be one; anything else stands under the prefix.
    prefix : str
        What stands before each name.

    Returns
    -------
    dict of str to values
        By dotted name; an empty dict has none.
    """
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= flat(inner, f"{prefix}.{name}" if prefix else str(name))
    return found
