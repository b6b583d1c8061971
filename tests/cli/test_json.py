"""Every command that reads says what it found as JSON, and nothing else on stdout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from causal_ranker.cli.app import app
from tests.cli.calling import ROOT, Run

#: Commands whose purpose is what they write or start; what they print is for people to follow.
#: A command that is neither here nor has --json fails the test below.
WRITES = {
    "attribute": "credits",
    "demo": "a report and a model",
    "evaluate": "a report, and its report.json",
    "features push": "features in Redis",
    "fit": "a model",
    "keys new": "a key",
    "keys revoke": "a file of keys",
    "label": "labels",
    "serve": "answers over HTTP",
}
#: A script for a shell is no data.
SCRIPTS = {"completion"}
PAGE = ROOT / "docs" / "pages" / "json.md"


def commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command of the program by its words."""
    command = typer.main.get_command(app) if command is None else command
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, each in below.items():
        yield from commands(each, f"{name} {word}".strip())


def options(command: Any) -> set[str]:
    return {word for each in command.params for word in each.opts}


def documented() -> dict[str, set[str]]:
    """Commands of the page, and the keys that it names."""
    rows = re.findall(r"^\| `([a-z -]+)` \| (.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: set(re.findall(r"`([\w.]+)`", keys)) for name, keys in rows}


def test_every_command_has_json_but_those_that_write() -> None:
    found = dict(commands())
    assert len(found) > 30
    without = {name for name, each in found.items() if "--json" not in options(each)}
    assert without == WRITES.keys() | SCRIPTS


def test_the_page_names_every_command_with_json_and_no_other() -> None:
    found = {name for name, each in commands() if "--json" in options(each)}
    assert documented().keys() == found


@pytest.fixture
def quick(tmp_path: Path) -> dict[str, list[object]]:
    """Words for commands that need little."""
    from causal_ranker.runs.record import recording
    from causal_ranker.serving.http.keys import new_key

    for name, seed in (("a", 0), ("b", 1)):
        settings = {"seed": seed}
        with recording(tmp_path / "runs" / name, "fit", settings=settings, inputs={}, versions={}):
            pass
    new_key(tmp_path / "keys.json", note="mine")
    runs = tmp_path / "runs"
    return {
        "doctor": [],
        "explain-config": ["--key", "run"],
        "keys list": ["--file", tmp_path / "keys.json"],
        "runs compare": [runs / "a", runs / "b"],
        "runs list": ["--root", runs],
        "runs show": [runs / "a"],
    }


def test_what_is_printed_is_one_line_with_the_keys_of_the_page(
    run: Run, quick: dict[str, list[object]]
) -> None:
    said = documented()
    for name, words in quick.items():
        code, out, _ = run(*name.split(), *words, "--json")
        assert code in ({0, 1} if name == "doctor" else {0}), name
        assert out.count("\n") == 1, name
        keys = set(json.loads(out))
        if name == "runs list":
            assert keys == {"a", "b"}  # by folder
        elif name == "runs compare":
            assert {"settings.seed"} <= keys <= {"settings.seed", "started", "seconds"}
        else:
            assert keys == said[name], name


def test_secrets_are_not_listed(run: Run, quick: dict[str, list[object]]) -> None:
    _, out, _ = run("keys", "list", *quick["keys list"], "--json")
    (key,) = json.loads(out)["keys"]
    assert set(key) == {"id", "created_at", "note"}
