from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import ope
from benchmarks._ope_bandit import bandit_rows
from benchmarks._ope_world import (
    HOLDS,
    SCENARIOS,
    SLOTS,
    draw_requests,
    play_chances,
    true_value,
)
from causal_ranker.evaluation.ope.estimators import ESTIMATORS


def test_the_true_value_is_that_of_drawn_lists_and_plays() -> None:
    world = draw_requests(users=100, seed=1)
    rng = np.random.default_rng(0)
    for scenario in SCENARIOS:
        plays = []
        for _ in range(150):
            items = world.target.sample(SLOTS, rng=rng)
            chances = play_chances(world, items, scenario=scenario)
            assert 0 <= chances.min() <= chances.max() <= 1
            plays.append((rng.random(chances.shape) < chances).sum(axis=1).mean())
        error = float(np.std(plays)) / np.sqrt(len(plays))
        assert abs(np.mean(plays) - true_value(world, scenario=scenario)[0]) < 4 * error


def test_slots_hang_together_as_the_scenario_says() -> None:
    world = draw_requests(users=50, seed=1)
    rng = np.random.default_rng(0)
    items = world.logging.sample(SLOTS, rng=rng)
    absent = np.argmin([[(item == row).sum() for item in range(6)] for row in items], axis=1)
    for slot in range(SLOTS):
        other = items.copy()
        other[:, slot] = absent  # what stands in the other slots stays
        for scenario in SCENARIOS:
            change = play_chances(world, items, scenario=scenario) - play_chances(
                world, other, scenario=scenario
            )
            moved = (np.abs(change) > 1e-9).any(axis=0).tolist()
            expected = {
                "own item": [each == slot for each in range(SLOTS)],
                "items above": [each >= slot for each in range(SLOTS)],
                "whole list": [True] * SLOTS,
                "sum of items": [True] * SLOTS,
            }[scenario]
            assert moved == expected


@pytest.mark.slow
def test_a_few_draws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ope, "_QUICK", {300: 3})
    monkeypatch.setattr(ope, "_USERS", 300)
    monkeypatch.setenv("CAUSAL_RANKER_DATA", str(tmp_path))
    result = ope.run(quick=True)
    assert all(len(row) == len(result.columns) for row in result.rows)
    lines = result.figures["world"]
    assert isinstance(lines, list)
    assert len(lines) == len(SCENARIOS) * len(ESTIMATORS)
    for line in lines:
        assert line["assumption_holds"] == (line["estimator"] in HOLDS[line["scenario"]])
        assert abs(line["bias"]) <= line["rmse"] < 0.6
    assert result.figures["open_bandit"] == []


@pytest.mark.needs_data("open_bandit")
def test_the_uniform_policy_on_open_bandit(data_folder: Path) -> None:
    lines = {
        line["estimator"]: line for line in bandit_rows(data_folder / "open_bandit", quick=True)
    }
    assert lines["ips"]["clicks"] == 69
    assert lines["ips"]["clicks_in_truth"] == 46
    assert lines["log as it is"]["relative_error"] == pytest.approx(69 / 46 - 1)
    # 10,000 lines of logged propensities, and the plain formula
    assert lines["ips"]["mean_weight"] == pytest.approx(0.94, abs=0.01)
    for name in ("ips", "snips", "dr"):
        assert lines[name]["low"] < 0 < lines[name]["high"]
        assert lines[name]["high"] - lines[name]["low"] > 0.4  # few clicks say little
