"""The model of half-widths: above 0, and refused where it is not faithful to users it never saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.errors import FidelityError
from causal_ranker.uplift.base import Effect, Rows
from causal_ranker.uplift.intervals import HalfSampleIntervals
from causal_ranker.uplift.width import LearnedWidth, WidthConfig, learn_width
from tests.uplift.worlds import draw

TREES = BoostConfig(rounds=60, learning_rate=0.15, leaves=15, min_rows_leaf=20, feature_share=1.0)
CONFIG = WidthConfig(trees=TREES)


@dataclass
class Teacher:
    """Intervals as wide as a formula says, in the unit of small uplifts."""

    noise: float = 0.0
    scale: float = 0.004
    asked: list[NDArray[Any]] = field(default_factory=list)

    def half(self, x: NDArray[Any]) -> NDArray[np.float64]:
        wild = np.sin(1e4 * x[:, 3].astype(float))  # what no tree can follow
        log = 0.5 * x[:, 1] + 0.3 * np.abs(x[:, 2]) + self.noise * wild
        return np.asarray(self.scale * np.exp(log))

    def predict(self, features: NDArray[np.float32]) -> Effect:
        self.asked.append(features)
        half = self.half(features)
        return Effect(point=half - 0.01, low=-np.full(len(half), 0.01), high=2 * half - 0.01)


def learn(teacher: Teacher, rows: Rows, judge: Rows, config: WidthConfig = CONFIG) -> LearnedWidth:
    fitted = cast(HalfSampleIntervals, teacher)
    return learn_width(fitted, rows, judge=judge, config=config, seed=3)


@pytest.mark.parametrize("scale", [0.004, 1e-8])
def test_it_says_the_half_widths_of_rows_it_never_saw(scale: float) -> None:
    rows, later = draw(1, n=6_000).rows, draw(2, n=3_000).rows
    teacher = Teacher(noise=0.2, scale=scale)
    learned = learn(teacher, rows, later)
    new = draw(3, n=2_000).rows.features
    said = predict_trees(learned.model_, new)
    assert (said > 0).all()
    assert spearmanr(said, teacher.half(new))[0] > 0.9
    assert said.mean() == pytest.approx(teacher.half(new).mean(), rel=0.03)
    # its fidelity, from the rows that were judged
    seen, judged = teacher.asked[:2]
    told, truth = predict_trees(learned.model_, judged), teacher.half(judged)
    found = learned.fidelity
    assert found.rows == len(judged)
    assert found.spearman == pytest.approx(spearmanr(told, truth)[0], abs=1e-9)
    assert found.error == pytest.approx(np.abs(told - truth).mean() / truth.mean(), rel=1e-9)
    assert str(found).startswith(f"Spearman {found.spearman:.3f}, off by ")
    # who is judged was not learned from
    whose = {row.tobytes(): user for row, user in zip(rows.features, rows.user, strict=True)}
    other = {row.tobytes(): user for row, user in zip(later.features, later.user, strict=True)}
    learned_from = {whose[row.tobytes()] for row in seen}
    judged_on = {other[row.tobytes()] for row in judged}
    assert learned_from
    assert judged_on
    assert not learned_from & judged_on


def test_widths_that_are_all_the_same_are_learned_as_they_are() -> None:
    class Same(Teacher):
        def half(self, x: NDArray[Any]) -> NDArray[np.float64]:
            return np.full(len(x), 0.007)

    rows = draw(1, n=2_000).rows
    learned = learn(Same(), rows, rows)
    assert predict_trees(learned.model_, rows.features) == pytest.approx(0.007, rel=1e-5)
    assert np.isnan(learned.fidelity.spearman)
    assert str(learned.fidelity).startswith("off by 0.0% on average")


def test_an_unfaithful_model_is_refused_with_its_figures() -> None:
    rows, later = draw(1, n=3_000).rows, draw(2, n=2_000).rows
    with pytest.raises(FidelityError, match=r"at least 0\.7 .*at most 25%.*got Spearman 0\.\d+"):
        learn(Teacher(noise=2.0), rows, later)
    faithful = learn(Teacher(noise=0.3), rows, later).fidelity
    strict = {"least_spearman": faithful.spearman + 1e-6}, {"most_error": faithful.error - 1e-6}
    for change in strict:
        with pytest.raises(FidelityError):
            learn(Teacher(noise=0.3), rows, later, CONFIG.model_copy(update=change))
    same = {"least_spearman": faithful.spearman - 1e-6, "most_error": faithful.error + 1e-6}
    learn(Teacher(noise=0.3), rows, later, CONFIG.model_copy(update=same))


def test_nothing_to_learn_or_to_judge_is_refused() -> None:
    rows = draw(1, n=400).rows
    with pytest.raises(FidelityError, match="without any width"):
        learn(Teacher(scale=0.0), rows, rows)
    for share, told in ((1e-9, ", 0 to judge"), (1 - 1e-9, "got 0 rows to learn from")):
        with pytest.raises(FidelityError, match=told):
            learn(Teacher(), rows, rows, CONFIG.model_copy(update={"held_out": share}))
