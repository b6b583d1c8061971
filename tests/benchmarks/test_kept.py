"""Results that are kept: what a file says, when none is written, and what each of ours promises."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import Result, _kept, demo, load, names
from benchmarks.__main__ import main
from causal_ranker.errors import ConfigError

FILES = sorted(_kept.RESULTS.glob("*.json"))
FOUND = Result(("a|b", "share"), [("x", 0.25), ("y", float("nan"))], {"share": 0.25}, "of two")


@pytest.fixture
def origin() -> _kept.Origin:
    return _kept.Origin.now("import_time", load("import_time"), part=None)


def keys(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def limited(limits: Mapping[str, Any]) -> set[str]:
    """Name the figures with limits; some benchmarks tell the two sides apart."""
    nested = [each for each in limits.values() if isinstance(each, Mapping)]
    return set().union(*nested) if nested else set(limits)


def promised(name: str) -> set[str]:
    """Name the figures that the docstring of a benchmark's `run` names, and those with limits."""
    benchmark = load(name)
    told = returned(benchmark.run)
    if re.search(r"As told in `[\w.]*measured`", told):
        told = returned(demo.measured)
    return set(re.findall(r"``(\w+)``", told)) | limited(getattr(benchmark, "LIMITS", {}))


def returned(function: Callable[..., Result]) -> str:
    text = inspect.getdoc(function)
    assert text
    return text.split("Returns\n-------")[1].split("Raises\n------")[0]


def test_what_was_kept_is_read_again_and_missing_values_stay_missing(
    tmp_path: Path, origin: _kept.Origin
) -> None:
    path = _kept.keep(FOUND, origin=origin, seconds=1.26, folder=tmp_path / "results")
    kept = _kept.read_kept(path)
    assert path.name == "import_time.json"
    assert kept.origin == origin
    assert kept.seconds == 1.3
    assert kept.table.rows == [["x", 0.25], ["y", None]]
    assert kept.table.note == "of two"
    assert kept.figures == FOUND.figures
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_origin_is_this_commit_and_names_no_path(origin: _kept.Origin) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", origin.commit)
    assert origin.command == "python -m benchmarks import_time --keep"
    assert re.match(r"\d+ cores of .+, \d+ GiB, \w+, Python 3\.\d+", origin.machine)
    assert str(Path.home()) not in json.dumps(origin.__dict__)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.pop("figures"),
        lambda told: told.update(more=1),
        lambda told: told["origin"].pop("commit"),
        lambda told: told["table"]["rows"].append([1]),
    ],
)
def test_a_file_that_is_no_result_is_refused(
    change: Any, tmp_path: Path, origin: _kept.Origin
) -> None:
    path = _kept.keep(FOUND, origin=origin, seconds=1.0, folder=tmp_path)
    told = json.loads(path.read_text("utf-8"))
    change(told)
    path.write_text(json.dumps(told), "utf-8")
    with pytest.raises(ConfigError, match=r"a kept result in import_time\.json"):
        _kept.read_kept(path)


@pytest.mark.parametrize(
    "other", [["--quick"], ["--search"], ["--embeddings", "mine.npz"]], ids=lambda words: words[0]
)
def test_only_a_full_run_is_kept(
    other: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(_kept, "RESULTS", tmp_path)
    assert main(["import_time", "--keep", *other]) == 2
    assert "leave --keep out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_keeps_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_kept, "RESULTS", tmp_path)
    assert main(["import_time", "--keep"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    kept = _kept.read_kept(tmp_path / "import_time.json")
    assert printed == {"benchmark": "import_time", "quick": False, **kept.figures}


@pytest.mark.parametrize("name", names())
def test_every_benchmark_promises_figures(name: str) -> None:
    assert promised(name)


def test_something_is_kept() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_kept_result_has_the_figures_that_its_benchmark_promises(path: Path) -> None:
    kept = _kept.read_kept(path)
    # Of what is told room by room, each file has to have one room at least.
    words = {word.replace("ROOM", r"\w+") for word in promised(kept.origin.benchmark)}
    told = set(keys(kept.figures))
    found = {word for word in words for key in told if re.fullmatch(word, key)}
    if kept.origin.part is None:
        assert words == found, sorted(words - found)
    else:  # a part has figures of its own
        assert found
        assert kept.origin.benchmark != "mutation" or words == found
    assert path.stem == ".".join(filter(None, (kept.origin.benchmark, kept.origin.part)))
    assert kept.table.rows
