from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import benchmarks
from benchmarks.__main__ import main

PLANTED = """
from benchmarks import Result

DESCRIPTION = "a planted benchmark"


def run(*, quick: bool) -> Result:
    return Result(("what", "value"), [("x", 0.5)], {"x": float("nan"), "saw": quick})
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "planted.py").write_text(PLANTED, "utf-8")
    (tmp_path / "_helper.py").write_text("", "utf-8")
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield "planted"
    sys.modules.pop("benchmarks.planted", None)


def test_a_module_that_is_dropped_in_is_found(planted: str) -> None:
    assert planted in benchmarks.names()
    assert not any(name.startswith("_") for name in benchmarks.names())


@pytest.mark.parametrize("quick", [False, True])
def test_the_last_line_is_json(
    planted: str, quick: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([planted, *(["--quick"] if quick else [])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("a planted benchmark" in line for line in lines)
    assert any("x" in line and "0.5" in line for line in lines)
    assert json.loads(lines[-1]) == {"benchmark": planted, "quick": quick, "x": None, "saw": quick}


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == benchmarks.names()
    assert all(len(line.split()) > 1 for line in lines)
    assert "import_time" in benchmarks.names()


@pytest.mark.parametrize("arguments", [["no_such"], []])
def test_an_unknown_name_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "import_time" in printed.err


def test_an_unknown_name_is_not_loaded() -> None:
    with pytest.raises(KeyError):
        benchmarks.load("os")


def test_the_import_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import_time", "--quick"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < found["seconds"] < 60
    assert found["limit"] == 0.5
