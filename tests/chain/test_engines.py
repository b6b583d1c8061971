"""Logs on any engine of Ibis: the chain carries them over to the one that it works on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import polars as pl
import pytest

from causal_ranker.attribution.attribute import attribute
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import connection_of, label_logs, read_logs
from causal_ranker.errors import DataError, RowError
from causal_ranker.logs.carry import bring_over
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.quarantine import quarantine_rows
from causal_ranker.logs.sources import connect, read_table
from tests.chain.tables import FEATURES, at, frame, label, tables


def sqlite(name: str, rows: pd.DataFrame) -> ibis.Table:
    return ibis.sqlite.connect().create_table(name, rows)


def polars(name: str, rows: pd.DataFrame) -> ibis.Table:
    return ibis.polars.connect().create_table(name, pl.from_pandas(rows))


def duckdb(name: str, rows: pd.DataFrame) -> ibis.Table:
    return connect(threads=1).create_table(name, rows)


ENGINES: dict[str, list[Callable[[str, pd.DataFrame], Any]]] = {
    "sqlite": [sqlite] * 3,
    "polars": [polars] * 3,
    "a duckdb connection each": [duckdb] * 3,
    "mixed": [sqlite, polars, lambda _, rows: rows],
    "mixed with duckdb": [polars, duckdb, sqlite],
}


def ordered(table: ibis.Table) -> pd.DataFrame:
    found = frame(table)
    found = found[sorted(found.columns)]
    return found.sort_values(list(found.columns)).reset_index(drop=True)


@pytest.mark.parametrize("engines", ENGINES)
def test_the_labels_are_those_of_data_frames(engines: str) -> None:
    given = {
        name: make(name, rows)
        for make, (name, rows) in zip(ENGINES[engines], tables().items(), strict=True)
    }
    connection = connection_of(*given.values())
    logs = read_logs(connection, **given)
    config = ChainConfig(features=FEATURES)
    found = label_logs(connection, logs, log_end=at(110), horizon_hours=24, config=config)
    usual = label()
    for here, there in (
        (found.dataset.table, usual.dataset.table),
        (found.requests, usual.requests),
        (found.history.plays, usual.history.plays),
        (found.history.daily, usual.history.daily),
    ):
        pd.testing.assert_frame_equal(ordered(here), ordered(there))


@pytest.mark.parametrize("engine", [sqlite, polars, duckdb])
def test_bad_rows_of_every_engine_are_told_or_set_aside(
    engine: Callable[[str, pd.DataFrame], ibis.Table], tmp_path: Path
) -> None:
    given = tables()
    bad = given["plays"].assign(seconds=[-1.0, 600.0, 20.0, None])
    other: dict[str, Any] = {**given, "plays": engine("plays", bad)}
    with pytest.raises(RowError, match="'seconds' of plays; got 1 of 4"):
        read_logs(connect(), **other)
    config = ChainConfig(on_bad_rows="quarantine", quarantine_folder=tmp_path)
    other["plays"] = engine("plays", bad)
    found = read_logs(connect(), **other, config=config)
    assert [each.quarantined for each in found.quarantines] == [0, 1, 0]
    assert len(frame(found.plays)) == 3


def test_a_csv_with_faults_is_set_aside_by_the_chain(tmp_path: Path) -> None:
    given: dict[str, Any] = tables()
    given["plays"].to_csv(tmp_path / "plays.csv", index=False)
    with (tmp_path / "plays.csv").open("a", encoding="utf-8") as file:
        file.write("5,1,1,yesterday,1\n6,1\n")
    given["plays"] = tmp_path / "plays.csv"
    with pytest.raises(DataError, match="plays"):
        read_logs(connect(), **given)
    config = ChainConfig(on_bad_rows="quarantine", quarantine_folder=tmp_path / "aside")
    found = read_logs(connect(), **given, config=config)
    assert [(each.rows, each.quarantined) for each in found.quarantines][1] == (6, 2)
    assert sorted(frame(found.plays)["play_id"]) == [1, 2, 3, 4]


def test_a_table_on_the_connection_stays_as_it_is() -> None:
    own = connect(threads=1)
    table = read_table(tables()["plays"], own, name="plays")
    assert bring_over(table, own, name="plays") is table


def test_rows_are_carried_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("ibis.expr.types.core.Expr.to_pyarrow")
    copy = bring_over(duckdb("plays", tables()["plays"]), connect(threads=1), name="plays")
    assert copy.count().execute() == 4


def test_a_table_on_two_engines_is_told() -> None:
    one, two = duckdb("plays", tables()["plays"]), sqlite("plays", tables()["plays"])
    both = one.join(two.select("play_id"), "play_id")
    with pytest.raises(DataError, match=r"plays.*an error of duckdb and sqlite") as caught:
        bring_over(both, connect(), name="plays")
    assert "\n" not in str(caught.value)


def test_expressions_stay_on_the_engine_of_their_tables() -> None:
    own = connect(threads=1)
    shown, played = (own.create_table(name, tables()[name]) for name in ("impressions", "plays"))
    assert attribute(shown, played)._find_backends()[0] == [own]


def test_what_an_engine_cannot_do_is_told_in_one_line(tmp_path: Path) -> None:
    bad = tables()["plays"].assign(seconds=[-1.0, 600.0, 20.0, None])
    with pytest.raises(DataError, match="OperationNotDefinedError") as caught:
        quarantine_rows(polars("plays", bad), CONTRACTS["plays"], folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
