"""The chain's commands say of a newcomer's files what they say of the same tables in our names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.init.start import start
from causal_ranker.logs.sources import connect
from causal_ranker.worlds.config import WorldConfig
from tests.cli.calling import MESSAGE, Run
from tests.init.newcomer import offers, shown_alone, write

WORLD = WorldConfig(users=20, items=12, candidates=8, slate_size=3, days=12, late_share=0.0, seed=5)


def settings(folder: Path, paths: list[str]) -> Path:
    begun = start(dict(zip(("impressions", "plays"), paths, strict=True)), connect())
    file = folder / "mine.toml"
    file.write_text(begun.text, "utf-8")
    return file


def renamed(folder: Path) -> list[str]:
    """The same rows under our names, as options."""
    offered, watched = offers(WORLD)
    offered["shown_at"] = pd.to_datetime(offered["shown_at"])
    watched["watched_at"] = pd.to_datetime(watched["watched_at"])
    offered["displayed"] = offered["displayed"] == 1
    ours = {"member": C.USER, "title": C.ITEM, "shown_at": C.T0, "displayed": C.SHOWN}
    candidates = offered.rename(
        columns={**ours, "model_score": C.BASE_SCORE, "chance": C.PROPENSITY}
    )
    impressions = candidates[candidates[C.SHOWN]].drop(columns=C.SHOWN)
    plays = watched.rename(columns={**ours, "watched_at": C.PLAYED_AT, "watch_seconds": C.SECONDS})
    words = []
    for name, table, key in (
        ("impressions", impressions, C.IMPRESSION),
        ("plays", plays, C.PLAY),
        ("candidates", candidates, None),
    ):
        numbered = table if key is None else table.assign(**{key: range(len(table))})
        numbered.to_parquet(folder / f"{name}.parquet")
        words += [f"--{name}", str(folder / f"{name}.parquet")]
    return words


def test_labels_and_credits_are_those_of_our_names(run: Run, tmp_path: Path) -> None:
    file = settings(tmp_path, write(tmp_path, *offers(WORLD)))
    words = renamed(tmp_path)
    found = {}
    for name, given in (("theirs", ["--config", file]), ("ours", words)):
        labels, credits = (tmp_path / f"{name}_{what}.parquet" for what in ("labels", "credits"))
        horizon = [] if name == "theirs" else ["--horizon-hours", "24"]
        assert run("label", *given, *horizon, "--out", labels)[0] == 0
        assert run("attribute", *given[: 4 if name == "ours" else None], "--out", credits)[0] == 0
        keys = [C.USER, C.ITEM, C.T0, C.TREATMENT, C.OUTCOME, C.LABEL_KIND, C.PROPENSITY]
        rows = pd.read_parquet(labels)[keys].sort_values(keys, ignore_index=True)
        credited = pd.read_parquet(credits)
        found[name] = rows, len(credited), int(credited[C.IMPRESSION].notna().sum())
    pd.testing.assert_frame_equal(found["theirs"][0], found["ours"][0])
    assert found["theirs"][1:] == found["ours"][1:]
    assert 0 < found["ours"][2] < found["ours"][1]


def test_every_item_becomes_a_candidate_where_its_owner_says_so(run: Run, tmp_path: Path) -> None:
    shown, watched = shown_alone(WORLD)
    file = settings(tmp_path, write(tmp_path, shown, watched))
    code, _, error = run("label", "--config", file)
    assert code == 2
    assert MESSAGE.fullmatch(error.strip()), error
    text = file.read_text("utf-8").replace("every_item = false", "every_item = true")
    file.write_text(text, "utf-8")
    target = tmp_path / "labels.parquet"
    end = "2025-01-30T00:00+00:00"
    assert run("label", "--config", file, "--log-end", end, "--out", target)[0] == 0
    rows = pd.read_parquet(target)
    requests = shown[["member", "shown_at"]].drop_duplicates()
    assert len(rows) == len(requests) * shown["title"].nunique()
    assert rows[C.TREATMENT].sum() == len(shown)
    code, _, error = run("label", "--config", file, "--candidates", target)
    assert code == 2
    assert "either a candidate log, or run.every_item" in error


def test_another_months_file_keeps_the_names(run: Run, tmp_path: Path) -> None:
    paths = write(tmp_path, *offers(WORLD))
    file = settings(tmp_path, paths)
    later = tmp_path / "march.csv"
    Path(paths[0]).rename(later)
    code, _, error = run("attribute", "--config", file)
    assert code == 2
    assert "nothing at" in error
    assert run("attribute", "--config", file, "--impressions", later)[0] == 0


@pytest.mark.parametrize("command", ["attribute", "label", "fit", "evaluate"])
def test_a_column_that_has_gone_is_named(run: Run, tmp_path: Path, command: str) -> None:
    offered, watched = offers(WORLD)
    paths = write(tmp_path, offered, watched)
    file = settings(tmp_path, paths)
    watched.rename(columns={"watched_at": "at"}).to_csv(paths[1], index=False)
    words = [] if command in ("attribute", "label") else ["--out", tmp_path / "out"]
    code, _, error = run(command, "--config", file, *words)
    assert code == 2
    assert MESSAGE.fullmatch(error.strip()), error
    assert "'watched_at' in plays" in error
