"""Commands on tables leave a record of their run: what, on what, and what came of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causal_ranker.runs.record import RunRecord, list_runs, read_run
from tests.cli.calling import Files, Run
from tests.cli.test_json import commands, options

#: Commands whose result is a folder or a file of its own: their record lies there.
BESIDE = {
    "coldstart debias",
    "coldstart embed",
    "coldstart fit",
    "decisions compact",
    "demo",
    "evaluate",
    "fit",
}
#: Commands that are no runs on tables: they show, ask, start, or change what is published or kept.
NO_RUNS = {
    "completion",
    "doctor",
    "explain-config",
    "features push",
    "forget",
    "init",
    "rerank",
    "serve",
    *(f"keys {name}" for name in ("list", "new", "revoke")),
    *(f"models {name}" for name in ("adopt", "card", "list", "promote", "rollback", "verify")),
    *(f"review {name}" for name in ("add", "decide", "export", "import", "list", "show")),
    *(f"runs {name}" for name in ("compare", "list", "show")),
}


def whole(record: RunRecord, *, inputs: set[str]) -> None:
    """What every record holds."""
    assert set(record.inputs) == inputs
    for each in record.inputs.values():
        assert each["files"] == 1
        assert len(each["content"]) == 32
    assert record.versions["causal-ranker"]
    assert record.started.endswith("+00:00")
    assert record.seconds >= 0
    assert record.settings
    assert record.figures


def test_every_command_leaves_a_record_or_is_no_run() -> None:
    found = dict(commands())
    asked = {name for name, each in found.items() if "--record" in options(each)}
    assert asked | BESIDE | NO_RUNS == set(found)
    assert len(asked) + len(BESIDE) + len(NO_RUNS) == len(found)


def test_credits_and_labels_have_their_record_beside_them(
    run: Run, files: Files, tmp_path: Path
) -> None:
    words = files()
    logs = words[:4]
    out = tmp_path / "out"
    assert run("attribute", *logs, "--touch", "linear", "--out", out / "credits.parquet")[0] == 0
    assert run("label", *words, "--seed", 5, "--out", out / "labels.csv")[0] == 0
    assert {path.name for path in out.iterdir()} == {
        "credits.parquet",
        "credits.parquet.run.json",
        "labels.csv",
        "labels.csv.run.json",
    }
    runs = list_runs(out)
    assert set(runs) == {"credits.parquet", "labels.csv"}
    credits, labels = runs["credits.parquet"], runs["labels.csv"]
    assert (credits.command, labels.command) == ("attribute", "label")
    whole(credits, inputs={"impressions", "plays"})
    whole(labels, inputs={"impressions", "plays", "candidates"})
    assert credits.settings["config"]["touch"] == "linear"
    table = pd.read_parquet(out / "credits.parquet")
    assert credits.figures["plays"]["plays that count"] == table["play_id"].nunique()
    assert labels.settings["seed"] == 5
    rows = pd.read_csv(out / "labels.csv")["label_kind"].value_counts()
    assert {kind: labels.figures["rows"][kind] for kind in rows.index} == rows.to_dict()
    # A record is found by the file's name, also where the file itself is gone.
    (out / "labels.csv").unlink()
    shown = json.loads(run("runs", "show", out / "labels.csv", "--json")[1])
    assert shown["command"] == "label"


def test_days_have_one_record_and_are_not_read_for_it(
    run: Run, files: Files, tmp_path: Path
) -> None:
    logs, out = files()[:4], tmp_path / "days"
    assert run("attribute", *logs, "--by-day", "--out", out)[0] == 0
    whole(read_run(out), inputs={"impressions", "plays"})
    words = ("attribute", *logs, "--by-day", "--since", "2025-01-07", "--out", out)
    code, _, err = run(*words)
    assert code == 0, err
    record = read_run(out)
    assert record.settings["since"] == "2025-01-07T00:00:00"
    assert {each["content"] for each in record.inputs.values()} == {None}
    assert all(each["bytes"] > 0 for each in record.inputs.values())


def test_a_run_that_only_prints_is_recorded_where_it_is_told(
    run: Run, files: Files, tmp_path: Path
) -> None:
    logs = files()[:4]
    before = set(tmp_path.iterdir())
    assert run("attribute", *logs)[0] == 0
    assert set(tmp_path.iterdir()) == before
    assert run("attribute", *logs, "--record", tmp_path / "one")[0] == 0
    whole(read_run(tmp_path / "one"), inputs={"impressions", "plays"})


def test_a_window_and_its_verdict_are_recorded(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name, shift in (("before", 0.0), ("now", 1.5)):
        frame = pd.DataFrame({"score": rng.normal(shift, 1, 400)})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    tables = ("--reference", tmp_path / "before.csv", "--window", tmp_path / "now.csv")
    page = tmp_path / "page.html"
    code, out, _ = run("monitor", *tables, "--no-together", "--html", page, "--json")
    told = json.loads(out)
    assert code == told["exit_code"] > 0
    record = read_run(page)  # the advice is an exit code, and no failure
    whole(record, inputs={"reference", "window"})
    assert record.figures["drifted"] == ["score"]
    assert record.figures["verdict"] == told["verdict"]
    assert record.settings["config"]["together"] is False


def test_a_test_and_its_plan_are_recorded(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"user_id": range(400), "arm": [0, 1] * 200, "plays": rng.poisson(2, 400)})
    frame.to_csv(tmp_path / "test.csv", index=False)
    words = ("experiment", "read", "--data", tmp_path / "test.csv", "--metric", "plays")
    code, out, err = run(*words, "--record", tmp_path / "read", "--json")
    assert code == 0, err
    record = read_run(tmp_path / "read")
    whole(record, inputs={"data"})
    assert record.command == "experiment read"
    assert record.figures == json.loads(out)
    plan = ("experiment", "design", "--effect", 0.1, "--deviation", 1, "--users-a-week", 1_000)
    assert run(*plan, "--html", tmp_path / "plan.html")[0] == 0
    record = read_run(tmp_path / "plan.html")
    assert record.inputs == {}
    assert record.figures["users"] > 1_000


def test_an_effect_without_lots_is_recorded(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=600)
    treated = (rng.random(600) < 1 / (1 + np.exp(-x))).astype(int)
    frame = pd.DataFrame({"user_id": range(600), "x": x, "treatment": treated})
    frame["y"] = x + 0.5 * treated + rng.normal(size=600)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    words = ("--data", tmp_path / "rows.csv", "--outcome", "y", "--covariate", "x")
    code, out, err = run("experiment", "quasi", "match", *words, "--record", tmp_path, "--json")
    assert code == 0, err
    record = read_run(tmp_path)
    whole(record, inputs={"data"})
    assert (record.command, record.figures) == ("experiment quasi match", json.loads(out))


def test_a_place_that_cannot_be_is_told_before_the_work(
    run: Run, files: Files, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    code, out, err = run("attribute", *files()[:4], "--record", tmp_path / "file" / "below")
    assert (code, out) == (2, "")
    assert re.search(r"a folder at .*below, .*Choose another path with --record", err)


@pytest.mark.parametrize("hashed", ["bytes", "nothing"])
def test_what_is_no_table_is_hashed_as_bytes(tmp_path: Path, hashed: str) -> None:
    from causal_ranker.runs.inputs import fingerprints

    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    read = {"a": str(first), "again": str(first), "b": str(second)}
    found = {name: each["content"] for name, each in fingerprints(read).items()}
    assert found["a"] == found["again"] != found["b"]
    assert fingerprints(read)["a"]["rows"] is None
    told = fingerprints(read, hashed=hashed)  # type: ignore[arg-type]
    assert told["a"]["content"] == (found["a"] if hashed == "bytes" else None)
    assert fingerprints({"none": str(tmp_path / "none.npz")})["none"]["content"] is None
