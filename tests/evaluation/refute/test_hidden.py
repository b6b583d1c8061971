"""How strong a confounder has to be, beside a slow account of the same figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.evaluation.refute.estimates import Judged, judge
from causal_ranker.evaluation.refute.hidden import _candidates, unobserved_confounding
from causal_ranker.evaluation.refute.material import Material, Reported
from causal_ranker.stats.confounding import e_value, robustness_value, times_to_explain
from causal_ranker.stats.intervals import Interval
from causal_ranker.uplift.base import Rows
from tests.evaluation.refute.world import AVERAGE, CONFIG, material

LEVEL = 0.95


def lines(rows: Material) -> dict[str, str]:
    checks = unobserved_confounding(rows, judge(rows), level=LEVEL)
    return {check.refuter: check.verdict for check in checks if check.estimate == AVERAGE}


def twins(seed: int, *, tau: float) -> Material:
    """Two confounders, the weaker one hidden."""
    rng = np.random.default_rng(seed)
    n = 8_000
    a, b, other = rng.normal(size=(3, n))
    e = 1 / (1 + np.exp(-(1.3 * a + b)))
    treatment = rng.random(n) < e
    outcome = rng.random(n) < 0.35 + 0.16 * np.tanh(a) + 0.14 * np.tanh(b) + tau * treatment
    rows = Rows(
        features=np.stack([a, other], axis=1).astype(np.float32),
        treatment=treatment.astype(np.int8),
        outcome=outcome.astype(np.int8),
        weight=np.ones(n),
        user=np.arange(n),
        unit=np.arange(n),
        propensity=np.full(n, np.nan),
        names=("a", "other"),
    )
    return Material(
        rows=rows,
        sampled=np.ones(n, dtype=bool),
        request=np.arange(n),
        nuisance=CONFIG,
        lowest_propensity=0.02,
        seed=seed,
    )


def test_a_large_effect_among_weak_confounders_stands() -> None:
    assert lines(material(1, tau=0.3)) == {"E-value": "passed", "unobserved confounder": "passed"}


def test_an_effect_that_is_all_confounder_does_not() -> None:
    rows = twins(1, tau=0.0)
    found = unobserved_confounding(rows, judge(rows), level=LEVEL)
    assert [check.verdict for check in found] == ["failed", "failed"]
    figure = found[1].figure
    assert figure is not None
    assert figure.point <= 1


def test_no_effect_needs_no_explanation() -> None:
    assert lines(material(1, tau=0.0)) == {
        "E-value": "cannot tell",
        "unobserved confounder": "cannot tell",
    }


def test_the_figures_in_question_are_the_reports_own() -> None:
    # On these rows there is nothing; the report has more, and says +8 plays per 100 exposures.
    few = material(1, tau=0.0)
    own, base = few.rows.outcome.mean(), judge(few)
    average, gain = Interval(0.08, 0.07, 0.09, 0.005), Interval(0.05, 0.04, 0.06, 0.005)
    told = replace(few, reported=Reported(average, gain, level=0.95, unexposed=0.1))
    without, given = (unobserved_confounding(each, base, level=LEVEL) for each in (few, told))
    assert "holds 0" in without[1].why
    value, strength, lists = given
    assert value.figure is not None
    assert value.figure.point == pytest.approx(e_value(1.8))
    assert value.figure.low == pytest.approx(e_value(1.7))
    assert value.figure.high == pytest.approx(e_value(1.9))
    assert own > 0.1  # so it is the report's mean outcome, too
    assert value.why.startswith(
        "The report's risk ratio is 1.80 (95 % 1.70 to 1.90), and something unobserved could be "
        "all of it by making both exposure and outcome 3.00 times as likely (2.79 times for its "
        "interval)."
    )
    assert value.why.count(". ") == 1
    assert "its interval holds 1" in without[0].why
    for check in (strength, lists):
        assert "the report's 95 % interval" in check.why
        assert "holds 0" not in check.why
    _, _, residual, alpha = slowly(few, base, base.kept)
    point, low = (robustness_value(each / np.sqrt(residual * alpha)) for each in (0.08, 0.07))
    assert f"Robustness value {100 * point:.2g} % ({100 * low:.2g} % for the rep" in strength.why
    # An interval that the report could not give is that of these rows.
    unknown = Interval(0.08, np.nan, np.nan, np.nan)
    lost = replace(few, reported=Reported(unknown, unknown, level=0.95, unexposed=0.1))
    assert repr(unobserved_confounding(lost, base, level=LEVEL)) == repr(without)


def test_a_reported_interval_below_no_play_at_all_explains_itself() -> None:
    rows = material(1, users=100)
    for unexposed, figure in ((0.1, True), (0.0, False)):
        average = Interval(-0.05, -0.2, 0.1, 0.1)
        told = replace(rows, reported=Reported(average, None, level=0.95, unexposed=unexposed))
        (value, *_) = unobserved_confounding(told, judge(told), level=LEVEL)
        assert value.verdict == "cannot tell"
        assert (value.figure is not None) == figure
        if value.figure is not None:
            assert value.figure.high == np.inf


def slowly(rows: Material, base: Judged, kept: NDArray[np.bool_]) -> tuple[float, ...]:
    """Mean outcome of both arms, residual variance and mean square of the weights, row by row."""
    values, y, t = base.values, rows.rows.outcome, rows.rows.treatment
    e, figures = values.propensity, []
    for i in np.flatnonzero(kept):
        m1, m0 = values.outcome_treated[i], values.outcome_control[i]
        figures.append(
            (
                m1 + (y[i] - m1) / e[i] if t[i] else m1,
                m0 if t[i] else m0 + (y[i] - m0) / (1 - e[i]),
                (y[i] - (m1 if t[i] else m0)) ** 2,
                1 / e[i] + 1 / (1 - e[i]),
            )
        )
    return tuple(np.mean(figures, axis=0).tolist())


def test_figures_by_a_slow_account() -> None:
    rows = material(5, tau=0.25)
    base = judge(rows)
    checks = unobserved_confounding(rows, base, level=LEVEL)
    value, strength = (check for check in checks if check.estimate == AVERAGE)
    one, none, _, _ = slowly(rows, base, base.kept)
    assert value.figure is not None
    assert value.figure.point == pytest.approx(e_value(one / none))

    strongest = strength.why.split("undoes this. ")[1].split(" explains")[0]
    left = [place for place, name in enumerate(rows.rows.names) if name != strongest]
    fewer = replace(
        rows.rows,
        features=rows.rows.features[:, left],
        names=tuple(rows.rows.names[place] for place in left),
    )
    short = judge(rows, rows=fewer)
    both = base.kept & short.kept
    _, _, residual, alpha = slowly(rows, base, both)
    _, _, short_residual, short_alpha = slowly(rows, short, both)
    signal = (one - none) / np.sqrt(residual * alpha)
    times = times_to_explain(
        signal,
        outcome_share=short_residual / residual - 1,
        treatment_share=1 - short_alpha / alpha,
    )
    assert strength.figure is not None
    assert strength.figure.point == pytest.approx(times)
    assert f"Robustness value {100 * robustness_value(signal):.2g} %" in strength.why


def test_the_ruler_is_the_strongest_covariate_with_its_repetitions() -> None:
    rows = material(1, pull=0.3)
    fit = rows.rows.features[:, rows.rows.names.index("fit")]
    rng = np.random.default_rng(0)
    twin = (fit + 0.3 * rng.normal(size=len(fit))).astype(np.float32)
    more = replace(
        rows,
        rows=replace(
            rows.rows,
            features=np.column_stack([rows.rows.features, twin, 3 * fit]),
            names=(*rows.rows.names, "twin", "triple"),
        ),
    )
    strongest = _candidates(more, judge(more))[0]
    assert set(strongest) in ({"fit", "twin", "triple"}, {"taste"})
    # One that repeats nothing stands alone, and unknown values do no harm.
    alone = replace(
        more, nuisance=more.nuisance.model_copy(update={"propensity_features": ("noise", "taste")})
    )
    more.rows.features[::3, rows.rows.names.index("taste")] = np.nan
    assert _candidates(alone, judge(alone)) == [("taste",), ("noise",)]


def test_what_others_repeat_together_gives_way_to_what_they_do_not() -> None:
    # "level" goes most with T and Y, and without it its parts know all the same.
    rng = np.random.default_rng(0)
    n = 6_000
    parts, z = rng.normal(size=(n, 5)), rng.normal(size=n)
    level = parts.sum(axis=1) / np.sqrt(5)
    treatment = rng.random(n) < 1 / (1 + np.exp(-(level + 0.7 * z)))
    chance = 0.35 + 0.12 * np.tanh(level) + 0.09 * np.tanh(z) + 0.15 * treatment
    whole = twins(0, tau=0.0)
    rows = replace(
        whole,
        sampled=np.ones(n, dtype=bool),
        request=np.arange(n),
        rows=Rows(
            features=np.column_stack([level, parts, z]).astype(np.float32),
            treatment=treatment.astype(np.int8),
            outcome=(rng.random(n) < chance).astype(np.int8),
            weight=np.ones(n),
            user=np.arange(n),
            unit=np.arange(n),
            propensity=np.full(n, np.nan),
            names=("level", "a", "b", "c", "d", "e", "z"),
        ),
    )
    base = judge(rows)
    assert _candidates(rows, base)[0] == ("level",)
    value, strength = unobserved_confounding(rows, base, level=LEVEL)
    assert "Leaving out z shifts" in value.why
    assert "undoes this. z explains" in strength.why
    assert strength.figure is not None
    assert strength.figure.point < 20


def test_where_no_covariate_explains_both_it_says_so() -> None:
    # Trees that never split explain nothing of Y, with or without a covariate.
    stump = CONFIG.outcome.model_copy(update={"min_rows_leaf": 100_000})
    rows = material(1, tau=0.3)
    blunt = replace(rows, nuisance=CONFIG.model_copy(update={"outcome": stump}))
    checks = unobserved_confounding(blunt, judge(blunt), level=LEVEL)
    (strength,) = (each for each in checks if each.estimate == AVERAGE and each.unit == "times")
    assert strength.verdict == "cannot tell"
    assert strength.figure is None
    assert "no observed covariate that was tried explains something of both T" in strength.why


def test_without_a_second_covariate_there_is_no_ruler() -> None:
    rows = twins(1, tau=0.1)
    only = replace(rows, nuisance=rows.nuisance.model_copy(update={"propensity_features": ("a",)}))
    found = unobserved_confounding(only, judge(only), level=LEVEL)
    assert {check.verdict for check in found} == {"not run"}


def test_logged_propensities_leave_nothing_unobserved() -> None:
    found = unobserved_confounding(
        material(1, logged=True, users=100), judge(material(1, logged=True, users=100)), level=LEVEL
    )
    assert {check.verdict for check in found} == {"not run"}
    assert "logged" in found[0].why
