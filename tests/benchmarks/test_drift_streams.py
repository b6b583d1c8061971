from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks._drift_effect_world import effect_run, quiet_alarm
from benchmarks._drift_elec2 import elec2_run, read_elec2

WEEK = 336


def market(weeks: int, *, turns: int) -> pd.DataFrame:
    """A stream like ELEC2 whose outcome follows the price, and another state's price later on."""
    rng = np.random.default_rng(0)
    rows = weeks * WEEK
    columns = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    frame = pd.DataFrame(rng.random((rows, 6)), columns=columns)
    cause = np.where(np.arange(rows) < turns * WEEK, frame["nswprice"], frame["vicprice"])
    chance = 1 / (1 + np.exp(-4 * (cause - 0.5)))
    frame["class"] = np.where(rng.random(rows) < chance, "UP", "DOWN")
    return frame


def test_a_turn_that_features_cannot_show_is_found_when_its_labels_come() -> None:
    run = elec2_run(market(28, turns=22))
    turned = run.weeks >= 22
    assert run.loss[turned].min() > run.loss[~turned].max()
    assert run.alarms["any feature"].sum() <= 1
    assert run.alarms["residuals (matured)"][turned][1:].all()  # its first week shows last week's
    assert not run.alarms["residuals (matured)"][~turned].any()
    error = run.mean_absolute_error()
    assert error["label_free"] < error["no_monitor"]
    # In the week of the turn nobody can know of it; from two weeks later on chances have it all.
    miss = np.abs(run.estimate - run.loss)
    assert miss[np.flatnonzero(turned)[0]] > 0.05
    assert miss[run.weeks >= 24].max() < 0.05
    # Chances of before the turn, asked of two weeks after it: cannot tell.
    assert not run.trusted[run.weeks == 24].any()
    assert run.trusted[run.weeks < 22].any()
    assert np.isfinite(run.carried).all()


def test_the_file_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUSAL_RANKER_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="CAUSAL_RANKER_DATA"):
        read_elec2()


def test_effects_that_changed_are_found_and_features_stay_quiet() -> None:
    run = effect_run(seed=1, users=250)
    assert 0.3 < run.true_now / run.true_before < 0.6
    assert run.changed["effect"]
    assert not run.quiet["effect"]
    assert [name for name, alarm in run.changed.items() if alarm] == ["effect"]
    assert len(run.groups) == 3
    assert run.days_to_alarm is None or run.days_to_alarm >= 2


def test_a_world_whose_effects_stay_is_quiet_as_often_as_it_should() -> None:
    alarms = [quiet_alarm(seed=seed, users=60) for seed in range(12)]
    assert sum(alarms) <= 3  # at 5 %, more come once in 450
    assert quiet_alarm(seed=0, users=60, level=0.999999)
