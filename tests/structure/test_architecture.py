"""ARCHITECTURE.md stays true: its floors are the tested ones, and the tests it names exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.structure.test_floors import FLOORS, room_of
from tests.structure.test_floors import ROOT as PACKAGE

ROOT = Path(__file__).parents[2]
ROOF = {"__init__", "__main__"}


def section(title: str) -> str:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section '{title}'"
    return found[1]


def rooms(title: str) -> list[tuple[int, str]]:
    return [
        (int(floor), room)
        for floor, room in re.findall(r"^\| (\d+) \| `(\w+)` \|", section(title), re.MULTILINE)
    ]


def test_the_floors_are_the_tested_ones_and_what_stands_is_told_from_what_does_not() -> None:
    standing = {room_of(path, PACKAGE) for path in PACKAGE.rglob("*.py")} - ROOF
    placed = {(floor, room) for floor, names in FLOORS.items() for room in names - ROOF}
    built, planned = rooms("Floors"), rooms("Not built yet")
    assert built == sorted(built, key=lambda row: row[0])
    assert len(built) == len(set(built))
    assert set(built) == {(floor, room) for floor, room in placed if room in standing}
    assert set(planned) == {(floor, room) for floor, room in placed if room not in standing}


def test_every_link_of_the_chain_is_named() -> None:
    row = next(line for line in section("Floors").splitlines() if "`chain`" in line)
    named = set(re.findall(r"`(\w+)`", row)) - {"chain"}
    links = {path.stem for path in (PACKAGE / "chain").glob("*.py")} - {"__init__", "config"}
    assert named == links


def test_the_tests_that_guard_the_traps_exist() -> None:
    text = section("What everyone gets wrong, and which test guards it")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 20
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).is_file()
        or not re.search(rf"^ *def {test}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)
    ]
    assert missing == []
    unguarded = [row for row in text.splitlines() if row.startswith("| ") and "::" not in row]
    assert [row.split("|")[1].strip() for row in unguarded] == ["trap"]
