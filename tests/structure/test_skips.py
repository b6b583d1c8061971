"""In CI a skip is a failure, wherever it comes from, except for one test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MAY_SKIP

ROOT = Path(__file__).parents[2]
SKIPS = {
    "mark": "import pytest\n@pytest.mark.skip(reason='planted')\ndef test_it(): pass\n",
    "call": "import pytest\ndef test_it(): pytest.skip('planted')\n",
    "module": "import pytest\npytest.importorskip('no_such_module_anywhere')\n",
}


@pytest.mark.parametrize("ci", ["true", "false"])
@pytest.mark.parametrize("planted", SKIPS)
def test_a_skip_fails_in_ci_and_nowhere_else(planted: str, ci: str, tmp_path: Path) -> None:
    done = run(SKIPS[planted], "test_planted.py", ci=ci, folder=tmp_path)
    assert (done.returncode != 0 and "a skip is a failure" in done.stdout) == (ci == "true")
    if ci == "false":
        assert "1 skipped" in done.stdout


def test_one_test_by_name_may_skip_in_ci(tmp_path: Path) -> None:
    file, _, name = MAY_SKIP.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text("utf-8")
    skips = f"import pytest\ndef {name}(): pytest.skip('planted')\n"
    done = run(skips, file, ci="true", folder=tmp_path)
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
    other = skips + "def test_other(): pytest.skip('planted')\n"
    done = run(other, file, ci="true", folder=tmp_path)
    assert done.returncode != 0
    assert "1 failed, 1 skipped" in done.stdout


def run(source: str, file: str, *, ci: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"))
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
