"""Mutants are faults that run, drawn alike from every place; and who notices them is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import mutation
from benchmarks._mutants import Mutant, draw, places
from benchmarks._mutation_tests import ROOT, Recorded, copied

SOURCE = """from __future__ import annotations


def shown(a: int | None, *, b: float = 2.0) -> float | None:
    if a is None:
        return None
    return a + b
"""


def made(source: str, n: int = 1_000, seed: int = 0) -> list[Mutant]:
    rng = np.random.default_rng(seed)
    return draw(places("m.py", source), {"m.py": source}, n=n, rng=rng)


def codes(source: str) -> set[str]:
    return {each.code for seed in range(40) for each in made(source, seed=seed)}


def test_every_change_is_one_that_runs_and_of_the_same_kind() -> None:
    changed = codes(SOURCE)
    assert SOURCE.replace("a + b", "a - b") in changed
    assert SOURCE.replace("2.0", "3.0") in changed
    assert SOURCE.replace("is None", "is not None") in changed
    # Neither annotations nor shifts of numbers.
    assert all("a: int | None" in each and ">>" not in each for each in changed)
    assert all(", *, b" in each and "-> float | None" in each for each in changed)


def test_rules_in_annotations_are_changed() -> None:
    source = "class C:\n    n: Annotated[int, Field(ge=4)] = 0\n"
    assert any("ge= 5" in each for each in codes(source))


def test_places_weigh_alike_however_many_ways_they_can_be_wrong() -> None:
    source = "def f(a, b):\n    return (a + b) if a else True\n"
    assert [len(each.changes) for each in places("m.py", source)] == [6, 1, 1]
    lines = [made(source, n=1, seed=seed)[0].change for seed in range(300)]
    arithmetic = sum(each.startswith("ReplaceBinaryOperator") for each in lines)
    assert abs(arithmetic - 100) < 4 * np.sqrt(300 * (1 / 3) * (2 / 3))


def test_a_seed_draws_the_same() -> None:
    assert made(SOURCE, n=2, seed=5) == made(SOURCE, n=2, seed=5)
    assert len({each.code for each in made(SOURCE)}) == len(made(SOURCE))


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A tree of one module, half of which its tests look at."""
    package, tests = tmp_path / "causal_ranker", tmp_path / "tests"
    package.mkdir()
    tests.mkdir()
    (package / "__init__.py").write_text("", "utf-8")
    (package / "m.py").write_text(
        "LEAST = 3\n\n\n"
        "def add(a, b):\n    return a + b\n\n\n"
        "def blind(a, b):\n    return a * b\n\n\n"
        "def never(a):\n    return -a\n",
        "utf-8",
    )
    (tests / "test_m.py").write_text(
        "from causal_ranker import m\n\n\n"
        "def test_add():\n    assert m.add(2, m.LEAST) == 5\n\n\n"
        "def test_blind():\n    m.blind(2, 3)\n",
        "utf-8",
    )
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nmarkers = ["slow: s"]\n', "utf-8"
    )
    return tmp_path


@pytest.mark.slow
def test_faults_that_tests_see_are_killed_and_others_survive(planted: Path) -> None:
    path = "causal_ranker/m.py"
    source = (planted / path).read_text("utf-8")
    with copied(planted, heavy=()) as tree:
        recorded = tree.record(["tests"], source=["causal_ranker"])
        assert recorded.files[path].missing == {13}
        add, blind = "tests/test_m.py::test_add", "tests/test_m.py::test_blind"
        assert recorded.tests_of(path, 5, source=source) == [add]
        assert recorded.tests_of(path, 9, source=source) == [blind]
        assert recorded.tests_of(path, 13, source=source) == []
        assert set(recorded.tests_of(path, 1, source=source)) == {add, blind}  # it runs at import

        def judged(before: str, after: str, test: str, seconds: float = 60) -> str:
            assert before in source
            code = source.replace(before, after)
            return tree.judge(path, code, tests=[test], seconds=seconds)

        assert judged("a + b", "a + b", add) == "survived"
        assert judged("a + b", "a - b", add) == "killed"
        assert judged("LEAST = 3", "LEAST = 4", add) == "killed"
        assert judged("a * b", "a + b", blind) == "survived"
        assert judged("LEAST = 3", "LEAST = 1 / 0", blind) == "killed"
        assert judged("return a * b", "while True: pass", blind, 1) == "timed out"
        # Put back, and compiled anew.
        assert judged("a + b", "b + a", add) == "survived"
        assert (tree.root / path).read_text("utf-8") == source
        # Tests that pass in one order only would call every fault noticed.
        (tree.root / "tests" / "test_two.py").write_text(
            "seen = []\n\ndef test_a():\n    seen.append(1)\n\ndef test_b():\n    assert seen\n",
            "utf-8",
        )
        a, b = (f"tests/test_two.py::test_{name}" for name in "ab")
        mutation._refuse_false_alarms(tree, {path: source}, Recorded({a: 0.0, b: 1.0}, {}))
        with pytest.raises(RuntimeError, match="tests that pass in any order"):
            mutation._refuse_false_alarms(tree, {path: source}, Recorded({a: 1.0, b: 0.0}, {}))
        (tree.root / "tests" / "test_m.py").write_text("def test_it():\n    assert 0\n", "utf-8")
        with pytest.raises(RuntimeError, match="tests that pass"):
            tree.record(["tests"], source=["causal_ranker"])
    assert (planted / path).read_text("utf-8") == source


def test_every_room_has_modules_and_tests_and_one_of_each_for_a_quick_look() -> None:
    for room in mutation.ROOMS.values():
        assert all(list(ROOT.glob(pattern)) for pattern in room.modules)
        assert all((ROOT / each).exists() for each in (*room.tests, *room.quick))


@pytest.mark.slow
def test_the_table() -> None:
    found = mutation.run(quick=True, part="labels")
    assert found.rows[0][0] == "labels"
    assert found.figures["labels_places"] == 2
    score = found.figures["labels_score"]
    assert score in (0.0, 0.5, 1.0)
    assert len(found.rows) == 1 + round(2 * (1 - score))
    assert found.figures["labels_low"] <= score <= found.figures["labels_high"]
