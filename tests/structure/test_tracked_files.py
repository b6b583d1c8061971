"""What may not be in the repository: package-index addresses, paths of one machine, long files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 500

# Spelt in pieces, so that this file does not name what it forbids.
INDEX = re.compile("index-" + "url|/simp" + r"le/|pypi\." + "org|files\\.python" + "hosted")
# The folders in which people's own files lie. System folders are the same everywhere and may pass.
OWN = "|".join(["ho" + "me", "Use" + "rs", "ro" + "ot", "wo" + "rk", "tm" + "p"])
MACHINE = re.compile(rf"(?<![\w.\-/:])/(?:{OWN})/[\w.]|[A-Z]:\\+Use" + "rs")


def files() -> list[Path]:
    """Tracked files, and those that would be tracked by `git add .`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def bad_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if INDEX.search(line) or MACHINE.search(line)]


def test_no_index_address_and_no_machine_path() -> None:
    listed = files()
    assert ROOT / "pyproject.toml" in listed
    wrong = []
    for path in listed:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [f"{path.relative_to(ROOT)}: {line.strip()[:120]}" for line in bad_lines(text)]
    assert wrong == []


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-" + "url https://example.org",
        "https://py" + "pi.org/project/x",
        "file:///opt/mirror/simp" + "le/x",
        "data = '/ho" + "me/ann/data.csv'",
        "read('/wo" + "rk/main/x')",
        "C:" + "\\Use" + "rs\\ann",
    ],
)
def test_planted_lines_are_caught(line: str) -> None:
    assert bad_lines(line) == [line]


@pytest.mark.parametrize(
    "line",
    [
        "#!/usr/bin/env bash",
        "https://example.org/home/page",
        "runs/tmp/x",
        "a/" + OWN.split("|")[3] + "/b",
    ],
)
def test_plain_lines_pass(line: str) -> None:
    assert bad_lines(line) == []


def test_no_file_of_code_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in files()
        if path.suffix == ".py" and (lines := len(path.read_text("utf-8").splitlines())) > LONGEST
    }
    assert long == {}
