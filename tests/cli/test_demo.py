"""The demo's command hands its options on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import causal_ranker.demo
from causal_ranker.cli import main
from causal_ranker.demo import DemoResult


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asks of the demo, which is not run."""
    found: dict[str, Any] = {}

    def run_demo(**settings: Any) -> DemoResult:
        found.update(settings)
        settings["out"].mkdir(parents=True)
        return DemoResult(Path("report.html"), Path("model"), {"diff_vs_base": 0.25}, {"k": 4})

    monkeypatch.setattr(causal_ranker.demo, "run_demo", run_demo)
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"data": "journey", "full": False, "seed": 0}),
        (["--full", "--seed", "7"], {"data": "journey", "full": True, "seed": 7}),
        (["--data", "world"], {"data": "world", "full": False, "seed": 0}),
    ],
)
def test_every_option_reaches_the_demo(
    words: list[str], expected: dict[str, Any], asked: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--out", str(tmp_path / "out"), *words])
    assert stopped.value.code == 0
    assert asked.pop("console") is not None  # somebody watches: bars and tables are drawn
    assert asked.pop("out") == tmp_path / "out"
    assert asked == expected
    (record,) = (tmp_path / "out").rglob("run*.json")
    told = json.loads(record.read_text("utf-8"))
    assert told["figures"] == {"diff_vs_base": 0.25}
    assert told["settings"]["config"] == {"k": 4}
    read = told["inputs"]
    if expected["data"] == "world":
        assert read == {}
    else:
        assert read["complete journey"]["files"] >= 3
        assert len(read["complete journey"]["content"]) == 32
