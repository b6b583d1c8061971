"""A throw-away copy of the tree whose tests run on demand, and which tests run which line."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["ROOT", "Covered", "Recorded", "Tree", "copied"]

ROOT: Final = Path(__file__).parents[1]
#: Imported once, before children fork. Never a module of the tree: each child imports that anew.
_HEAVY: Final = (
    "_pytest.assertion.rewrite",
    "hypothesis.strategies",
    "hypothesis.extra.numpy",
    "ibis",
    "ibis.backends.duckdb",
    "lightgbm",
    "matplotlib.figure",
    "pandas",
    "pydantic",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.model_selection",
)
_COPIED: Final = ("causal_ranker", "tests", "benchmarks")
_JUDGE: Final = Path(__file__).with_name("_mutation_judge.py")


@dataclass(frozen=True)
class Covered:
    """What tests ran of a file.

    Parameters
    ----------
    statements : frozenset of int
        The lines that statements begin at.
    missing : frozenset of int
        Those that no test ran.
    tests : mapping of int to sequences of str
        The tests that ran each line, by their ids.
    """

    statements: frozenset[int]
    missing: frozenset[int]
    tests: Mapping[int, Sequence[str]]


@dataclass(frozen=True)
class Recorded:
    """What a run of tests was.

    Parameters
    ----------
    seconds : mapping of str to float
        How long each test took, by its id.
    files : mapping of str to Covered
        By path from the root of the tree.
    """

    seconds: Mapping[str, float]
    files: Mapping[str, Covered]

    def tests_of(self, path: str, line: int, *, source: str) -> list[str]:
        """Name the tests that can tell whether a line is as it should be.

        Parameters
        ----------
        path : str
            The file's, from the root of the tree.
        line : int
            The line, from 1.
        source : str
            The file's text.

        Returns
        -------
        list of str
            The tests that run its statement, the quickest first; all tests for a line that runs
            when the module is imported.
        """
        lines = _statement(source, line)
        found = set(self.seconds)
        if lines is not None:
            found = {test for at in lines for test in self.files[path].tests.get(at, ())}
        return sorted(found, key=lambda test: (self.seconds[test], test))


class Tree:
    """A copy of the tree, and a process that runs its tests; see `copied`."""

    def __init__(self, root: Path, judge: subprocess.Popen[str]) -> None:
        self.root = root
        self._judge = judge
        self._writes = 0

    def record(self, tests: Sequence[str], *, source: Sequence[str]) -> Recorded:
        """Run tests, all of which have to pass, and see what they run.

        Parameters
        ----------
        tests : sequence of str
            As pytest takes them.
        source : sequence of str
            Folders to look at.

        Returns
        -------
        Recorded
            What ran.

        Raises
        ------
        RuntimeError
            If a test fails: it could not tell a mutant from the module.
        """
        file = self.root / "recorded.json"
        failed = self._ask({"tests": list(tests), "record": str(file), "source": list(source)})
        if failed is not None:
            raise RuntimeError(f"expected tests that pass; got failures. Mend them.\n{failed}")
        found = json.loads(file.read_text("utf-8"))
        files = {
            path: Covered(
                frozenset(each["statements"]),
                frozenset(each["missing"]),
                {int(line): tests for line, tests in each["tests"].items()},
            )
            for path, each in found["files"].items()
        }
        return Recorded(found["seconds"], files)

    def judge(self, path: str, code: str, *, tests: Sequence[str], seconds: float) -> str:
        """Run tests on a file with other code, and put the file back.

        Parameters
        ----------
        path : str
            The file's, from the root of the tree.
        code : str
            What stands in it meanwhile.
        tests : sequence of str
            By their ids.
        seconds : float
            Of the processor that they may take.

        Returns
        -------
        str
            "killed" by a test that failed, "timed out", or "survived".
        """
        original = (self.root / path).read_text("utf-8")
        try:
            self._write(path, code)
            return str(self._ask({"tests": list(tests), "seconds": seconds}))
        finally:
            self._write(path, original)

    def _write(self, path: str, code: str) -> None:
        # Python tells compiled files apart by whole seconds: each text gets one of its own.
        self._writes += 1
        (self.root / path).write_text(code, "utf-8")
        os.utime(self.root / path, (self._writes, self._writes))

    def _ask(self, question: Mapping[str, Any]) -> object:
        assert self._judge.stdin is not None
        assert self._judge.stdout is not None
        self._judge.stdin.write(json.dumps(question) + "\n")
        self._judge.stdin.flush()
        line = self._judge.stdout.readline()
        if not line:
            raise RuntimeError("expected an answer; the process that runs tests has ended.")
        return json.loads(line)


@contextmanager
def copied(root: Path = ROOT, *, heavy: Sequence[str] = _HEAVY) -> Iterator[Tree]:
    """Copy a tree, and start a process that runs its tests, one thread and the same examples.

    Parameters
    ----------
    root : Path, optional
        This one by default.
    heavy : sequence of str, optional
        Modules of libraries that tests of the tree import.

    Yields
    ------
    Tree
        The copy, gone with its process at the end.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "tree"
        for name in _COPIED:
            if (root / name).is_dir():
                without = shutil.ignore_patterns("__pycache__", ".hypothesis")
                shutil.copytree(root / name, copy / name, ignore=without)
        shutil.copy(root / "pyproject.toml", copy)
        others = os.environ.get("PYTHONPATH", "")
        environment = {
            **os.environ,
            "CAUSAL_RANKER_DATA": os.environ.get(
                "CAUSAL_RANKER_DATA", str(root.parent / "shared" / "data")
            ),
            "CI": "true",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.pathsep.join([str(copy), *filter(None, [others])]),
        }
        judge = subprocess.Popen(
            [sys.executable, "-P", str(_JUDGE), *heavy],
            cwd=copy,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Tree(copy, judge)
        finally:
            judge.terminate()
            judge.communicate()


def _statement(source: str, line: int) -> range | None:
    """Find the lines of the statement that a line is in; None where it runs at import."""
    tree = ast.parse(source)
    bodies: list[ast.stmt] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            bodies += [each for each in ast.walk(node) if isinstance(each, ast.stmt)]
            bodies.remove(node)
    around = [each for each in bodies if each.lineno <= line <= (each.end_lineno or line)]
    if not around:
        return None
    innermost = max(around, key=lambda each: (each.lineno, -(each.end_lineno or 0)))
    inside = getattr(innermost, "body", None)
    end = inside[0].lineno - 1 if inside else innermost.end_lineno
    return range(innermost.lineno, max(innermost.lineno, end or 0) + 1)
