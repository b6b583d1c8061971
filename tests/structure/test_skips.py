"""In CI a skip is a failure, wherever it comes from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPS = {
    "mark": "import pytest\n@pytest.mark.skip(reason='planted')\ndef test_it(): pass\n",
    "call": "import pytest\ndef test_it(): pytest.skip('planted')\n",
    "module": "import pytest\npytest.importorskip('no_such_module_anywhere')\n",
}


@pytest.mark.parametrize("ci", ["true", "false"])
@pytest.mark.parametrize("planted", SKIPS)
def test_a_skip_fails_in_ci_and_nowhere_else(planted: str, ci: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"))
    (tmp_path / "test_planted.py").write_text(SKIPS[planted])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode != 0 and "a skip is a failure" in done.stdout) == (ci == "true")
    if ci == "false":
        assert "1 skipped" in done.stdout
