from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import OverlapError, RowError, SchemaError
from causal_ranker.stats.aipw import aipw_scores, ipw_scores

number = st.floats(-5, 5)
chance = st.floats(0.02, 0.98)
GOOD = {"propensity": [0.5, 0.5], "mu0": [0.0, 0.0], "mu1": [0.0, 0.0]}


def test_it_is_the_formula_of_the_design() -> None:
    rng = np.random.default_rng(1)
    y, m0, m1 = rng.normal(size=(3, 50))
    t, e = rng.integers(0, 2, 50), rng.uniform(0.05, 0.95, 50)
    expected = []
    for i in range(50):
        m_t = m1[i] if t[i] else m0[i]
        expected.append(m1[i] - m0[i] + (t[i] - e[i]) / (e[i] * (1 - e[i])) * (y[i] - m_t))
    np.testing.assert_allclose(
        aipw_scores(y, t, propensity=e, mu0=m0, mu1=m1), expected, rtol=1e-12
    )


@given(y0=number, y1=number, m0=number, m1=number, e=chance)
def test_right_propensities_give_the_truth_whatever_the_outcome_models(
    y0: float, y1: float, m0: float, m1: float, e: float
) -> None:
    treated, control = aipw_scores([y1, y0], [1, 0], propensity=[e, e], mu0=[m0, m0], mu1=[m1, m1])
    assert e * treated + (1 - e) * control == pytest.approx(y1 - y0, abs=1e-9)


@given(y0=number, y1=number, e=chance)
def test_right_outcome_models_give_the_truth_whatever_the_propensity(
    y0: float, y1: float, e: float
) -> None:
    scores = aipw_scores([y1, y0], [1, 0], propensity=[e, e], mu0=[y0, y0], mu1=[y1, y1])
    np.testing.assert_array_equal(scores, y1 - y0)


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_no_overlap_is_refused(edge: float) -> None:
    with pytest.raises(OverlapError, match="row 1"):
        aipw_scores([0, 1], [0, 1], **{**GOOD, "propensity": [0.5, edge]})


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(RowError, match="propensity"):
        aipw_scores([0, 1], [0, 1], **{**GOOD, "propensity": [0.5, value]})


def test_arms_and_lengths_are_checked() -> None:
    with pytest.raises(RowError, match="treatment"):
        aipw_scores([0, 1], [0, 2], **GOOD)
    with pytest.raises(SchemaError, match="mu1"):
        aipw_scores([0, 1], [0, 1], **{**GOOD, "mu1": [0.0]})


@pytest.mark.parametrize("kind", ["binary", "count", "continuous"])
def test_both_kinds_of_scores_find_effects_of_every_kind_of_outcome(kind: str) -> None:
    """By known propensities, under confounding; outcome models that are good only save noise."""
    rng = np.random.default_rng(3)
    n = 60_000
    x = rng.random(n)
    e = 0.2 + 0.6 * x
    treated = rng.random(n) < e
    level0, level1 = 0.2 + 0.3 * x, 0.2 + 0.5 * x
    level = np.where(treated, level1, level0)
    y = {
        "binary": (rng.random(n) < level).astype(float),
        "count": rng.poisson(level).astype(float),
        "continuous": level + rng.normal(size=n),
    }[kind]
    pure = ipw_scores(y, treated, propensity=e)
    np.testing.assert_allclose(pure, y * (treated - e) / (e * (1 - e)), rtol=1e-12)
    doubly = aipw_scores(y, treated, propensity=e, mu0=level0, mu1=level1)
    for gamma in (pure, doubly):
        for part in (x < 0.5, x >= 0.5):
            noise = gamma[part].std() / np.sqrt(part.sum())
            assert abs(gamma[part].mean() - (level1 - level0)[part].mean()) < 4 * noise
    assert doubly.std() < pure.std()
    naive = y[treated].mean() - y[~treated].mean()
    assert naive - (level1 - level0).mean() > 0.03


def test_pure_scores_refuse_what_doubly_robust_ones_refuse() -> None:
    with pytest.raises(OverlapError):
        ipw_scores([1.0, 0.0], [1, 0], propensity=[1.0, 0.5])
    with pytest.raises(RowError, match="treatment"):
        ipw_scores([1.0, 0.0], [2, 0], propensity=[0.5, 0.5])
    with pytest.raises(SchemaError):
        ipw_scores([1.0, 0.0], [1, 0], propensity=[0.5])
