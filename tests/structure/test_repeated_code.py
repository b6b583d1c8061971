"""Code stands once: no two places share more than ten lines, by what they do."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable

from tests.structure.test_tracked_files import ROOT, files

MOST = 10


def code_lines(source: str) -> list[str]:
    """Lines that do something: no docstrings, signatures, imports, comments or indentation."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant(str())):
                left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            case ast.FunctionDef() | ast.AsyncFunctionDef():  # a signature only declares
                left_out.update(range(node.lineno, node.body[0].lineno))
    lines = enumerate((line.strip() for line in source.splitlines()), 1)
    return [
        line
        for number, line in lines
        if number not in left_out and not line.startswith("#") and re.search(r"\w", line)
    ]


def repeated(sources: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Where runs of one line more than may be shared stand, for each run that stands twice."""
    places = defaultdict(list)
    for name, source in sources:
        lines = code_lines(source)
        for start in range(len(lines) - MOST):
            places[tuple(lines[start : start + MOST + 1])].append(name)
    return sorted({tuple(names) for names in places.values() if len(names) > 1})


def test_no_code_stands_twice() -> None:
    paths = [path for path in files() if path.suffix == ".py"]
    assert len(paths) > 500
    found = repeated((str(path.relative_to(ROOT)), path.read_text("utf-8")) for path in paths)
    assert found == []


def test_a_planted_copy_is_caught_and_a_shorter_one_passes() -> None:
    body = "\n".join(f"    x{n} = {n}" for n in range(MOST))
    one, two = f"def f():\n    '''a'''\n{body}\n    return 1", f"def g():\n    'b'\n{body}\n"
    assert repeated([("one", one), ("two", two)]) == []
    assert repeated([("one", one), ("two", two + "    return 1")]) == [("one", "two")]
