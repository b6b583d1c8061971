from __future__ import annotations

from pathlib import Path

import ibis
import pandas as pd
import pytest
from typer.testing import CliRunner

from causal_ranker.chain.config import ChainConfig
from causal_ranker.cli.app import app
from causal_ranker.errors import SchemaError
from causal_ranker.init import checklist, settings_text

WHEN = pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True)
PLAYS = {"play_id": [1, 2], "user_id": [1, 2], "item_id": [1, 2], "played_at": WHEN}


def test_other_names_are_proposed_and_never_guessed() -> None:
    shown = pd.DataFrame(
        {"event_id": [1, 2], "customer_id": [1, 2], "sku": ["a", "b"], "ts": WHEN, "time": WHEN}
    )
    needs = {need.column: need for need in checklist({"impressions": ibis.memtable(shown)})}
    assert needs["user_id"].note == "rename 'customer_id' to 'user_id'?"
    assert needs["item_id"].state == "rename"
    assert "'time' or 'ts'" in needs["t0"].note
    assert needs["propensity"].state == "useful"


def test_what_is_there_is_checked() -> None:
    plays = ibis.memtable(pd.DataFrame(PLAYS))
    needs = checklist({"plays": plays})
    assert {need.state for need in needs if need.column != "seconds"} == {"there"}
    twice = ibis.memtable(pd.DataFrame({**PLAYS, "play_id": [1, 1]}))
    assert [need for need in checklist({"plays": twice}) if need.state == "broken"]
    missing = checklist({"plays": plays.drop("item_id")})
    assert next(need for need in missing if need.column == "item_id").state == "missing"
    with pytest.raises(SchemaError, match="clicks"):
        checklist({"clicks": plays})


def test_the_settings_are_settings(tmp_path: Path) -> None:
    users = ibis.memtable(pd.DataFrame({"user_id": [1], "age": [3], "plan": ["x"], "kid": [True]}))
    path = tmp_path / "settings.toml"
    path.write_text(settings_text({"users": users}))
    config = ChainConfig.from_toml(path)
    assert config.features.user_numbers == ("age",)
    assert config.features.user_categories == ("plan", "kid")
    path.write_text(settings_text({}))
    assert ChainConfig.from_toml(path) == ChainConfig()


def test_the_command(tmp_path: Path) -> None:
    pd.DataFrame(PLAYS).to_parquet(tmp_path / "plays.parquet")
    shown = pd.DataFrame(PLAYS).rename(columns={"play_id": "impression_id", "played_at": "t0"})
    shown.to_parquet(tmp_path / "shown.parquet")
    out = tmp_path / "mine.toml"
    words = ["init", "--impressions", str(tmp_path / "shown.parquet"), "--out", str(out)]
    run = CliRunner().invoke
    done = run(app, [*words, "--plays", str(tmp_path / "plays.parquet")])
    assert done.exit_code == 0, done.output
    assert ChainConfig.from_toml(out) == ChainConfig()
    again = run(app, [*words, "--plays", str(tmp_path / "plays.parquet")])
    assert again.exit_code == 2
    assert "File exists" in again.output
    words[-1] = str(tmp_path / "other.toml")
    needed = run(app, [*words, "--plays", str(tmp_path / "shown.parquet")])
    assert needed.exit_code == 1
    assert "missing" in needed.output
