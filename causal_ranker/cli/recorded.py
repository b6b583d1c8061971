"""The record of a command's run, beside what it writes or where ``--record`` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from causal_ranker.config import FrozenConfig
    from causal_ranker.runs.inputs import Hashed

__all__ = ["recorded"]

# What is said of a run, and not to it.
_ASIDE = ("as_json", "record")


@contextmanager
def recorded(
    context: typer.Context,
    *,
    inputs: Mapping[str, str | None],
    written: Path | None = None,
    record: Path | None = None,
    config: FrozenConfig | None = None,
    hashed: Hashed = "rows",
) -> Iterator[dict[str, Any]]:
    """Record the run of a command; without a place nobody keeps it.

    Parameters
    ----------
    context : typer.Context
        The command's context: its options become settings.
    inputs : mapping of str to str or None
        Paths of what is read, by name; None is left out.
    written : Path or None
        The folder or the file that the command writes.
    record : Path or None
        A folder for the record, in place of one beside what is written.
    config : FrozenConfig or None
        What options and files came to.
    hashed : {"rows", "bytes", "nothing"}
        What of the inputs is hashed (`causal_ranker.runs.inputs.fingerprints`).

    Yields
    ------
    dict
        For the run's figures.

    Raises
    ------
    ConfigError
        If the record cannot be written.
    """
    figures: dict[str, Any] = {}
    place = record or written
    if place is None:
        yield figures
        return
    from causal_ranker.evaluation.origin import package_versions
    from causal_ranker.reporting.places import make_folder
    from causal_ranker.runs.record import recording

    if record is not None:
        make_folder(record, option="--record")  # before the work, not after it
    program = str(context.find_root().info_name)
    command = context.command_path.removeprefix(program).strip() or program
    settings = {name: value for name, value in context.params.items() if name not in _ASIDE}
    if config is not None:
        settings["config"] = config.model_dump(mode="json")
    with recording(
        place,
        command,
        settings=settings,
        inputs=inputs,
        versions=package_versions(),
        hashed=hashed,
    ) as run:
        yield figures
        run.figures = figures
