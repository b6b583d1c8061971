"""Every command that a page or a notebook writes exists, with the options that it is given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer

from causal_ranker.cli.app import app
from tests.cli.calling import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs" / "pages").rglob("*.md"),
        *(ROOT / "notebooks").glob("*.py"),
        *(ROOT / "deploy").glob("*"),
    ]
)
_PROGRAM = r"(?:[\w./]+/)?causal-ranker"
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_SPAN = re.compile(rf"`({_PROGRAM}(?: [^`]+)?)`")
_LINE = re.compile(rf"^{_PROGRAM} .+$", re.MULTILINE)


def written(text: str) -> Iterator[str]:
    """Commands of a text: in blocks of a shell, continued lines joined, and in spans of code."""
    text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)  # a notebook's text is a comment
    for block in _BLOCK.findall(text):
        for line in _LINE.findall(re.sub(r"\\\n\s*", " ", block)):
            yield line.partition(" #")[0]
    for span in _SPAN.findall(_BLOCK.sub("", text)):
        yield " ".join(span.split())


def wrong(line: str) -> list[str]:
    """What a command names that there is not; `a|b` stands for one of each."""
    found = []
    words = [word.strip("[]").split("|") for word in line.split()[1:]]
    for each in product(*words):
        command: Any = typer.main.get_command(app)
        options = {name for option in command.params for name in option.opts}
        for word in each:
            below = getattr(command, "commands", None)
            if word.startswith("--"):
                name = word.partition("=")[0]
                if name not in options | {"--help", "--install-completion"}:
                    found.append(name)
            elif below is not None:
                if word not in below:
                    found.append(word)
                    break
                command = below[word]
                options |= {
                    name
                    for option in command.params
                    for name in (*option.opts, *option.secondary_opts)
                }
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_written_can_be_typed(path: Path) -> None:
    for line in written(path.read_text(encoding="utf-8")):
        assert not wrong(line), line


def test_they_are_found_and_what_is_not_there_is_told() -> None:
    lines = [line for path in PAGES for line in written(path.read_text(encoding="utf-8"))]
    assert len(lines) > 50
    text = "# ```sh\n# causal-ranker fit --plays p.csv \\\n#     --no-such 3  # so\n# ```\n"
    (line,) = written(text)
    assert wrong(line) == ["--no-such"]
    assert wrong("causal-ranker experiment plan") == ["plan"]
    assert wrong("causal-ranker runs list|show|compair") == ["compair"]
    assert wrong(".venv/bin/causal-ranker runs list --json") == []
