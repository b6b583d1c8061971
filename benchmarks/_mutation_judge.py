"""Runs tests in forked children of one process that has imported the heavy libraries.

``python -P _mutation_judge.py MODULE ...``, in the root of a tree and with it as ``PYTHONPATH``,
imports those modules, reads questions from standard input, a line of JSON each, and prints a line
of JSON for each:

``{"tests": [...], "seconds": S}`` runs tests until one fails, and answers ``"killed"``,
``"survived"`` or ``"timed out"`` (more than S seconds of the processor).

``{"tests": [...], "record": FILE, "source": [...]}`` runs all of them, and writes to the file how
long each took, and which lines of the folders in ``source`` it ran; it answers with what pytest
printed, or null where all passed.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Generator, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import pytest
from coverage import Coverage

_MEMORY: Final = 12 << 30  # bytes of address space: a mutant may ask for any size
_PATIENCE: Final = 20  # seconds by the clock for one of the processor, on a busy machine
#: Lines that no test can run: they are for readers of types, or compiled by Numba.
_NOT_RUN: Final = (
    r"if TYPE_CHECKING:",
    r"^\s*\.\.\.$",
    r"@overload",
    r"@(numba\.)?njit",
)
# None is loaded by itself here; without its own, Hypothesis refuses tests that classes share.
_PLUGINS: Final = ("-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin")
_PYTEST: Final = ("-q", "-m", "not slow", *_PLUGINS)


class _Recorder:
    """Tells coverage which test runs, and keeps how long each took."""

    def __init__(self, covered: Coverage) -> None:
        self._covered = covered
        self.seconds: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._covered.switch_context(item.nodeid)
        result = yield
        self._covered.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


def _record(tests: Sequence[str], *, record: str, source: Sequence[str]) -> int:
    covered = Coverage(data_file=None, source=list(source), config_file=False)
    for pattern in _NOT_RUN:
        covered.exclude(pattern)
    recorder = _Recorder(covered)
    covered.start()
    code = int(pytest.main([*_PYTEST, *tests], plugins=[recorder]))
    covered.stop()
    root = Path.cwd()
    files: dict[str, Any] = {}
    for path in sorted(each for folder in source for each in root.glob(f"{folder}/**/*.py")):
        _, statements, _, missing, _ = covered.analysis2(str(path))
        lines = covered.get_data().contexts_by_lineno(str(path))
        files[path.relative_to(root).as_posix()] = {
            "statements": statements,
            "missing": missing,
            "tests": {line: [each for each in names if each] for line, names in lines.items()},
        }
    found = {"seconds": recorder.seconds, "files": files}
    Path(record).write_text(json.dumps(found), "utf-8")
    return code


def _child(question: dict[str, Any], output: int) -> None:
    """Run the tests in this process, a forked one, and end it with pytest's exit code."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    code = 3
    try:
        if "record" in question:
            code = _record(question["tests"], record=question["record"], source=question["source"])
        else:
            limit = int(question["seconds"]) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            code = int(pytest.main(["-x", *_PYTEST, *question["tests"]]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def _ended(pid: int, *, seconds: float | None) -> int | None:
    """Wait for a child; None where it took too long and was ended."""
    until = None if seconds is None else monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if code in (-signal.SIGXCPU, -signal.SIGKILL) and until else code
        if until is not None and monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            until = monotonic() + 60
        sleep(0.02)


def _answer(question: dict[str, Any]) -> str | None:
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            _child(question, output.fileno())
        recorded = "record" in question
        code = _ended(pid, seconds=None if recorded else _PATIENCE * question["seconds"])
        if not recorded:
            return "timed out" if code is None else "killed" if code else "survived"
        output.seek(0)
        return output.read().decode("utf-8", "replace") if code else None


def main() -> None:
    """Answer questions until there are no more."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    found = importlib.util.find_spec("causal_ranker")
    if found is None or not Path(str(found.origin)).is_relative_to(Path.cwd()):
        raise SystemExit(f"expected causal_ranker below {Path.cwd()}; got {found}")
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
