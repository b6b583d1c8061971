from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.cli.app import app
from causal_ranker.errors import DataError, EmptyError, SchemaError
from causal_ranker.experiments.interleaving.credit import team_credit
from causal_ranker.experiments.interleaving.lists import team_draft
from causal_ranker.experiments.interleaving.tables import read_credit, read_uplift
from causal_ranker.experiments.interleaving.uplift import interleaved_uplift
from causal_ranker.labels.collect import LabelConfig

START = datetime(2025, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
END = START + 60 * HOUR
REQUESTS, SLOTS = 40, 3


def logs() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two requests a day apart of each user; the second list shares two items with the first."""
    rng = np.random.default_rng(0)
    first = np.tile([1, 2, 3], (REQUESTS, 1))
    second = np.tile([2, 3, 4], (REQUESTS, 1))
    lists = team_draft(first, second, rng=rng)
    rows, plays = [], []
    for request in range(REQUESTS):
        user, t0 = request // 2, START + (request % 2) * 24 * HOUR
        for item in (1, 2, 3, 4):
            slot = np.flatnonzero(lists.items[request] == item)
            rows.append(
                {
                    "user_id": user,
                    "item_id": item,
                    "t0": t0,
                    "shown": slot.size > 0,
                    "in_first": item != 4,
                    "in_second": item != 1,
                    "from_first": bool(lists.from_first[request, slot[0]]) if slot.size else None,
                }
            )
            if rng.random() < 0.4:
                later = t0 + rng.random() * 30 * HOUR  # some plays come after the horizon
                plays.append({"user_id": user, "item_id": item, "played_at": later})
    frame = pd.DataFrame(plays)
    frame["play_id"] = np.arange(len(frame))
    return pd.DataFrame(rows), frame


def played(offered: pd.DataFrame, plays: pd.DataFrame) -> pd.Series:
    """Y by a join written once more: any play of the item in [t0, t0 + 24 h)."""
    both = offered.reset_index().merge(plays, on=["user_id", "item_id"])
    inside = (both["played_at"] >= both["t0"]) & (both["played_at"] < both["t0"] + 24 * HOUR)
    return offered.index.isin(both.loc[inside, "index"]).astype(float)


def test_uplift_counts_plays_of_what_was_not_shown_too() -> None:
    offered, plays = logs()
    found = read_uplift(
        ibis.memtable(offered),
        ibis.memtable(plays),
        config=LabelConfig(log_end=END, horizon_hours=24),
    )
    again = interleaved_uplift(
        offered["user_id"].astype(str) + offered["t0"].astype(str),
        in_first=offered["in_first"],
        in_second=offered["in_second"],
        shown=offered["shown"],
        outcome=played(offered, plays),
        user=offered["user_id"],
    )
    assert played(offered, plays)[~offered["shown"]].sum() > 0
    assert found.difference.point == pytest.approx(again.difference.point, abs=1e-12)
    assert found.difference.low == pytest.approx(again.difference.low, abs=1e-12)
    assert found.requests == REQUESTS


def test_requests_whose_horizon_is_open_are_left_out() -> None:
    offered, plays = logs()
    tables = ibis.memtable(offered), ibis.memtable(plays)
    soon = LabelConfig(log_end=START + 25 * HOUR, horizon_hours=24)
    assert read_uplift(*tables, config=soon).requests == REQUESTS // 2
    with pytest.raises(EmptyError, match="horizon"):
        read_uplift(*tables, config=LabelConfig(log_end=START + HOUR, horizon_hours=24))


def test_credit_is_that_of_attribution() -> None:
    offered, plays = logs()
    found = read_credit(ibis.memtable(offered), ibis.memtable(plays), config=AttributionConfig())
    shown = offered[offered["shown"]]
    # Each item is shown to a user once or twice, a day apart: the last impression has the play.
    credit = []
    for row in shown.itertuples():
        own = plays[(plays["user_id"] == row.user_id) & (plays["item_id"] == row.item_id)]
        late = (own["played_at"] >= row.t0) & (own["played_at"] < row.t0 + 24 * HOUR)
        credit.append(float(late.sum()))
    again = team_credit(
        (shown["user_id"].astype(str) + shown["t0"].astype(str)).to_numpy(),
        from_first=shown["from_first"].to_numpy(dtype=float),
        credit=credit,
        user=shown["user_id"].to_numpy(),
    )
    assert found.difference.point == pytest.approx(again.difference.point, abs=1e-12)
    assert found.difference.low == pytest.approx(again.difference.low, abs=1e-12)
    assert found.first_wins == again.first_wins > 0


def test_columns_that_are_no_flags_are_named() -> None:
    offered, plays = logs()
    settings = LabelConfig(log_end=END, horizon_hours=24)
    for first in (offered["in_first"].where(offered.index > 0), "yes"):
        table = ibis.memtable(offered.assign(in_first=first))
        with pytest.raises(DataError, match="in_first"):
            read_uplift(table, ibis.memtable(plays), config=settings)
    unknown = offered.assign(from_first=None)
    with pytest.raises(DataError, match="from_first"):
        read_credit(ibis.memtable(unknown), ibis.memtable(plays), config=AttributionConfig())


def test_a_column_that_is_not_there_is_named() -> None:
    offered, plays = (ibis.memtable(each) for each in logs())
    with pytest.raises(SchemaError, match="in_second"):
        read_uplift(
            offered.drop("in_second"), plays, config=LabelConfig(log_end=END, horizon_hours=24)
        )
    with pytest.raises(SchemaError, match="from_first"):
        read_credit(offered.drop("from_first"), plays, config=AttributionConfig())


def test_the_command(tmp_path: Path) -> None:
    offered, plays = logs()
    offered.to_parquet(tmp_path / "offered.parquet")
    plays.to_parquet(tmp_path / "plays.parquet")
    asked = ["experiment", "interleave", "--candidates", str(tmp_path / "offered.parquet")]
    asked += ["--plays", str(tmp_path / "plays.parquet")]
    shown = CliRunner().invoke(app, [*asked, "--log-end", END.isoformat()])
    assert shown.exit_code == 0, shown.output
    words = " ".join(shown.output.split())
    told = json.loads(
        CliRunner().invoke(app, [*asked, "--log-end", END.isoformat(), "--json"]).output
    )
    low, high = told["difference"]["low"], told["difference"]["high"]
    assert f"40 of them with lists that differ. First less second: {low:+.3g} to {high:+.3g} (" in (
        words
    )
    assert "; the first ranker causes more plays." in words
    assert told["requests"] == REQUESTS
    drafted = CliRunner().invoke(app, [*asked, "--method", "team-draft"])
    assert "not who causes more plays" in " ".join(drafted.output.split())
    told = json.loads(CliRunner().invoke(app, [*asked, "--method", "team-draft", "--json"]).output)
    assert told["difference"]["point"] == pytest.approx(told["first"] - told["second"])
