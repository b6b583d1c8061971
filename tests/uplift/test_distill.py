"""Students rank as their teachers, or are refused; and they serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import ConfigError, EmptyError, FidelityError, NotFittedError
from causal_ranker.serving.model import ModelPart, TextModel
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.stats.agreement import spearman, top_overlap
from causal_ranker.stats.curves import autoc
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.base import Effect, Rows, UpliftModel
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.distill import DistillConfig, Distilled, Fidelity, distill
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.explain import shap_values
from causal_ranker.uplift.nuisance import Nuisances
from causal_ranker.uplift.s import SLearner
from causal_ranker.uplift.t import TLearner
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, NAMES, NUISANCE, draw

FAST = DistillConfig(trees=BoostConfig(rounds=60, leaves=15, min_rows_leaf=20, feature_share=1.0))
STUMP = DistillConfig(trees=BoostConfig(rounds=1, leaves=2))
TEACHERS: dict[str, Callable[[], UpliftModel]] = {
    "s": lambda: SLearner(config=CONFIG, seed=3),
    "t": lambda: TLearner(config=CONFIG, seed=3),
    "dr": lambda: DRLearner(config=CONFIG, seed=3),
}


@pytest.fixture(scope="module")
def rows() -> Rows:
    return draw(80, logged=True).rows


@cache
def taught(name: str) -> Any:
    return TEACHERS[name]().fit(draw(83, logged=True).rows)


@pytest.fixture(params=TEACHERS)
def teacher(request: pytest.FixtureRequest) -> UpliftModel:
    model: UpliftModel = taught(request.param)
    return model


class TestStudent(UpliftModelContract):
    def fresh(self) -> UpliftModel:
        leaf = min(FAST.trees.min_rows_leaf, self.config.final.min_rows_leaf)
        trees = FAST.trees.model_copy(update={"min_rows_leaf": leaf})
        # Of one effect for all a teacher says noise, which is hard to learn and of no use.
        config = FAST.model_copy(update={"trees": trees, "least_spearman": 0.8})
        return Distilled(DRLearner(config=self.config, seed=3), config=config, seed=3)


def test_fidelity_holds_on_users_and_rows_of_another_day(teacher: UpliftModel, rows: Rows) -> None:
    student = distill(teacher, rows, config=FAST, seed=3)
    found = student.fidelity_
    assert found is not None
    new = draw(81).rows.features
    said, learned = teacher.predict(new).point, student.predict(new).point
    assert found.spearman == pytest.approx(spearman(said, learned), abs=0.02)
    assert found.overlap == pytest.approx(top_overlap(said, learned, top=0.1), abs=0.06)
    assert found.spearman > 0.9
    assert np.isnan(found.autoc_kept)


def test_fidelity_by_hand_on_held_out_users(rows: Rows) -> None:
    weighted = replace(rows, weight=np.random.default_rng(0).uniform(0.5, 3, len(rows)))
    teacher = taught("dr")
    scores = np.random.default_rng(1).normal(size=len(rows)) + (rows.features[:, 1] > 0)
    scores[::7] = np.nan
    student = distill(teacher, weighted, config=FAST, seed=3, scores=scores)
    out = uniform_hash(rows.user, salt="distill-3") < 0.2
    assert 0.15 < out.mean() < 0.25
    said, learned = (each.predict(rows.features[out]).point for each in (teacher, student))
    w, known = weighted.weight[out], ~np.isnan(scores[out])
    areas = [autoc(each[known], scores[out][known], weights=w[known]) for each in (said, learned)]
    assert student.fidelity_ == Fidelity(
        rows=int(out.sum()),
        spearman=spearman(said, learned, weights=w),
        overlap=top_overlap(said, learned, top=0.1, weights=w),
        autoc_teacher=areas[0],
        autoc_student=areas[1],
    )
    assert student.fidelity_.autoc_kept == areas[1] / areas[0]
    assert 0.9 < student.fidelity_.autoc_kept < 1.1


class Told:
    """A teacher who says of each user what he was told."""

    def __init__(self, told: dict[int, float]) -> None:
        self._told = told

    def fit(self, rows: Rows) -> Told:
        return self

    def predict(self, features: NDArray[np.float32]) -> Effect:
        return Effect(np.array([self._told[int(user)] for user in features[:, 0]]))


def test_the_student_never_sees_the_users_held_out(rows: Rows) -> None:
    """Whatever is said of them, the student is the same."""
    x = rows.features.copy()
    x[:, 0] = rows.user
    rows = replace(rows, features=x)
    out = uniform_hash(np.arange(2_000), salt="distill-3") < 0.2
    lax = FAST.model_copy(update={"least_spearman": -1.0, "least_overlap": 0.0})

    def text(changed: NDArray[np.bool_]) -> str:
        said = np.sin(np.arange(2_000) / 300) + 5.0 * changed
        told = Told(dict(enumerate(said.tolist())))
        model = distill(told, rows, config=lax, seed=3).model_
        assert model is not None
        return model.model_to_string()

    nobody = np.zeros(2_000, dtype=bool)
    assert text(out) == text(nobody)
    one_more = nobody.copy()
    one_more[np.flatnonzero(~out)[0]] = True
    assert text(one_more) != text(nobody)


def test_a_poor_student_is_refused_with_its_figures(teacher: UpliftModel, rows: Rows) -> None:
    student = Distilled(teacher, config=STUMP, seed=3)
    with pytest.raises(FidelityError) as told:
        student.learn(rows)
    assert student.fidelity_ is not None
    assert student.fidelity_.overlap < 0.7
    assert str(student.fidelity_) in str(told.value)
    assert "Spearman 0.9, overlap 0.7" in str(told.value)
    with pytest.raises(NotFittedError):
        student.predict(rows.features)
    lax = STUMP.model_copy(update={"least_spearman": -1.0, "least_overlap": 0.0})
    found = distill(teacher, rows, config=lax, seed=3).fidelity_
    assert str(found) == str(student.fidelity_)


@pytest.mark.parametrize("floor", ["least_spearman", "least_overlap"])
def test_each_floor_refuses_by_itself(rows: Rows, floor: str) -> None:
    teacher = taught("dr")
    poor = {"least_spearman": -1.0, "least_overlap": 0.0}
    found = distill(teacher, rows, config=STUMP.model_copy(update=poor), seed=3).fidelity_
    assert found is not None
    reached = found.spearman if floor == "least_spearman" else found.overlap
    kept = STUMP.model_copy(update=poor | {floor: reached})
    distill(teacher, rows, config=kept, seed=3)
    with pytest.raises(FidelityError):
        distill(teacher, rows, config=kept.model_copy(update={floor: reached + 1e-9}), seed=3)


def test_a_share_of_the_autoc_may_be_asked_for(rows: Rows) -> None:
    teacher = taught("dr")
    values = Nuisances(config=NUISANCE, seed=3).fit(rows).cross_fitted(rows)
    scores = values.scores(rows.treatment, rows.outcome)
    asked = FAST.model_copy(update={"least_autoc_kept": 0.9})
    assert distill(teacher, rows, config=asked, seed=3, scores=scores).model_ is not None
    with pytest.raises(FidelityError, match="90% of the AUTOC"):
        # By these the teacher is the wrong way round: there is nothing to keep.
        distill(teacher, rows, config=asked, seed=3, scores=-scores)
    with pytest.raises(ConfigError, match="Pass scores"):
        distill(teacher, rows, config=asked, seed=3)


def test_one_effect_for_all_has_a_faithful_student(rows: Rows) -> None:
    teacher = ConstantEffect(config=CONFIG, seed=3).fit(rows)
    student = distill(teacher, rows, config=FAST, seed=3)
    assert student.fidelity_ is not None
    assert (student.fidelity_.spearman, student.fidelity_.overlap) == (1.0, pytest.approx(1.0))
    np.testing.assert_allclose(
        student.predict(rows.features).point, teacher.predict(rows.features).point, rtol=1e-6
    )


@pytest.mark.parametrize("name", ["s", "t"])
def test_two_students_say_what_happens_in_each_arm(rows: Rows, name: str) -> None:
    teacher = taught(name)
    arms = FAST.model_copy(update={"arms": True})
    student = distill(teacher, rows, config=arms, seed=3)
    assert student.model_ is None
    assert student.arms_ is not None
    x = draw(82).rows.features
    organic, exposed = (model.predict(x) for model in student.arms_)
    said = teacher.arms(x)
    assert np.corrcoef(organic, said[0])[0, 1] > 0.97
    assert np.corrcoef(exposed, said[1])[0, 1] > 0.97
    np.testing.assert_allclose(student.predict(x).point, exposed - organic)
    found = shap_values(student, x, names=NAMES)
    np.testing.assert_allclose(
        found.values.sum(axis=1) + found.base, student.predict(x).point, atol=1e-12
    )


def test_arms_are_asked_of_who_knows_them(rows: Rows) -> None:
    teacher = taught("dr")
    with pytest.raises(ConfigError, match="DRLearner"):
        distill(teacher, rows, config=FAST.model_copy(update={"arms": True}), seed=3)


def test_a_student_is_explained_and_served(rows: Rows, tmp_path: Path) -> None:
    """Its text alone, read by the server, answers as the student does."""
    student = distill(taught("t"), rows, config=FAST, seed=3)
    assert student.model_ is not None
    x = rows.features[:20].astype(np.float64)
    file = tmp_path / "uplift.txt"
    file.write_text(student.model_.model_to_string())
    part = ModelPart(
        text=file.read_text(),
        schema=FeatureSchema(tuple(Feature(name=name, group="pair") for name in NAMES)),
        golden_features=x,
        golden_expected=student.predict(rows.features[:20]).point,
    )
    np.testing.assert_array_equal(TextModel(part, name="uplift").predict(x), part.golden_expected)
    found = shap_values(student, rows.features, names=NAMES)
    assert found.drivers(rows.features, weight=rows.weight)[0].name == "x1"


def test_a_missing_value_and_a_category_reach_the_student(rows: Rows) -> None:
    x = rows.features.copy()
    x[:, 3] = np.random.default_rng(5).integers(0, 12, len(x))
    x[::4, 1] = np.nan

    class ByCategory(Told):
        def predict(self, features: NDArray[np.float32]) -> Effect:
            odd = np.isin(features[:, 3], (1, 4, 7, 8)) * 0.1
            return Effect(np.where(np.isnan(features[:, 1]), 0.5, features[:, 1]) + odd)

    known = replace(rows, features=x, categorical=("x3",))
    student = distill(ByCategory({}), known, config=FAST, seed=3)
    miss = student.predict(x).point - ByCategory({}).predict(x).point
    assert np.sqrt(np.mean(miss**2)) < 0.05


@pytest.mark.parametrize("share", [1e-9, 1 - 1e-9])
def test_somebody_is_held_out_and_somebody_is_not(rows: Rows, share: float) -> None:
    with pytest.raises(EmptyError, match="rows held out"):
        distill(Told({}), rows, config=FAST.model_copy(update={"held_out": share}), seed=3)


@pytest.mark.parametrize(
    "settings",
    [{"held_out": 0}, {"held_out": 1}, {"top": 0}, {"least_spearman": 1.1}, {"least_overlap": -1}],
)
def test_impossible_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DistillConfig(**settings)


def test_equal_seeds_give_equal_bytes(rows: Rows) -> None:
    teacher = taught("dr")

    def text(seed: int) -> str:
        model = distill(teacher, rows, config=FAST, seed=seed).model_
        assert model is not None
        return model.model_to_string()

    assert text(3) == text(3)
    assert text(3) != text(4)


def test_fidelity_may_be_measured_on_later_rows_of_the_users_held_out(rows: Rows) -> None:
    teacher, later = taught("dr"), draw(82, logged=True)
    student = distill(teacher, rows, config=FAST, seed=3, judge=later.rows, scores=later.tau)
    alone = distill(teacher, rows, config=FAST, seed=3)
    assert student.model_ is not None
    assert alone.model_ is not None
    assert student.model_.model_to_string() == alone.model_.model_to_string()
    out = uniform_hash(later.rows.user, salt="distill-3") < 0.2
    assert 0.1 < out.mean() < 0.3
    said, learned = (each.predict(later.rows.features[out]).point for each in (teacher, student))
    found = student.fidelity_
    assert found is not None
    assert found.rows == out.sum()
    assert found.spearman == spearman(said, learned, weights=later.rows.weight[out])
    assert found.autoc_student == autoc(learned, later.tau[out], weights=later.rows.weight[out])
