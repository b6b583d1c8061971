"""A script in a process of its own, which has imported nothing yet: what it prints, and loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def run_fresh(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with these words in its `sys.argv`."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said_by(code: str, *words: object) -> Any:
    """Run it, and return what it printed: one value as JSON, and nothing else."""
    done = run_fresh(code, *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def loaded_by(code: str, *words: object) -> set[str]:
    """Run it, and return the names of all modules that are loaded at its end."""
    telling = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))\n"
    return set(said_by(code + telling, *words))
