"""What a day costs is arithmetic on what was measured, of rows that are what they say."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks import sizing
from benchmarks._sizing_child import STAGES, TABLES, _embedded, _Watch
from benchmarks._sizing_logs import CANDIDATES, LOG_END, SHOWN, write_slates
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.rules import check
from causal_ranker.logs.sources import connect, read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("slates")
    write_slates(made, requests=200)
    return made


def test_slates_are_what_they_say(folder: Path) -> None:
    tables = {}
    for name in TABLES:
        path = folder / f"{name}.parquet"
        tables[name] = pd.read_parquet(path)
        check(read_table(path, connect(), name=name), CONTRACTS[name])
    lists = tables["candidates"].groupby(["user_id", "t0"])
    assert (lists.size() == CANDIDATES).all()
    assert (lists["shown"].sum() == SHOWN).all()
    assert len(lists) == 200
    assert len(tables["impressions"]) == 200 * SHOWN
    assert 0.2 < len(tables["plays"]) / len(tables["impressions"]) < 0.3
    assert (tables["candidates"]["t0"] < LOG_END).all()


def test_cpu_is_counted_and_waiting_is_not() -> None:
    watch = _Watch()
    with watch.stage("work", rows=10):
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
    with watch.stage("wait", rows=10):
        time.sleep(0.3)
    told = watch.end()
    assert told["stages"]["work"]["cpu"] >= 0.25
    assert told["stages"]["wait"]["cpu"] <= 0.1
    assert told["stages"]["wait"]["seconds"] >= 0.3
    assert told["peak"] > 50


def test_a_day_is_rows_by_what_a_core_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def child(arguments: list[str]) -> Any:
        stages = {each: {"rows": 1000, "cpu": 2.0, "seconds": 9.0} for each in STAGES}
        if arguments[2] == "spark":
            del stages["fit"], stages["read and hashed"]
        return SimpleNamespace(last_line=json.dumps({"stages": stages, "peak": 512.4}))

    monkeypatch.setattr(sizing, "run_child", child)
    monkeypatch.setattr(sizing, "_has_spark", lambda: True)
    found = sizing.run(quick=True)
    labels = found.figures["spark"]["stages"]["labels"]  # type: ignore[index]
    assert labels["rows_per_core_second"] == 500
    # 10^9 impressions are a fifth of the candidates.
    assert labels["core_hours_a_day"] == round(5e9 / 500 / 3600, 1)
    row = next(row for row in found.rows if row[:2] == ("labels", "spark"))
    assert row[-1] == round(labels["core_hours_a_day"] * sizing.PRICE, 2)
    assert len(found.rows) == 6 + 4
    assert "512 MiB" in found.note
    monkeypatch.setattr(sizing, "_has_spark", lambda: False)
    assert sizing.run(quick=True).figures["spark"] is None


@pytest.mark.slow
def test_the_embedded_stages_run(folder: Path) -> None:
    watch = _Watch()
    _embedded(folder, watch)
    told = watch.end()["stages"]
    assert set(told) == set(STAGES)
    assert told["labels"]["rows"] == 200 * CANDIDATES
    assert told["lists"]["rows"] % CANDIDATES == 0
