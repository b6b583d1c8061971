"""The benchmarks of learners run, and say what they are asked to say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import _uplift_child, hillstrom, learners, uplift_speed
from benchmarks._peers import PEERS
from causal_ranker.uplift.base import Rows
from causal_ranker.worlds.nonlinear import NonlinearConfig, draw_nonlinear


def small(seed: int) -> tuple[Rows, Any, Any]:
    drawn = draw_nonlinear(NonlinearConfig(rows=3_000, seed=seed))
    rows = Rows(**{each.name: getattr(drawn, each.name) for each in fields(Rows) if each.init})
    later = draw_nonlinear(NonlinearConfig(rows=1_000, seed=seed + 10))
    return rows, later.features, later.tau


def _within_an_error(auto: Any, other: Any) -> bool:
    gap = np.subtract(other["autoc_by_seed"], auto["autoc_by_seed"])
    return bool(gap.mean() <= gap.std(ddof=1) / np.sqrt(gap.size))


@pytest.mark.slow
def test_learners_are_judged_by_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def draw(name: str, seed: int, *, rows: int) -> Any:
        asked.append((name, seed))
        return small(seed)

    monkeypatch.setattr(learners, "_draw", draw)
    # In this process, which alone knows what is patched.
    monkeypatch.setattr(learners, "each_on_a_core", map)
    monkeypatch.setattr(
        learners, "PEERS", {name: PEERS[name] for name in ("econml LinearDRLearner",)}
    )
    monkeypatch.setattr(learners, "_OURS", ("r",))
    found = learners.run(quick=True).figures
    assert asked == [("randomised", 0), ("randomised", 1)]
    assert found["regimes"] == 1
    table = found["table"]
    assert isinstance(table, list)
    assert [line["learner"] for line in table] == ["auto", "r", "econml LinearDRLearner"]
    by_name = {line["learner"]: line for line in table}
    # Twenty features, of which two decide the effect: a line finds some of it in 3,000 rows.
    assert by_name["econml LinearDRLearner"]["autoc"] > 0.01
    assert by_name["auto"]["autoc"] == pytest.approx(np.mean(by_name["auto"]["autoc_by_seed"]))
    for figure, others in (
        ("regimes_best_or_tied", ["econml LinearDRLearner"]),
        ("regimes_best_or_tied_of_all", ["r", "econml LinearDRLearner"]),
    ):
        assert found[figure] == all(
            _within_an_error(by_name["auto"], by_name[each]) for each in others
        )


@pytest.mark.parametrize("way", ["dr", "five", "best", "econml"])
def test_ways_are_fitted_in_a_process_of_their_own(way: str, tmp_path: Path) -> None:
    uplift_speed._write(tmp_path, rows=3_000)
    told = _uplift_child.main(way, tmp_path)
    assert set(told) == {"seconds", "extra_mb", "peak_mb", "correlation"}
    assert told["seconds"] > 0
    assert told["peak_mb"] > 50
    assert 0.05 < told["correlation"] < 1


@pytest.mark.slow
@pytest.mark.needs_data("hillstrom")
def test_real_emails_are_judged_out_of_fold(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAUSAL_RANKER_DATA", str(data_folder))
    monkeypatch.setattr(hillstrom, "_OURS", ("constant",))
    found = hillstrom.run(quick=True).figures["table"]
    assert isinstance(found, list)
    by_name = {line["learner"]: line for line in found}
    assert set(by_name) == {"auto", "constant"}
    # Levels of folds differ by chance: they must not rank one fold's customers over another's.
    assert by_name["constant"]["autoc"][0] == pytest.approx(0, abs=1e-9)
    low, high = by_name["auto"]["autoc"][1:]
    assert low < high
