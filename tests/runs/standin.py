"""A module in the place of MLflow: what we call of it, with its signatures and its bounds.

It stands where the package is not installed; with MLflow 3.17 itself, on its
file store, the same calls were tried by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

_NAME = re.compile(r"[\w\-. :/]{1,250}")


class MlflowException(Exception):  # noqa: N818 - it is called so there
    pass


@dataclass
class Param:
    key: str
    value: str


@dataclass
class RunTag:
    key: str
    value: str


@dataclass
class Metric:
    key: str
    value: float
    timestamp: int
    step: int


@dataclass
class Stored:
    """One run of the store."""

    start_time: int
    run_name: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)
    status: str = "RUNNING"
    end_time: int | None = None


class MlflowClient:
    """Keeps runs by tracking URI, and refuses what MLflow's servers refuse."""

    stores: ClassVar[dict[str, dict[str, list[Stored]]]] = {}

    def __init__(self, tracking_uri: str | None = None) -> None:
        if str(tracking_uri).startswith("http"):
            raise MlflowException(f"API request to {tracking_uri} failed\nConnection refused")
        self._store = self.stores.setdefault(str(tracking_uri), {})

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id=name) if name in self._store else None

    def create_experiment(self, name: str) -> str:
        self._store[name] = []
        return name

    def create_run(self, experiment_id: str, start_time: int, run_name: str) -> Any:
        self._store[experiment_id].append(Stored(start_time, run_name))
        told = f"{experiment_id} {len(self._store[experiment_id]) - 1}"
        return SimpleNamespace(info=SimpleNamespace(run_id=told))

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        run = self._run(run_id)
        for kept, entries in ((run.metrics, metrics), (run.params, params), (run.tags, tags)):
            if len(entries) > 100:
                raise MlflowException(f"{len(entries)} entries in one call")
            for entry in entries:
                if not _NAME.fullmatch(entry.key):
                    raise MlflowException(f"Invalid name: {entry.key!r}")
                if isinstance(entry.value, str) and len(entry.value) > 6000:
                    raise MlflowException(f"{entry.key} is too long")
                kept[entry.key] = entry.value  # type: ignore[index]

    def log_artifact(self, run_id: str, local_path: str) -> None:
        with open(local_path, encoding="utf-8") as file:
            self._run(run_id).artifacts.append(file.read())

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        run = self._run(run_id)
        run.status, run.end_time = status, end_time

    def _run(self, run_id: str) -> Stored:
        experiment, _, number = run_id.rpartition(" ")
        return self._store[experiment][int(number)]


def put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be imported as ``mlflow``, with an empty store."""
    MlflowClient.stores = {}
    modules = {
        name: ModuleType(name) for name in ("mlflow", "mlflow.exceptions", "mlflow.entities")
    }
    vars(modules["mlflow"])["MlflowClient"] = MlflowClient
    vars(modules["mlflow.exceptions"])["MlflowException"] = MlflowException
    vars(modules["mlflow.entities"]).update(Metric=Metric, Param=Param, RunTag=RunTag)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
