"""The README's quickstart runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 10


def quickstart(readme: str) -> str:
    """Return the first python block under a heading 'Quickstart'."""
    return first_block(readme, "Quickstart", language="python")


def first_block(readme: str, title: str, *, language: str) -> str:
    """Return the first block of a language under a heading that holds a title."""
    heading = re.search(rf"^#+ .*{title}.*$", readme, re.IGNORECASE | re.MULTILINE)
    assert heading, f"README.md has no heading '{title}'"
    # A comment inside a block is no heading: stop at the first heading outside all blocks.
    parts = re.split(r"^(```.*?^```)$", readme[heading.end() :], flags=re.DOTALL | re.MULTILINE)
    block = None
    for part in parts:
        if part.startswith(f"```{language}\n"):
            block = re.fullmatch(rf"```{language}\n(.*)```", part, flags=re.DOTALL)
            break
        if not part.startswith("```") and re.search(r"^#+ ", part, re.MULTILINE):
            break
    assert block, f"no {language} block under '{title}'"
    return block[1]


@pytest.mark.slow
def test_the_quickstart_runs(tmp_path: Path) -> None:
    code = quickstart((ROOT / "README.md").read_text("utf-8"))
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= LONGEST
    (tmp_path / "quickstart.py").write_text(code, "utf-8")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "quickstart.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_block_is_the_first_one_under_its_heading() -> None:
    before, after = "# A\n```python\nno\n```\n", "## B\n```python\n2\n```\n"
    block = "## Quickstart\n```python\n# yes\n1\n```\n"
    assert quickstart(before + block + after) == "# yes\n1\n"


def test_a_block_of_a_later_heading_does_not_count() -> None:
    with pytest.raises(AssertionError, match="no python block"):
        quickstart("## Quickstart\n\n```sh\n# not a heading\n```\n## B\n```python\n2\n```\n")


def test_the_readme_shows_what_the_demo_prints() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    block = text.split("<!-- demo-output -->")[1].split("```")[1]
    for said in ("random", "popularity", "base", "uplift", "blend", "report.html", "causal list"):
        assert said in block
