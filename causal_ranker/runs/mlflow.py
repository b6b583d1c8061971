"""The record of a run in MLflow, where somebody asks for that and has the package.

Settings and versions become parameters, inputs tags, figures that are numbers metrics, and
``run.json`` an artifact. The package is imported when it is asked for, and is not one of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from causal_ranker._extras import needs_package
from causal_ranker.errors import UpstreamError
from causal_ranker.runs.record import RunRecord, flat

__all__ = ["EXPERIMENT", "open_tracking"]

#: The experiment that runs are logged to.
EXPERIMENT: Final = "causal-ranker"
# What MLflow's servers take: entries in one call, and signs of a value of a parameter or a tag.
_BATCH: Final = 100
_LONGEST: Final = 5000
_UNNAMED: Final = re.compile(r"[^\w\-. :/]")  # what a name may not hold


def open_tracking(uri: str) -> Callable[[RunRecord, Path], None]:
    """Find the experiment, before any work is done for which there would be no place.

    Parameters
    ----------
    uri : str
        MLflow's tracking URI: ``sqlite:///mlflow.db``, ``http://host:5000`` or a folder.

    Returns
    -------
    callable
        Logs a record that was written, and the folder that it was written to.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    UpstreamError
        If it has no such store. What is returned raises it, too: then the run is over, and what
        came of it is in its folder.
    """
    with needs_package("mlflow"):
        import mlflow
        from mlflow.exceptions import MlflowException

    # Each of its stores has errors of its own.
    failures = (MlflowException, OSError)
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        known = client.get_experiment_by_name(EXPERIMENT)
        experiment = client.create_experiment(EXPERIMENT) if known is None else known.experiment_id
    except failures as error:
        do = "Check the address; without MLflow leave --mlflow out."
        raise _failed(uri, error, do=do) from error

    def log(record: RunRecord, folder: Path) -> None:
        try:
            _log(client, experiment, record, folder)
        except failures as error:
            raise _failed(uri, error, do=f"The run is over, and lies in {folder}.") from error

    return log


def _log(client: Any, experiment: str, record: RunRecord, folder: Path) -> None:
    from mlflow.entities import Metric, Param, RunTag

    begun = round(datetime.fromisoformat(record.started).timestamp() * 1000)
    ended = begun + round(record.seconds * 1000)
    run = client.create_run(experiment, start_time=begun, run_name=f"{record.command} {folder}")
    told = {**flat(record.settings), **flat(record.versions, "versions")}
    figures = {**flat(record.figures), "seconds": record.seconds}
    numbers = {n: float(v) for n, v in figures.items() if isinstance(v, int | float)}
    words = {n: v for n, v in figures.items() if n not in numbers}
    tags = {**flat(record.inputs, "inputs"), **flat(words, "figures"), "command": record.command}
    entries = {
        "params": [Param(_name(name), _text(value)) for name, value in told.items()],
        "tags": [RunTag(_name(name), _text(value)) for name, value in tags.items()],
        "metrics": [Metric(_name(name), value, ended, 0) for name, value in numbers.items()],
    }
    for kind, listed in entries.items():
        for start in range(0, len(listed), _BATCH):
            client.log_batch(run.info.run_id, **{kind: listed[start : start + _BATCH]})
    client.log_artifact(run.info.run_id, str(folder / "run.json"))
    client.set_terminated(run.info.run_id, status="FINISHED", end_time=ended)


def _name(name: str) -> str:
    return _UNNAMED.sub("_", name)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _failed(uri: str, error: Exception, *, do: str) -> UpstreamError:
    return UpstreamError(
        expected=f"an MLflow that keeps runs at {uri}",
        came=" ".join(str(error).split())[:300] or type(error).__name__,
        do=do,
    )
