"""The commands on a decision log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import MESSAGE, Run
from tests.serving.decisions.making import decision, play, view, write

MOMENT = 1_760_000_000_000


def test_compact_prints_what_it_did_and_forget_what_it_erased(run: Run, tmp_path: Path) -> None:
    a, held = decision("a", user=7), decision("h", user=1, holdout=True, explored=False)
    log = write(tmp_path / "log", [a, held, view(a, 0)], [view(a, 0), play(3, MOMENT, user_id=7)])
    out = tmp_path / "out"
    code, said, err = run("decisions", "compact", log, "--out", out, "--json")
    assert (code, err) == (0, "")
    figures = json.loads(said)
    assert figures["decisions"] == 2
    assert figures["explained_share"] == 0.5
    assert figures["unexplained"] == {"holdout": 1}
    assert (figures["events"], figures["plays"], figures["views"]) == (3, 1, 1)
    assert figures["duplicates"] == 1
    code, said, _ = run("decisions", "compact", log, "--out", out)
    assert code == 0
    assert "explained share" in said
    assert "unknown" in said
    code, said, _ = run("forget", "--user", 7, "--log", log, "--compacted", out, "--json")
    assert code == 0
    erased = {(where, what): count for where, what, count in json.loads(said)["erased"]}
    assert erased[str(log), "decisions"] == 1
    assert erased[str(log), "events"] == 3
    assert erased[str(out), "candidates"] == 6
    assert erased[str(out), "plays"] == 1
    code, said, _ = run("forget", "--user", 7, "--log", log, "--compacted", out)
    assert code == 0
    assert "nothing" in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"explored": False}, "No list of this run was drawn at random"),
        ({"constrained": True}, "No list of this run has chances that are known"),
        ({}, None),
    ],
)
def test_a_run_without_candidates_says_how_to_get_some(
    run: Run, tmp_path: Path, settings: dict[str, Any], said: str | None
) -> None:
    log = write(tmp_path / "log", [decision("a", **settings)])
    _, told, _ = run("decisions", "compact", log, "--out", tmp_path / "one", "--json")
    advice = json.loads(told)["advice"]
    _, told, _ = run("decisions", "compact", log, "--out", tmp_path / "two")
    if said is None:
        assert advice is None
        assert "[exploration]" not in told
        return
    assert advice.startswith(said)
    assert "[exploration]" in told
    _, told, _ = run("decisions", "compact", log, "--out", tmp_path / "two", "--json")
    assert json.loads(told)["advice"] is None, "nothing came in"


def test_a_log_that_is_not_there_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    for words in (
        ("decisions", "compact", tmp_path / "no", "--out", tmp_path / "out"),
        ("forget", "--user", "x", "--log", tmp_path / "no"),
        ("forget", "--user", "x", "--log", tmp_path, "--models", tmp_path / "no"),
        ("forget", "--user", "x", "--log", tmp_path, "--compacted", tmp_path / "no"),
    ):
        code, _, err = run(*words)
        assert code == 2
        assert MESSAGE.fullmatch(err.strip())
