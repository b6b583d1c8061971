"""The command line in this process, small logs as files, and one published model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from causal_ranker.cli import main
from causal_ranker.serving.bundle import write_bundle
from causal_ranker.worlds.logs import WorldLogs
from tests.cli.calling import TABLES, Edit, Files, Run, small_world
from tests.serving.shop import build_shop


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: exit code, stdout, stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    logs = small_world()
    return {name: getattr(logs, name) for name in TABLES}


@pytest.fixture
def files(tables: dict[str, pd.DataFrame], tmp_path: Path) -> Files:
    """Log files as options, with some tables edited first."""

    def write(suffix: str = "parquet", **edits: Edit) -> list[str]:
        words = []
        for name in TABLES:
            table = edits.get(name, lambda frame: frame)(tables[name].copy())
            path = tmp_path / f"{name}.{suffix}"
            if suffix == "parquet":
                table.to_parquet(path)
            else:
                table.to_csv(path, index=False)
            words += [f"--{name}", str(path)]
        return words

    return write


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[WorldLogs, list[str]]:
    """Logs that are long enough to learn from, and the same as options."""
    logs = small_world(users=60, days=38)
    folder = tmp_path_factory.mktemp("month")
    words = []
    for name in (*TABLES, "users", "items"):
        getattr(logs, name).to_parquet(folder / f"{name}.parquet")
        words += [f"--{name}", str(folder / f"{name}.parquet")]
    return logs, [*words, "--k", "4"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("models") / "shop", contents=build_shop().contents)
