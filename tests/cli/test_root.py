"""The root of the command line: version, help, and the diagnosis."""

from __future__ import annotations

import re

from causal_ranker import __version__
from tests.cli.calling import Run
from tests.fresh import run_fresh


def test_the_version(run: Run) -> None:
    assert run("--version") == (0, f"causal-ranker {__version__}\n", "")


def test_the_diagnosis_is_printed(run: Run) -> None:
    code, out, _ = run("doctor")
    assert "Python" in out
    assert code in {0, 1}


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from causal_ranker.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stopped:\n    assert not stopped.code\n"
        "heavy = {'numpy', 'pandas', 'duckdb', 'ibis', 'lightgbm', 'sklearn', 'matplotlib'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)\n"
    )
    done = run_fresh(code)
    assert done.returncode == 0, done.stderr
    commands = ("demo", "doctor", "rerank", "serve", "attribute", "label", "fit", "evaluate")
    assert [name for name in commands if not re.search(rf"^\W*{name} ", done.stdout, re.M)] == []
