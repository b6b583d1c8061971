"""Shares of lines are counted over statements, room by room, and files with gaps are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from benchmarks import heart_lines
from benchmarks._mutation_tests import ROOT, Covered, Recorded


class _Tree:
    """Answers for each room: ten statements in a whole file, four in one of which two ran."""

    def record(self, tests: Sequence[str], *, source: Sequence[str]) -> Recorded:
        assert [name.removeprefix("tests/") for name in tests] == [
            name.removeprefix("causal_ranker/") for name in source
        ]
        named = {
            "whole": Covered(frozenset(range(10)), frozenset(), {}),
            "half": Covered(frozenset({1, 2, 4, 8}), frozenset({2, 4}), {}),
        }
        files = {f"{room}/{name}.py": each for room in source for name, each in named.items()}
        return Recorded({}, files)


@pytest.mark.parametrize("quick", [False, True])
def test_shares_are_of_statements(quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def copied() -> Iterator[_Tree]:
        yield _Tree()

    monkeypatch.setattr(heart_lines, "copied", copied)
    found = heart_lines.run(quick=quick)
    rooms = ("labels",) if quick else heart_lines.HEART
    assert found.figures["share"] == round(12 / 14, 4)
    assert found.figures["lines"] == 14 * len(rooms)
    assert found.rows[: len(rooms)] == [(room, 14, 2, 12 / 14) for room in rooms]
    assert found.rows[len(rooms)] == ("all", 14 * len(rooms), 2 * len(rooms), 12 / 14)
    missed = [(f"causal_ranker/{room}/half.py", 4, 2, 0.5) for room in rooms]
    assert found.rows[len(rooms) + 1 :] == missed


def test_the_heart_has_code_and_tests() -> None:
    for room in heart_lines.HEART:
        assert (ROOT / "causal_ranker" / room / "__init__.py").exists()
        assert list((ROOT / "tests" / room).glob("test_*.py"))
