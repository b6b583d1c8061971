"""S, T, X and R beside DR: one contract, their formulas by hand, effects that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import EmptyError, NotFittedError, OverlapError, RowError
from causal_ranker.uplift.base import Rows, UpliftModel
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.factory import make_learner
from causal_ranker.uplift.final import FinalStageLearner, LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances, NuisanceValues
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.s import SLearner
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.x import XLearner
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, NUISANCE, TREES, Truth, draw

FINAL_STAGES = [DRLearner, RLearner, XLearner]
#: One leaf holds all rows, so that the final stage is a weighted mean.
ONE_LEAF = BoostConfig(rounds=1, learning_rate=1.0, leaves=2, min_rows_leaf=10**6)


class TestRLearner(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return RLearner(config=self.config, seed=3)


class TestXLearner(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return XLearner(config=self.config, seed=3)


class TestTLearner(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return TLearner(config=self.config, seed=3)


class TestConstantEffect(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        return ConstantEffect(config=self.config, seed=3)

    def test_it_finds_the_step(self, fitted: UpliftModel, truth: Truth) -> None:
        """It cannot: it finds the mean of the step, and says it of everyone."""
        found = fitted.predict(truth.rows.features).point
        assert np.ptp(found) == 0
        assert found[0] == pytest.approx(truth.tau.mean(), abs=0.05)


class TestSLearner(UpliftModelContract):
    bias = 0.1  # it shrinks effects

    def fresh(self) -> UpliftModel:
        return SLearner(config=self.config, seed=3)


def made_up(n: int) -> NuisanceValues:
    rng = np.random.default_rng(5)
    return NuisanceValues(
        propensity=rng.uniform(0.1, 0.9, n),
        outcome_treated=rng.uniform(0, 1, n),
        outcome_control=rng.uniform(0, 1, n),
    )


def by_hand(learner: type[FinalStageLearner], rows: Rows, e: Any, mu0: Any, mu1: Any) -> float:
    """Minimise each learner's published loss over a constant effect."""
    t, y, w = (v.astype(float) for v in (rows.treatment, rows.outcome, rows.weight))
    if learner is DRLearner:
        gamma = mu1 - mu0 + t * (y - mu1) / e - (1 - t) * (y - mu0) / (1 - e)
        return float((w * gamma).sum() / w.sum())
    if learner is RLearner:
        left_y, left_t = y - (e * mu1 + (1 - e) * mu0), t - e
        return float((w * left_t * left_y).sum() / (w * left_t**2).sum())
    # Each arm's imputed effects, mixed where they stand: (1 - e) of the treated, e of the others.
    mass = w * (t * (1 - e) / e + (1 - t) * e / (1 - e))
    imputed = t * (y - mu0) + (1 - t) * (mu1 - y)
    return float((mass * imputed).sum() / mass.sum())


@pytest.mark.parametrize("learner", FINAL_STAGES)
def test_a_final_stage_of_one_leaf_is_the_formulas_mean(learner: type[FinalStageLearner]) -> None:
    rows = draw(4, n=3_000).rows
    rows = replace(rows, weight=np.random.default_rng(0).uniform(1, 5, len(rows)))
    values = made_up(len(rows))
    model = learner(config=LearnerConfig(final=ONE_LEAF, nuisance=NUISANCE), seed=3)
    found = model.fit(rows, nuisances=values).predict(rows.features).point
    e, mu0, mu1 = values.propensity, values.outcome_control, values.outcome_treated
    np.testing.assert_allclose(found, by_hand(learner, rows, e, mu0, mu1), atol=1e-6)


def test_the_x_learner_mixes_the_arms_as_published() -> None:
    """In a group of equal rows: e times the controls' imputed mean plus 1 - e times the others'."""
    n, e = 40_000, 0.2
    rng = np.random.default_rng(1)
    t = (rng.random(n) < e).astype(np.int8)
    y = (rng.random(n) < np.where(t == 1, 0.6, 0.3)).astype(np.int8)
    values = NuisanceValues(*(np.full(n, p) for p in (e, 0.5, 0.1)))  # both models are off
    target, weight = XLearner._pseudo_outcomes(t, y, values)
    mixed = e * (0.5 - y[t == 0]).mean() + (1 - e) * (y[t == 1] - 0.1).mean()
    assert np.average(target, weights=weight) == pytest.approx(mixed, abs=0.01)


def learners(kind: str) -> dict[str, Callable[[Rows, Nuisances], UpliftModel]]:
    nuisance = NuisanceConfig(kind=kind, outcome=TREES, propensity=TREES)
    config = LearnerConfig(final=TREES, nuisance=nuisance)
    final = {
        each.__name__: lambda rows, nuisances, each=each: each(config=config, seed=3).fit(
            rows, nuisances=nuisances.cross_fitted(rows)
        )
        for each in FINAL_STAGES
    }
    return {
        **final,
        "TLearner": lambda rows, nuisances: TLearner(config=config, seed=3).fit(
            rows, nuisances=nuisances
        ),
        "SLearner": lambda rows, _: SLearner(config=config, seed=3).fit(rows),
        "ConstantEffect": lambda rows, nuisances: ConstantEffect(config=config, seed=3).fit(
            rows, nuisances=nuisances.cross_fitted(rows)
        ),
    }


def of_kind(kind: str, seed: int) -> tuple[Rows, NDArray[np.float64]]:
    """Draw counts and amounts whose effect is a step of x1, and zeros and ones as elsewhere."""
    truth = draw(seed, n=12_000)
    if kind == "binary":
        return truth.rows, truth.tau
    rng = np.random.default_rng(seed)
    x, t = truth.rows.features, truth.rows.treatment
    tau = np.where(x[:, 1] > 0, 1.0, 0.0)
    level = 1.0 + (x[:, 0] > 0)
    mean = level + tau * t
    y = rng.poisson(mean) if kind == "count" else mean + rng.normal(size=len(mean)) - 3
    return replace(truth.rows, outcome=y), tau


@pytest.mark.parametrize("kind", ["binary", "count", "continuous"])
def test_outcomes_of_each_kind_have_their_effects_found(kind: str) -> None:
    rows, tau = of_kind(kind, 7)
    nuisance = NuisanceConfig(kind=kind, outcome=TREES, propensity=TREES)
    nuisances = Nuisances(config=nuisance, seed=3).fit(rows)
    for name, fit in learners(kind).items():
        found = fit(rows, nuisances).predict(rows.features).point
        assert found.mean() == pytest.approx(tau.mean(), abs=0.1 * np.ptp(tau)), name
        if name == "ConstantEffect":
            assert np.ptp(found) == 0
        else:
            assert np.corrcoef(found, tau)[0, 1] > 0.8, name


def test_a_t_learner_of_shared_models_is_their_difference() -> None:
    rows = draw(9, n=3_000).rows
    nuisances = Nuisances(config=NUISANCE, seed=3).fit(rows)
    shared = TLearner(config=CONFIG, seed=3).fit(rows, nuisances=nuisances)
    found = shared.predict(rows.features).point
    alone = TLearner(config=CONFIG, seed=3).fit(rows).predict(rows.features).point
    np.testing.assert_array_equal(found, alone)
    control, treated = nuisances.arms(rows.features)
    np.testing.assert_array_equal(found, treated - control)
    # Of a row's own fold and the other: the mean of all models, which are two here.
    cross = nuisances.cross_fitted(rows)
    assert not np.allclose(treated, cross.outcome_treated)
    shared.fit(draw(10, n=3_000).rows)  # leaves what was shared alone
    np.testing.assert_array_equal(nuisances.arms(rows.features), [control, treated])


def test_one_effect_for_all_is_the_mean_of_the_scores_with_overlap() -> None:
    rows = draw(4, n=2_000).rows
    values = made_up(2_000)

    def constant(lowest: float) -> ConstantEffect:
        return ConstantEffect(
            config=CONFIG.model_copy(update={"lowest_propensity": lowest}), seed=3
        )

    model = constant(0.3).fit(rows, nuisances=values)
    e = values.propensity
    kept = (e >= 0.3) & (e <= 0.7)
    expected = by_hand(
        DRLearner,
        rows.take(kept),
        e[kept],
        values.outcome_control[kept],
        values.outcome_treated[kept],
    )
    np.testing.assert_allclose(model.predict(rows.features[:3]).point, [expected] * 3)
    with pytest.raises(NotFittedError):
        constant(0.3).predict(rows.features)
    with pytest.raises(OverlapError, match="at least 100 effective rows with T = 1"):
        constant(0.45).fit(rows, nuisances=replace(values, propensity=np.full(2_000, 0.1)))


BAD = [
    ("binary", "outcome", 2.0, "0 or 1 in every row"),
    ("binary", "outcome", np.nan, "0 or 1 in every row"),
    ("count", "outcome", -1.0, "number of plays"),
    ("count", "outcome", 0.5, "number of plays"),
    ("continuous", "outcome", np.inf, "finite outcome"),
    ("continuous", "treatment", 2.0, "treatment of 0 or 1"),
    ("continuous", "weight", 0.0, "positive, finite weight"),
    ("continuous", "weight", np.nan, "positive, finite weight"),
]


@pytest.mark.parametrize(("kind", "column", "value", "expected"), BAD)
@pytest.mark.parametrize("learner", [*FINAL_STAGES, TLearner, SLearner])
def test_rows_that_cannot_be_are_refused_by_every_learner(
    learner: Any, kind: str, column: str, value: float, expected: str
) -> None:
    rows = draw(4, n=500).rows
    values = np.asarray(getattr(rows, column), dtype=np.float64).copy()
    values[7] = value
    nuisance = NuisanceConfig(kind=kind, outcome=TREES, propensity=TREES)
    final = issubclass(learner, FinalStageLearner)
    config = LearnerConfig(final=TREES, nuisance=nuisance)
    given = {"nuisances": made_up(500)} if final else {}
    with pytest.raises(RowError, match=rf"{expected}.*1 of 500 rows.*\[7\]"):
        learner(config=config, seed=3).fit(replace(rows, **{column: values}), **given)


def test_an_arm_without_a_play_cannot_be_counted() -> None:
    rows = draw(4, n=500).rows
    none = replace(rows, outcome=np.where(rows.treatment == 1, rows.outcome, 0))
    nuisance = NuisanceConfig(kind="count", outcome=TREES, propensity=TREES)
    config = LearnerConfig(nuisance=nuisance, fewest_effective_rows=10)
    with pytest.raises(EmptyError, match="plays in rows with T = 0"):
        TLearner(config=config, seed=3).fit(none)


@pytest.mark.parametrize("name", ["constant", "s", "t", "x", "r", "dr"])
@pytest.mark.parametrize("logged", [True, False])
def test_no_learner_answers_where_nothing_can_be_compared(name: str, logged: bool) -> None:
    """Not even those that read no propensity: one arm's model was never asked about such rows."""
    rows = draw(4, n=2_000).rows
    shown = (rows.features[:, 0] > 0).astype(np.int8)
    chance = np.where(shown == 1, 0.999, 0.001) if logged else np.full(len(rows), np.nan)
    apart = replace(rows, treatment=shown, propensity=chance)
    with pytest.raises(OverlapError, match=r"effective rows with T = 1.*x0 <= "):
        make_learner(name, config=CONFIG, seed=3).fit(apart)


def test_overlap_is_looked_at_by_the_nuisances_that_are_shared() -> None:
    rows = draw(4, n=2_000, logged=True).rows
    values = made_up(len(rows))
    found = SLearner(config=CONFIG, seed=3).fit(rows, nuisances=values).predict(rows.features)
    alone = SLearner(config=CONFIG, seed=3).fit(rows).predict(rows.features)
    np.testing.assert_array_equal(found.point, alone.point)
    none = replace(values, propensity=np.full(len(rows), 0.01))
    with pytest.raises(OverlapError, match="effective rows"):
        SLearner(config=CONFIG, seed=3).fit(rows, nuisances=none)
