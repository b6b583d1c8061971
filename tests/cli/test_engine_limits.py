"""Limits of the engine reach it, from every command that opens one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calling import MESSAGE, Run

LOGS = ("--impressions", "absent.parquet", "--plays", "absent.parquet")
LISTED = ("--candidates", "absent.parquet")


@pytest.mark.parametrize("words", [("attribute", *LOGS), ("label", *LOGS, *LISTED)])
def test_options_reach_the_engine(run: Run, words: tuple[str, ...]) -> None:
    check_limits(run(*words, "--threads", 3, "--memory", "a lot"))


@pytest.mark.parametrize("words", [("fit",), ("evaluate", "--holdout-from", "2025-01-07T00:00Z")])
def test_settings_reach_the_engine(run: Run, words: tuple[str, ...], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('engine_threads = 3\nengine_memory = "a lot"\n')
    options = ("--config", config, "--out", tmp_path / "out")
    check_limits(run(words[0], *LOGS, *LISTED, *words[1:], *options))


def check_limits(said: tuple[int, str, str]) -> None:
    """The engine is opened before a log is looked for, and says what it was given."""
    code, _, err = said
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
    assert "threads=3, memory_limit='a lot'" in err
