from __future__ import annotations

import json
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from causal_ranker.cli.app import app
from causal_ranker.errors import CausalRankerError, ConfigError, RowError, SchemaError
from causal_ranker.experiments.quasi.differences import difference_in_differences
from causal_ranker.experiments.quasi.discontinuity import regression_discontinuity
from causal_ranker.experiments.quasi.fixed_effects import two_way_fixed_effects
from causal_ranker.experiments.quasi.sections import fixed_effects_section
from causal_ranker.experiments.quasi.tables import (
    read_differences,
    read_fixed_effects,
    read_matched,
)

EFFECT = 0.5


def weeks() -> pd.DataFrame:
    """Users over eight weeks; the treated have the change from the fifth on."""
    rng = np.random.default_rng(0)
    user, week = (grid.ravel() for grid in np.indices((60, 8)))
    treated = user < 25
    return pd.DataFrame(
        {
            "user_id": user,
            "week": week + 1,
            "day": pd.Timestamp("2025-01-06", tz="UTC") + pd.to_timedelta(7 * week, unit="D"),
            "treated": treated,
            "treatment": treated & (week >= 4),
            "plays": rng.normal(size=60)[user]
            + rng.normal(size=user.size)
            + EFFECT * (treated & (week >= 4)),
        }
    )


def confounded() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    size = 2000
    x, z = rng.normal(size=(2, size))
    score = x + 0.1 * rng.normal(size=size)
    chance = 1 / (1 + np.exp(-x))
    return pd.DataFrame(
        {
            "user_id": np.arange(size) // 2,
            "active": x,
            "age": z,
            "chance": chance,
            "score": score,
            "treatment": rng.random(size) < chance,
            "shown": score >= 0.2,
            "plays": x + rng.normal(size=size),
        }
    )


def run(path: Path, frame: pd.DataFrame, *words: str) -> list[str]:
    frame.to_parquet(path / "rows.parquet")
    return ["experiment", "quasi", *words, "--data", str(path / "rows.parquet")]


def test_estimated_and_logged_propensities_find_no_effect_where_there_is_none() -> None:
    frame = confounded()
    names = {"outcome": "plays", "treatment": "treatment", "user": "user_id"}
    naive = frame.groupby("treatment")["plays"].mean().diff().iloc[-1]
    assert naive > 0.5
    for propensity in (None, "chance"):
        found = read_matched(
            ibis.memtable(frame), **names, covariates=["active", "age"], propensity=propensity
        )
        assert found.effect.low < 0 < found.effect.high
        assert abs(found.balance_after).max() < 0.1 < found.balance_before.max()


def test_match_command(tmp_path: Path) -> None:
    words = run(tmp_path, confounded(), "match", "--outcome", "plays", "--covariate", "active")
    told = " ".join(CliRunner().invoke(app, words).output.split())
    assert "What was measured is alike after matching" in told
    blind = run(tmp_path, confounded(), "match", "--outcome", "plays", "--covariate", "age")
    answer = json.loads(CliRunner().invoke(app, [*blind, "--json"]).output)
    assert answer["effect"]["low"] > 0.5  # what matters was not measured, and nothing shows it
    wrong = CliRunner().invoke(app, [*words, "--propensity", "age"])
    assert wrong.exit_code == 2
    assert "strictly between 0 and 1" in wrong.output


def test_fixed_effects_command(tmp_path: Path) -> None:
    frame = weeks()
    words = ["fixed-effects", "--outcome", "plays", "--unit", "user_id", "--period", "day"]
    asked = run(tmp_path, frame, *words)
    answer = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    again = two_way_fixed_effects(
        frame["plays"],
        frame["treatment"],
        unit=frame["user_id"],
        period=frame["week"],
        cluster=frame["user_id"],
    )
    assert answer["effect"]["point"] == pytest.approx(again.effect.point, abs=1e-9)
    told = " ".join(CliRunner().invoke(app, asked).output.split())
    assert "25 units are seen with the treatment and without" in told
    assert "none has a negative weight" in told


@pytest.mark.parametrize(("period", "since"), [("week", "5"), ("day", "2025-02-03")])
def test_differences_command(tmp_path: Path, period: str, since: str) -> None:
    frame = weeks()
    words = ["differences", "--outcome", "plays", "--unit", "user_id", "--period", period]
    asked = run(tmp_path, frame, *words, "--since", since)
    answer = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    again = difference_in_differences(
        frame["plays"].to_numpy().reshape(60, 8), np.arange(60) < 25, before=4
    )
    assert answer["effect"]["point"] == pytest.approx(again.effect.point)
    assert answer["parallel_p"] == pytest.approx(again.parallel_p)
    assert len(answer["by_period"]) == 8
    told = " ".join(CliRunner().invoke(app, asked).output.split())
    assert "not evidence that they would not have after" in told
    frame.loc[frame["treated"], "plays"] += 2 * frame["week"]
    told = " ".join(CliRunner().invoke(app, run(tmp_path, frame, *asked[2:-2])).output.split())
    assert "the effect is no effect of it" in told


def test_differences_of_dates_and_of_unknown_periods() -> None:
    frame = weeks().assign(day=lambda rows: rows["day"].dt.date)
    names = {"outcome": "plays", "treated": "treated", "unit": "user_id"}
    table = ibis.memtable(frame)
    found, periods = read_differences(table, **names, period="day", since="2025-02-03")
    assert found.effect.low < EFFECT < found.effect.high
    assert periods[0].startswith("2025-01-06")
    with pytest.raises(ConfigError, match="like"):
        read_differences(table, **names, period="week", since="soon")
    with pytest.raises(SchemaError, match="0 periods before"):
        read_differences(table, **names, period="week", since="1")


def test_discontinuity_command(tmp_path: Path) -> None:
    words = ["discontinuity", "--outcome", "plays", "--running", "score", "--treatment", "shown"]
    asked = run(tmp_path, confounded(), *words, "--cutoff", "0.2")
    answer = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert answer["robust"]["low"] < 0 < answer["robust"]["high"]
    told = " ".join(CliRunner().invoke(app, [*asked, "--bandwidth", "0.7"]).output.split())
    assert "within 0.7 of it" in told
    assert "No evidence that rows crowd" in told


def test_the_end_of_a_slate_as_cut_off(tmp_path: Path) -> None:
    frame = confounded().assign(week=1)
    order = frame.groupby("user_id")["score"].rank(ascending=False)
    frame["shown"] = order == 1
    words = ["discontinuity", "--outcome", "plays", "--running", "score", "--treatment", "shown"]
    words += ["--request", "user_id", "--request", "week", "--json"]
    answer = json.loads(CliRunner().invoke(app, run(tmp_path, frame, *words)).output)
    best, other = (frame.loc[order == place, "score"].to_numpy() for place in (1, 2))
    margin = frame["score"] - np.repeat((best + other) / 2, 2)
    again = regression_discontinuity(
        frame["plays"], margin, treatment=frame["shown"], cluster=frame["user_id"]
    )
    assert answer["robust"]["point"] == pytest.approx(again.robust.point)


def test_bad_tables() -> None:
    frame = weeks()
    names = {"outcome": "plays", "treated": "treated", "unit": "user_id", "period": "week"}
    with pytest.raises(RowError, match="25 units with both"):
        read_differences(ibis.memtable(frame), **{**names, "treated": "treatment"}, since="5")
    with pytest.raises(RowError, match="1 of 60 units with missing"):
        read_differences(ibis.memtable(frame.drop(index=3)), **names, since="5")
    holed = frame.assign(week=frame["week"].where(frame.index > 1))
    with pytest.raises(RowError, match="2 rows without"):
        read_differences(ibis.memtable(holed), **names, since="5")
    with pytest.raises(SchemaError, match="'months'"):
        read_fixed_effects(
            ibis.memtable(frame),
            outcome="plays",
            treatment="treatment",
            unit=["user_id"],
            period="months",
            cluster="user_id",
        )
    matched = {"outcome": "plays", "treatment": "treatment", "user": "user_id"}
    for covariates, words in (
        ([], "at least one covariate"),
        (["name"], "numbers in name"),
        (["holes"], "3 rows without"),
    ):
        table = frame.assign(name="x", holes=frame["plays"].where(frame.index > 2))
        with pytest.raises(CausalRankerError, match=words):
            read_matched(ibis.memtable(table), **matched, covariates=covariates)


def test_intervals_come_before_estimates() -> None:
    rows = weeks()
    found = two_way_fixed_effects(
        rows["plays"],
        rows["treatment"],
        unit=rows["user_id"],
        period=rows["week"],
        cluster=rows["user_id"],
    )
    _, table, _ = fixed_effects_section(found).blocks
    effect = found.effect
    assert table.columns == ("", "low", "high", "point")
    assert table.rows == [("effect", effect.low, effect.high, effect.point)]
