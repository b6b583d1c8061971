"""The record of a flow's run: begun in its first step, written in its last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from causal_ranker.config import FrozenConfig
from causal_ranker.evaluation.origin import package_versions
from causal_ranker.runs.inputs import Hashed, fingerprints
from causal_ranker.runs.record import RunRecord, write_run

__all__ = ["Begun", "begin", "finish"]


@dataclass(frozen=True)
class Begun:
    """What the first step knows of a run.

    Parameters
    ----------
    started : str
        When it began, ISO 8601 with a time zone.
    inputs : dict of str to dict
        What is read (`causal_ranker.runs.inputs.fingerprints`).
    versions : dict of str to str
        Versions of packages.
    """

    started: str
    inputs: dict[str, dict[str, Any]]
    versions: dict[str, str]


def begin(inputs: Mapping[str, str | None], *, hashed: Hashed = "rows") -> Begun:
    """Say what a run begins with.

    Parameters
    ----------
    inputs : mapping of str to str or None
        Paths of what is read, by name; None is left out.
    hashed : {"rows", "bytes", "nothing"}
        What of the inputs is hashed.

    Returns
    -------
    Begun
        Moment, inputs and versions.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return Begun(started, fingerprints(inputs, hashed=hashed), package_versions())


def finish(
    begun: Begun, folder: Path, *, command: str, settings: FrozenConfig, figures: dict[str, Any]
) -> RunRecord:
    """Write ``run.json``.

    Parameters
    ----------
    begun : Begun
        What `begin` returned.
    folder : Path
        The run's folder.
    command : str
        The flow.
    settings : FrozenConfig
        Its settings.
    figures : dict
        What came of it.

    Returns
    -------
    RunRecord
        The record.
    """
    took = datetime.now(UTC) - datetime.fromisoformat(begun.started)
    record = RunRecord(
        command=command,
        started=begun.started,
        settings=settings.model_dump(mode="json"),
        inputs=begun.inputs,
        versions=begun.versions,
        figures=figures,
        seconds=round(took.total_seconds(), 1),
    )
    write_run(folder, record)
    return record
