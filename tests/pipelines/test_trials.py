"""What the steps of the train flow decide, without the engine that runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError
from pipelines import trials
from pipelines.settings import Gate, TrainSettings
from pipelines.trials import FIGURES, Trial, choose, judge

_FINITE = st.floats(-1, 1)


def trial(name: str, value: float, error: float) -> Trial:
    return Trial(name, value, error, folder="nowhere")


def test_the_simplest_learner_within_a_standard_error_is_kept() -> None:
    trials = [trial("constant", 0.10, 0.2), trial("r", 0.13, 0.1), trial("dr", 0.14, 0.02)]
    assert choose(trials).learner == "r"  # 0.13 is within 0.02 of 0.14, 0.10 is not
    assert choose(trials[::-1]).learner == "dr"  # simplest first is what the settings say


@given(st.lists(st.tuples(_FINITE, st.floats(0, 1)), min_size=1, max_size=5))
def test_what_is_kept_is_never_far_behind(values: list[tuple[float, float]]) -> None:
    trials = [trial(str(at), value, error) for at, (value, error) in enumerate(values)]
    best = max(trials, key=lambda each: each.value)
    kept = choose(trials)
    assert kept.value >= best.value - best.error
    assert all(each.value < best.value - best.error for each in trials[: trials.index(kept)])


def judged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gate: Gate,
    *,
    low: float = 0.01,
    outside: float = 0.1,
    verdicts: tuple[str, ...] = ("passed", "cannot tell"),
) -> tuple[str, ...]:
    told = {"policy": "uplift", "difference_to_base": 0.02, "low": low, "high": 0.03}
    manifest = SimpleNamespace(manifest=SimpleNamespace(evaluation=told))
    monkeypatch.setattr(trials, "load_bundle", lambda path: manifest)
    checks = [{"refuter": f"refuter {at}", "verdict": v} for at, v in enumerate(verdicts)]
    figures: dict[str, Any] = {"share_left_out": outside, "refutation": {"checks": checks}}
    (tmp_path / FIGURES).write_text(json.dumps({"figures": figures}))
    return judge(Trial("dr", 0.1, 0.1, str(tmp_path)), gate)


def test_what_gains_surely_passes_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(tmp_path, monkeypatch, Gate()) == ()


@pytest.mark.parametrize(
    ("gate", "facts", "why"),
    [
        (Gate(), {"low": 0.0}, r"the lower end is not above 0"),
        (Gate(least_gain=0.02), {}, r"\+0\.01 to \+0\.03: the lower end is not above 0\.02"),
        (Gate(), {"low": float("nan")}, r"not above 0"),
        (Gate(largest_share_left_out=0.05), {}, r"10\.0% of the candidates .* more than 5\.0%"),
        (Gate(), {"outside": float("nan")}, r"outside the overlap"),
        (Gate(), {"verdicts": ("failed", "passed")}, r"refuters failed: refuter 0"),
        (Gate(failed_refuters=1), {"verdicts": ("failed", "failed")}, r"refuter 0, refuter 1"),
    ],
)
def test_what_does_not_is_held_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate, facts: dict[str, Any], why: str
) -> None:
    (reason,) = judged(tmp_path, monkeypatch, gate, **facts)
    assert re.search(why, reason), reason


def test_a_hold_out_that_cannot_be_judged_is_a_reason() -> None:
    refused = Trial("dr", 0.1, 0.1, "nowhere", refused="no candidate has a chance in both arms")
    assert judge(refused, Gate()) == (
        "the hold-out cannot be judged: no candidate has a chance in both arms",
    )


def test_settings_refuse_what_they_do_not_know() -> None:
    logs = {"impressions": "i", "plays": "p", "candidates": "c"}
    known = {"logs": logs, "holdout_from": "2025-01-11T00:00:00Z", "registry": "models"}
    assert TrainSettings(**known).learners == ("auto",)
    with pytest.raises(ConfigError, match="learner ="):
        TrainSettings(**known, learner="dr")
    with pytest.raises(ConfigError, match="timezone"):
        TrainSettings(**{**known, "holdout_from": "2025-01-11T00:00:00"})
    with pytest.raises(ConfigError, match="learners"):
        TrainSettings(**known, learners=[])
