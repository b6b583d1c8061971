"""How strong a confounder has to be, beside a slow account of the same figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from causal_ranker.evaluation.refute.estimates import judge
from causal_ranker.evaluation.refute.hidden import _strongest, unobserved_confounding
from causal_ranker.evaluation.refute.material import Material
from causal_ranker.stats.confounding import e_value, robustness_value
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


def test_figures_by_a_slow_account() -> None:
    rows = material(5, tau=0.25)
    base = judge(rows)
    values, y, t = base.values, rows.rows.outcome, rows.rows.treatment
    e, kept = values.propensity, base.kept
    one, none = [], []
    residual, alpha = [], []
    for i in np.flatnonzero(kept):
        m1, m0 = values.outcome_treated[i], values.outcome_control[i]
        one.append(m1 + (y[i] - m1) / e[i] if t[i] else m1)
        none.append(m0 if t[i] else m0 + (y[i] - m0) / (1 - e[i]))
        residual.append((y[i] - (m1 if t[i] else m0)) ** 2)
        alpha.append(1 / e[i] + 1 / (1 - e[i]))
    value, strength = (
        check
        for check in unobserved_confounding(rows, base, level=LEVEL)
        if check.estimate == AVERAGE
    )
    assert value.figure is not None
    assert value.figure.point == pytest.approx(e_value(np.mean(one) / np.mean(none)))
    effect = np.mean(one) - np.mean(none)
    robust = robustness_value(effect / np.sqrt(np.mean(residual) * np.mean(alpha)))
    # The strength reads rows with overlap under both fits, nearly all here.
    assert f"{100 * robust:.2g} %" in strength.why


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
    strongest = _strongest(more, judge(more))
    assert set(strongest) in ({"fit", "twin", "triple"}, {"taste"})
    # One that repeats nothing stands alone, and unknown values do no harm.
    alone = replace(
        more, nuisance=more.nuisance.model_copy(update={"propensity_features": ("noise", "taste")})
    )
    more.rows.features[::3, rows.rows.names.index("taste")] = np.nan
    assert _strongest(alone, judge(alone)) == ("taste",)


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
