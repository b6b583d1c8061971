"""Of whom an effect is: three choices, three averages, each found; and refusals that say where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import ConfigError, OverlapError, RowError, SchemaError
from causal_ranker.stats.weights import effective_sample_size
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig, NuisanceValues
from causal_ranker.uplift.overlap import OverlapChoice, comparable
from causal_ranker.uplift.overlap_report import overlap_report
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.x import XLearner

Array = NDArray[np.float64]
ONE_LEAF = BoostConfig(rounds=1, learning_rate=1.0, leaves=2, min_rows_leaf=10**6)
CHANCES = np.array([0.01, 0.1, 0.5, 0.8, 0.97])
EFFECTS = np.array([5.0, 1.0, 2.0, 4.0, 3.0])
SHARES = np.array([0.3, 0.2, 0.2, 0.2, 0.1])


def world(*, n: int = 60_000, seed: int = 0) -> tuple[Rows, NuisanceValues]:
    """Five groups, each with a propensity and an effect; the nuisances are the truth."""
    rng = np.random.default_rng(seed)
    group = rng.choice(5, size=n, p=SHARES)
    e, tau, level = CHANCES[group], EFFECTS[group], group / 2.0
    t = (rng.random(n) < e).astype(np.int8)
    user = np.arange(n)
    rows = Rows(
        features=np.column_stack([group, rng.normal(size=n)]).astype(np.float32),
        treatment=t,
        outcome=level + tau * t + rng.normal(size=n) * 0.3,
        weight=np.ones(n),
        user=user,
        unit=user,
        propensity=e,
        names=("group", "noise"),
        categorical=("group",),
    )
    return rows, NuisanceValues(e, outcome_treated=level + tau, outcome_control=level)


def config(overlap: OverlapChoice, **settings: Any) -> LearnerConfig:
    nuisance = NuisanceConfig(kind="continuous")
    return LearnerConfig(
        **({"final": ONE_LEAF, "nuisance": nuisance, "overlap": overlap} | settings)
    )


def closed_form(overlap: OverlapChoice, *, own: bool = False) -> float:
    mass = SHARES.copy()
    if overlap == "trim":
        mass[0] = 0.0
    if own or overlap == "overlap_weights":
        mass *= CHANCES * (1 - CHANCES)
    return float(mass @ EFFECTS / mass.sum())


CHOICES: tuple[OverlapChoice, ...] = ("trim", "overlap_weights", "all")


@pytest.mark.parametrize("overlap", CHOICES)
@pytest.mark.parametrize("learner", [ConstantEffect, DRLearner, XLearner, RLearner])
def test_each_choice_has_its_own_average(learner: Any, overlap: OverlapChoice) -> None:
    """The closed form of the choice is met, and those of the other choices are not."""
    rows, values = world()
    model = learner(config=config(overlap), seed=0).fit(rows, nuisances=values)
    found = model.predict(rows.features[:1]).point[0]
    truth = closed_form(overlap, own=learner is RLearner)
    assert found == pytest.approx(truth, abs=0.04)
    apart = {closed_form(each, own=own) for each in CHOICES for own in (False, True)} - {truth}
    assert min(abs(found - other) for other in apart) > 0.04


def test_the_closed_forms_differ() -> None:
    ate, trimmed, ato = (closed_form(each) for each in ("all", "trim", "overlap_weights"))
    assert ate == pytest.approx(0.3 * 5 + 0.2 * 7 + 0.1 * 3)
    assert min(abs(ate - trimmed), abs(ate - ato), abs(trimmed - ato)) > 0.09


def test_estimands_in_words() -> None:
    rows, values = world(n=5_000)
    left = 100 * np.mean(rows.propensity < 0.02)
    words = {}
    for learner in (DRLearner, RLearner, ConstantEffect):
        for overlap in CHOICES:
            model = learner(config=config(overlap), seed=0)
            assert model.estimand_ == ""
            words[learner, overlap] = model.fit(rows, nuisances=values).estimand_
    band, share = "[0.02, 0.98]", f"{left:.1f} % of the weight"
    assert words[DRLearner, "trim"] == (
        f"average over rows with propensity in {band}: {share} left out"
    )
    assert words[DRLearner, "all"] == (
        f"average over every row: {share} outside {band} and not left out"
    )
    weighted = ", weighted by e (1 - e), e being the propensity: "
    assert words[DRLearner, "overlap_weights"] == (
        f"average over every row{weighted}{share} outside {band} and not left out"
    )
    assert words[RLearner, "trim"] == (
        f"average over rows with propensity in {band}{weighted}{share} left out"
    )
    assert words[RLearner, "overlap_weights"] == words[DRLearner, "overlap_weights"]
    assert all(words[ConstantEffect, each] == words[DRLearner, each] for each in CHOICES)


def test_effective_rows_are_counted_under_the_choice() -> None:
    rows, values = world(n=5_000)
    rows = replace(rows, weight=np.random.default_rng(1).uniform(1, 4, len(rows)))
    e, t, w = rows.propensity, rows.treatment, rows.weight
    treated = {
        "trim": effective_sample_size((w / e)[(t == 1) & (e >= 0.02)]),
        "overlap_weights": effective_sample_size((w * (1 - e))[t == 1]),
        "all": effective_sample_size((w / e)[t == 1]),
    }
    assert treated["all"] < treated["trim"] < treated["overlap_weights"]
    for overlap in CHOICES:
        report = overlap_report(rows, e, overlap=overlap)
        assert report.effective_treated == pytest.approx(treated[overlap])
        least = min(report.effective_treated, report.effective_control)
        for learner in (DRLearner, ConstantEffect):
            enough = config(overlap, fewest_effective_rows=least - 0.5)
            learner(config=enough, seed=0).fit(rows, nuisances=values)
            wanting = config(overlap, fewest_effective_rows=least + 0.5)
            with pytest.raises(OverlapError, match=f"T = [01] for an average.*{least:.1f}"):
                learner(config=wanting, seed=0).fit(rows, nuisances=values)


def test_a_refusal_names_the_cells() -> None:
    rows, values = world(n=3_000)
    with pytest.raises(OverlapError) as caught:
        DRLearner(config=config("all"), seed=0).fit(rows, nuisances=values)
    count = int((rows.propensity == 0.01).sum())
    assert f"without overlap: group = 0 ({count} rows, propensity 0.010 on average)." in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_a_propensity_of_0_or_1_is_kept_out_or_refused(certain: float) -> None:
    rows, values = world(n=20_000)
    pinned = rows.features[:, 0] == 4
    rows = replace(rows, treatment=np.where(pinned, int(certain), rows.treatment))
    values = replace(values, propensity=np.where(pinned, certain, values.propensity))
    for overlap in ("trim", "overlap_weights"):
        for learner in (ConstantEffect, DRLearner, RLearner, XLearner):
            model = learner(config=config(overlap), seed=0).fit(rows, nuisances=values)
            found = model.predict(rows.features[:1]).point[0]
            mass = SHARES.copy()
            mass[4] = 0
            if overlap == "trim":
                mass[0] = 0
            if overlap == "overlap_weights" or learner is RLearner:
                mass *= CHANCES * (1 - CHANCES)
            assert found == pytest.approx(mass @ EFFECTS / mass.sum(), abs=0.06)
    with pytest.raises(OverlapError, match=f"{int(pinned.sum())} of 20000 rows with 0 or 1"):
        DRLearner(config=config("all", fewest_effective_rows=1), seed=0).fit(rows, nuisances=values)


@pytest.mark.parametrize("overlap", CHOICES)
@pytest.mark.parametrize("arm", [0, 1])
@pytest.mark.parametrize("learner", [ConstantEffect, DRLearner])
def test_an_empty_arm_is_refused_under_every_choice(
    learner: Any, arm: int, overlap: OverlapChoice
) -> None:
    rows, values = world(n=4_000)
    rows = replace(rows, treatment=np.full(4_000, arm))
    with pytest.raises(OverlapError, match=f"T = {1 - arm} .* got 0.0"):
        learner(config=config(overlap), seed=0).fit(rows, nuisances=values)


def test_choices_are_named() -> None:
    with pytest.raises(ConfigError, match="overlap"):
        LearnerConfig(overlap="clip")


def test_the_final_stage_is_weighted_and_the_caller_keeps_what_is_his() -> None:
    rows, values = world(n=2_000)
    before = [each.copy() for each in (values.propensity, rows.weight)]
    chosen = comparable(values.propensity, rows.weight, overlap="overlap_weights", lowest=0.02)
    np.testing.assert_allclose(chosen.factor, rows.propensity * (1 - rows.propensity))
    for own, kept in zip(before, (values.propensity, rows.weight), strict=True):
        np.testing.assert_array_equal(own, kept)


def confounded(n: int = 20_000) -> tuple[Rows, Array]:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    e = 1 / (1 + np.exp(-1.5 * x[:, 0].astype(np.float64)))
    rows, _ = world(n=n)
    return replace(
        rows,
        features=np.column_stack([x, rng.integers(0, 4, n)]).astype(np.float32),
        treatment=(rng.random(n) < e).astype(np.int8),
        propensity=e,
        names=("cause", "other", "third", "shelf"),
        categorical=("shelf",),
    ), e


@pytest.mark.parametrize("overlap", CHOICES)
def test_the_report_says_how_alike_the_arms_are(overlap: OverlapChoice) -> None:
    rows, e = confounded()
    report = overlap_report(rows, e, overlap=overlap, lowest=0.1)
    assert report.names == rows.names
    assert report.before[0] > 0.7
    assert np.abs(report.after[:3]).max() < 0.06
    assert np.abs(report.before[1:3]).max() < 0.06
    assert np.isnan(report.before[3])
    assert np.isnan(report.after[3])
    summary = report.summary
    assert summary.treated_counts.sum() == rows.treatment.sum()
    assert summary.control_counts.sum() == (rows.treatment == 0).sum()
    assert summary.share_below == pytest.approx(np.mean(e < 0.1))
    assert summary.share_above == pytest.approx(np.mean(e > 0.9))
    # By hand, of the first feature.
    kept = (e >= 0.1) & (e <= 0.9) if overlap == "trim" else np.ones(len(e), dtype=bool)
    x, t, p = rows.features[kept, 0].astype(float), rows.treatment[kept], e[kept]
    own = {"trim": 1, "all": 1, "overlap_weights": p * (1 - p)}[overlap]
    w = own / np.where(t == 1, p, 1 - p)
    means = [np.average(x[t == arm], weights=w[t == arm]) for arm in (0, 1)]
    ruler = np.sqrt((x[t == 1].var() + x[t == 0].var()) / 2)
    assert report.after[0] == pytest.approx((means[1] - means[0]) / ruler, abs=1e-6)
    high = next(cell for cell in report.cells if cell.condition.startswith("cause >"))
    low = next(cell for cell in report.cells if cell.condition.startswith("cause <="))
    assert high.propensity > 0.9
    assert low.propensity < 0.1


def test_the_report_refuses_what_it_cannot_be_about() -> None:
    rows, e = confounded(2_000)
    with pytest.raises(SchemaError, match=r"\(2000,\)"):
        overlap_report(rows, e[:5])
    with pytest.raises(RowError, match="propensit"):
        overlap_report(rows, np.where(e > 0.9, 1.2, e))
    with pytest.raises(OverlapError, match="both arms"):
        overlap_report(replace(rows, treatment=np.zeros(2_000, dtype=np.int8)), e)
    assert overlap_report(rows, np.full(2_000, 0.4)).cells == ()
