"""The benchmark of experiments: its parts are dispatched, and measure what is asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import PartedBenchmark, experiments, load
from benchmarks.__main__ import main
from benchmarks._experiments_sequential import _signals
from benchmarks._experiments_srm import run as srm
from benchmarks._experiments_users import draw_users, new_arm
from causal_ranker.experiments.readout import mean_difference

NAMED = (
    "type1",
    "sequential_type1",
    "naive_peeking_type1",
    "srm_false_alarm",
    "srm_power",
    "cuped_ratio_error",
    "interleaving_user_ratio",
    "seconds_10m",
)


def test_what_is_asked_is_measured_by_some_part() -> None:
    assert isinstance(load("experiments"), PartedBenchmark)
    folder = Path(experiments.__file__).parent
    text = "".join(
        (folder / f"_experiments_{name}.py").read_text("utf-8") for name in experiments.parts()
    )
    for figure in {*NAMED, *experiments.LIMITS["at least"], *experiments.LIMITS["at most"]}:
        assert f'"{figure}"' in text, figure


def test_all_parts_run_or_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> Any:
        part = name.rpartition("_experiments_")[2]
        return SimpleNamespace(run=lambda *, quick: {part: quick, "peak_rss_mb": 1.0})

    monkeypatch.setattr("benchmarks._parts.importlib.import_module", found)
    every = experiments.run(quick=True)
    assert set(every.figures) == {*experiments.parts(), "peak_rss_mb"}
    alone = experiments.run(quick=False, part="type1")
    assert alone.figures == {"type1": False, "peak_rss_mb": 1.0}
    assert ("type1", "type1", False, "at least 0.04, at most 0.06") in alone.rows
    assert main(["experiments", "--part", "no_such"]) == 2


def test_the_signal_after_each_user_is_welchs() -> None:
    rng = np.random.default_rng(0)
    values, arm = rng.poisson(3, 500).astype(float), rng.random(500) < 0.4
    signals = _signals(values, arm)
    for seen in (100, 317, 500):
        one = mean_difference(values[:seen], arm[:seen]).interval
        assert signals[seen - 1] == pytest.approx(one.point / one.standard_error)


def test_sizes_block_as_often_as_they_should() -> None:
    found = srm(quick=True)
    assert found["srm_false_alarm"] <= 0.005
    assert found["srm_power"] >= 0.99


def test_users_of_the_world_are_those_of_its_logs() -> None:
    users = draw_users(100)
    assert users.ids.size == np.unique(users.ids).size <= 100
    assert (users.played <= users.shown).all()
    assert 0.2 < users.rho() < 0.99
    assert new_arm(users.ids, "x").mean() == pytest.approx(0.5, abs=0.2)
