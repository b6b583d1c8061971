"""Imports point down only: no room imports from above, nor from a neighbour on its own floor."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "causal_ranker"
ROOT = Path(__file__).parents[2] / PACKAGE

# The lowest floor comes first. A room is a folder or a file directly under the package.
FLOORS = {
    0: {"errors", "columns", "config", "seeds", "addresses", "_extras"},
    1: {"stats", "boosting", "explain", "paging"},
    2: {"logs", "reporting"},
    3: {"attribution", "recommenders"},
    4: {"labels", "worlds"},
    5: {"features"},
    6: {"uplift"},
    7: {"evaluation", "reranking", "coldstart", "drift", "experiments"},
    8: {"serving"},
    9: {"chain", "doctor"},
    10: {"ranker"},
    11: {"demo", "init", "runs"},
    12: {"cli"},
    13: {"__init__", "__main__"},
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
# The one exception to "no neighbours": all of floor 0 raises from errors, which imports nothing.
SHARED_ON_FLOOR = {0: {"errors"}}


@dataclass(frozen=True)
class Import:
    module: str
    line: int


def room_of(path: Path, root: Path) -> str:
    first = path.relative_to(root).parts[0]
    return first.removesuffix(".py")


def imports_of(source: str, *, module: str, is_package: bool) -> list[Import]:
    """Every module a file imports: at the top, inside a function, for types only, or by name."""
    tree = ast.parse(source)
    package = module if is_package else module.rpartition(".")[0]
    found: list[Import] = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            # `from causal_ranker import logs` imports the room, not the package's root
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module"
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            names = [node.args[0].value]
        found += [Import(name, node.lineno) for name in names]
    return found


def violations(root: Path) -> list[str]:
    """One line for each import that does not point down."""
    wrong: list[str] = []
    for path in sorted(root.rglob("*.py")):
        room = room_of(path, root)
        relative = path.relative_to(root)
        if room not in FLOOR_OF:
            wrong.append(f"{relative}: the room '{room}' is on no floor; add it to FLOORS")
            continue
        floor = FLOOR_OF[room]
        is_package = path.name == "__init__.py"
        dotted = ".".join([PACKAGE, *relative.with_suffix("").parts])
        module = dotted.removesuffix(".__init__") if is_package else dotted
        for found in imports_of(path.read_text("utf-8"), module=module, is_package=is_package):
            parts = found.module.split(".")
            if parts[0] != PACKAGE or len(parts) == 1:
                continue
            target = parts[1]
            if target == room:
                continue
            if target not in FLOOR_OF:
                # `from causal_ranker import CausalRanker` goes through the roof, except for
                # the version, which hangs on the root and loads nothing
                target_floor = -1 if target == "__version__" else max(FLOORS)
            else:
                target_floor = FLOOR_OF[target]
            allowed = target_floor < floor or (
                target_floor == floor and target in SHARED_ON_FLOOR.get(floor, set())
            )
            if not allowed:
                wrong.append(
                    f"{relative}:{found.line}: '{room}' (floor {floor}) imports "
                    f"'{found.module}' (floor {target_floor})"
                )
    return wrong


def test_imports_point_down() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("stats/aipw.py", "from causal_ranker.logs.sources import connect"),
        ("stats/aipw.py", "import causal_ranker.uplift.base as base"),
        ("stats/aipw.py", "from causal_ranker import uplift"),
        ("stats/aipw.py", "from ..logs import sources"),
        ("stats/aipw.py", "def late():\n    from causal_ranker.ranker import CausalRanker"),
        ("stats/aipw.py", "import importlib\nimportlib.import_module('causal_ranker.cli')"),
        ("stats/aipw.py", "from causal_ranker import CausalRanker"),
        ("logs/sources.py", "from causal_ranker.reporting.blocks import Text"),
        ("evaluation/evaluate.py", "from causal_ranker.reranking import policies"),
        ("errors.py", "from causal_ranker.columns import Columns"),
        ("ranker.py", "from causal_ranker import demo"),
        ("doctor.py", "from causal_ranker import cli"),
        ("doctor.py", "from causal_ranker.chain.train import train"),
        ("boosting.py", "from causal_ranker.stats.aipw import aipw_scores"),
        ("chain/train.py", "from causal_ranker.ranker import CausalRanker"),
        ("attic/new.py", "x = 1"),
        (
            "labels/dataset.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from causal_ranker.features import history",
        ),
    ],
)
def test_planted_violations_are_caught(tmp_path: Path, room: str, source: str) -> None:
    path = tmp_path / room
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(source, "utf-8")
    assert len(violations(tmp_path)) == 1


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("logs/sources.py", "from causal_ranker.errors import DataError\nimport numpy as np"),
        ("logs/sources.py", "from causal_ranker.logs.contract import check_plays"),
        ("logs/sources.py", "from .contract import check_plays"),
        ("config.py", "from causal_ranker.errors import ConfigError"),
        ("cli.py", "from causal_ranker import __version__, doctor"),
        ("demo.py", "from causal_ranker.ranker import CausalRanker"),
        ("ranker.py", "from causal_ranker.chain.train import train"),
        ("uplift/dr.py", "from causal_ranker.boosting import fit_trees"),
    ],
)
def test_downward_imports_pass(tmp_path: Path, room: str, source: str) -> None:
    path = tmp_path / room
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(source, "utf-8")
    assert violations(tmp_path) == []


def test_every_room_of_the_tree_stands_on_exactly_one_floor() -> None:
    placed = [room for rooms in FLOORS.values() for room in rooms]
    assert len(placed) == len(set(placed))
    rooms = {room_of(path, ROOT) for path in ROOT.rglob("*.py")}
    assert rooms <= set(placed), f"on no floor: {sorted(rooms - set(placed))}"
