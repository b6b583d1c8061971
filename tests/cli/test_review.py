"""`causal-ranker review`, and what it shares with `monitor` and `forget`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causal_ranker.drift.review.queue import ReviewQueue
from tests.cli.calling import MESSAGE, Run
from tests.drift.review.making import alert, entry, row
from tests.serving.decisions.making import decision, write


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    path = tmp_path / "queue.sqlite"
    with ReviewQueue(path) as opened:
        opened.add([entry(alert("x7"), 2.0), entry(row(7)), entry(row("7"))])
    return path


def test_a_verdict_from_list_to_export(run: Run, queue: Path, tmp_path: Path) -> None:
    code, said, err = run("review", "list", queue, "--json")
    assert (code, err) == (0, "")
    first, *rows = json.loads(said)["entries"]
    assert (first["kind"], first["about"]["subject"]) == ("alert", "x7")
    assert len(rows) == 2
    who = ("--who", "ann", "--why", "a holiday")
    code, said, _ = run("review", "decide", queue, first["id"], "false_alarm", *who, "--json")
    assert code == 0
    assert json.loads(said)["raised"][0]["effect"] == pytest.approx(0.22)
    code, said, _ = run("review", "decide", queue, rows[0]["id"], "label_corrected", *who)
    assert code == 0
    assert "label_corrected" in said
    code, said, _ = run("review", "show", queue, first["id"])
    assert code == 0
    assert "a holiday" in said
    shown = json.loads(run("review", "show", queue, first["id"], "--json")[1])
    assert [v["kind"] for v in shown["verdicts"]] == ["false_alarm"]
    waiting = json.loads(run("review", "list", queue, "--json")[1])["entries"]
    assert [e["id"] for e in waiting] == [rows[1]["id"]]
    assert "x7" in run("review", "list", queue, "--decided", "--kind", "alert")[1]
    labels = tmp_path / "labels.parquet"
    assert run("review", "export", queue, labels, "--labels")[0] == 0
    assert pd.read_parquet(labels)["outcome"].tolist() == [1]
    other = tmp_path / "other.sqlite"
    assert json.loads(run("review", "export", queue, tmp_path / "e.csv", "--json")[1])["rows"] == 3
    assert json.loads(run("review", "import", other, tmp_path / "e.csv", "--json")[1])["new"] == 3
    assert run("review", "list", other, "--decided", "--json") == run(
        "review", "list", queue, "--decided", "--json"
    )


def test_alerts_of_the_monitor_enter_and_a_false_alarm_quiets_it(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, shift in (("before", 0.0), ("now", 0.2)):
        frame = pd.DataFrame({"a": rng.normal(size=3000) + shift, "b": rng.normal(size=3000)})
        frame.to_parquet(tmp_path / f"{name}.parquet")
    path = tmp_path / "queue.sqlite"
    words = ("monitor", "--reference", tmp_path / "before.parquet", "--review", path)
    words = (*words, "--window", tmp_path / "now.parquet", "--json")
    code, said, _ = run(*words)
    assert code in {10, 11}
    assert json.loads(said)["new_alerts_to_review"] == 1
    code, said, _ = run(*words)
    assert code in {10, 11}
    assert json.loads(said)["new_alerts_to_review"] == 0
    (found,) = json.loads(run("review", "list", path, "--json")[1])["entries"]
    who = ("--who", "ann", "--why", "a holiday")
    run("review", "decide", path, found["id"], "false_alarm", *who)
    code, said, _ = run(*words)
    assert code == 0
    assert any("By verdicts on 1 false alarm" in note for note in json.loads(said)["notes"])
    run("review", "decide", path, found["id"], "unsure", *who)
    assert run(*words)[0] in {10, 11}


def test_rows_worth_a_look_enter_and_a_forgotten_user_does_not(run: Run, tmp_path: Path) -> None:
    labels = pd.DataFrame([vars(row(user, outcome=user % 2)) for user in range(40)])
    labels["off"] = labels["user_id"] / 40.0
    labels.loc[0, "off"] = np.nan
    labels.to_parquet(tmp_path / "labels.parquet")
    path = tmp_path / "queue.sqlite"
    words = ("review", "add", path, tmp_path / "labels.parquet", "--residual", "off")
    told = json.loads(run(*words, "--rows", 3, "--json")[1])
    assert told == {"looked_at": 40, "chosen": 3, "new": 3}
    found = json.loads(run("review", "list", path, "--json")[1])["entries"]
    assert [e["about"]["user_id"] for e in found] == [39, 38, 37]
    assert {e["reason"] for e in found} == {"far from what was predicted"}
    assert run("review", "export", path, tmp_path / "old.jsonl")[0] == 0
    log = write(tmp_path / "log", [decision("a", user=39)])
    assert run("forget", "--user", 39, "--log", log, "--review", path)[0] == 0
    told = json.loads(run("review", "import", path, tmp_path / "old.jsonl", "--json")[1])
    assert told == {"read": 3, "new": 0}
    assert json.loads(run(*words, "--rows", 3, "--json")[1])["new"] == 0
    found = json.loads(run("review", "list", path, "--json")[1])["entries"]
    assert [e["about"]["user_id"] for e in found] == [38, 37]


def test_forget_reaches_the_queue(run: Run, queue: Path, tmp_path: Path) -> None:
    log = write(tmp_path / "log", [decision("a", user=7)])
    code, said, _ = run("forget", "--user", 7, "--log", log, "--review", queue, "--json")
    assert code == 0
    assert [str(queue), "rows to review", 2] in json.loads(said)["erased"]
    with ReviewQueue(queue, create=False) as opened:
        assert [e.kind for e in opened.entries()] == ["alert"]


def test_mistakes_are_told_in_one_line(run: Run, queue: Path, tmp_path: Path) -> None:
    who = ("--who", "ann", "--why", "x")
    for words in (
        ("review", "list", tmp_path / "none"),
        ("review", "show", queue, "nothing"),
        ("review", "decide", queue, entry(row(7)).id, "false_alarm", *who),
        ("review", "decide", queue, entry(row(7)).id, "unsure", "--who", "ann", "--why", " "),
        ("review", "export", queue, tmp_path / "e.txt"),
        ("review", "add", queue, tmp_path / "none.parquet", "--margin", "x"),
        ("review", "import", queue, tmp_path / "none.csv"),
        ("forget", "--user", "x", "--log", tmp_path, "--review", tmp_path / "none"),
    ):
        code, out, err = run(*words)
        assert (code, out) == (2, "")
        assert MESSAGE.fullmatch(err.strip()), err
