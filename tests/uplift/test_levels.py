"""Treatments of several levels, in a world of three arms whose effects are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError, NotFittedError, OverlapError, RowError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.intervals import HalfSampleConfig, HalfSampleIntervals
from causal_ranker.uplift.levels import LevelLearner, code_treatment
from tests.uplift.worlds import CONFIG, NAMES


def arms(seed: int, *, n: int = 12_000, logged: bool = True) -> tuple[Rows, NDArray[np.float64]]:
    """Draw rows of control and two levels: x0 confounds both, x1 decides one, the other is 0.1."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    scores = np.column_stack([np.zeros(n), x[:, 0], -0.5 * x[:, 0]]).clip(-1.5, 1.5)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    level = (rng.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    tau = np.column_stack([np.where(x[:, 1] > 0, 0.3, -0.05), np.full(n, 0.1)])
    effect = np.column_stack([np.zeros(n), tau])[np.arange(n), level]
    y = rng.random(n) < 0.15 + 0.25 * (x[:, 0] > 0) + effect
    user = np.arange(n) // 3
    rows = Rows(
        features=x,
        treatment=level.astype(np.int8),
        outcome=y.astype(np.int8),
        weight=rng.uniform(0.5, 1.5, n),
        user=user,
        unit=user,
        propensity=chances if logged else np.full(n, np.nan),
        names=NAMES,
    )
    return rows, tau


def fit(rows: Rows, levels: Any = ("mail", "push")) -> LevelLearner:
    return LevelLearner(lambda: DRLearner(config=CONFIG, seed=3), levels=levels).fit(rows)


@pytest.mark.parametrize("logged", [True, False])
def test_the_effect_of_each_level_is_found(logged: bool) -> None:
    rows, _ = arms(1, logged=logged)
    new, tau = arms(2)
    found = fit(rows).predict(new.features).point
    assert found.shape == (len(new), 2)
    naive = [
        rows.outcome[rows.treatment == level].mean() - rows.outcome[rows.treatment == 0].mean()
        for level in (1, 2)
    ]
    for level in (0, 1):
        # 0.03 away by confounding at least, either way
        assert abs(naive[level] - tau[:, level].mean()) > 0.03
        assert found[:, level].mean() == pytest.approx(tau[:, level].mean(), abs=0.025)
    assert np.corrcoef(found[:, 0], tau[:, 0])[0, 1] > 0.8
    assert found[:, 1].std() < 0.1  # that of the other column is 0.18


def test_each_level_is_the_learner_of_its_two_arms() -> None:
    rows, _ = arms(3, n=6_000)
    found = fit(rows).predict(rows.features).point
    p = rows.propensity
    for level in (1, 2):
        kept = rows.treatment != 3 - level
        pair = replace(
            rows,
            treatment=(rows.treatment == level).astype(np.int8),
            propensity=p[:, level] / (1 - p[:, 3 - level]),
        ).take(kept)
        alone = DRLearner(config=CONFIG, seed=3).fit(pair).predict(rows.features).point
        np.testing.assert_allclose(found[:, level - 1], alone, atol=1e-9)


def test_swapped_levels_swap_the_columns() -> None:
    rows, _ = arms(4, n=6_000)
    swapped = replace(
        rows,
        treatment=np.array([0, 2, 1], dtype=np.int8)[rows.treatment],
        propensity=rows.propensity[:, [0, 2, 1]],
    )
    one, other = (fit(each).predict(rows.features).point for each in (rows, swapped))
    np.testing.assert_array_equal(one, other[:, ::-1])


def test_intervals_of_each_level_pass_through() -> None:
    rows, _ = arms(8, n=3_000)

    def make() -> HalfSampleIntervals:
        config = HalfSampleConfig(draws=2)
        return HalfSampleIntervals(DRLearner(config=CONFIG, seed=3), config=config, seed=0)

    found = LevelLearner(make, levels="ab").fit(rows)
    effect = found.predict(rows.features)
    for place, level in enumerate("ab"):
        alone = found.learners_[level].predict(rows.features)
        for name in ("point", "low", "high"):
            np.testing.assert_array_equal(getattr(effect, name)[:, place], getattr(alone, name))
    assert fit(rows).predict(rows.features).low is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[:, :2], r"shape \(3000, 2\)"),
        (lambda p: p[:, 1], r"shape \(3000,\)"),
        (lambda p: p * 1.01, "3000 of 3000 rows"),
        (lambda p: np.where(np.arange(3000)[:, None] == 8, np.nan, p), "1 of 3000 rows"),
        (lambda p: p + np.array([2, -2, 0]), "3000 of 3000 rows"),
    ],
)
def test_propensities_that_cannot_be_are_refused(change: Any, message: str) -> None:
    rows, _ = arms(5, n=3_000)
    with pytest.raises(RowError, match=message):
        fit(replace(rows, propensity=change(rows.propensity)))


def test_what_was_shown_had_a_chance() -> None:
    rows, _ = arms(5, n=3_000)
    p = rows.propensity.copy()
    shown = int(np.flatnonzero(rows.treatment == 2)[0])
    p[shown] = [0.5, 0.5, 0]
    with pytest.raises(RowError, match=rf"1 of 3000 .* in row {shown} with treatment 2"):
        fit(replace(rows, propensity=p))


def test_an_error_names_its_level() -> None:
    rows, _ = arms(6, n=3_000)
    rare = np.flatnonzero(rows.treatment == 2)[30:]
    some = rows.take(np.setdiff1d(np.arange(len(rows)), rare))
    with pytest.raises(OverlapError, match="of level 'push' and control"):
        fit(some)


def test_it_must_be_fitted_first() -> None:
    with pytest.raises(NotFittedError):
        LevelLearner(lambda: DRLearner(config=CONFIG, seed=3), levels="ab").predict(
            np.zeros((1, 4), dtype=np.float32)
        )


@pytest.mark.parametrize(
    ("values", "control", "codes", "levels"),
    [
        ([0, 1, 0], 0, [0, 1, 0], (1,)),
        ([False, True], 0, [0, 1], (True,)),
        ([2.0, 0.0, 1.0], 0, [2, 0, 1], (1.0, 2.0)),
        (["b", "none", "a", "b"], "none", [2, 0, 1, 2], ("a", "b")),
        ([1, 2, 3], 2, [1, 0, 2], (1, 3)),
    ],
)
def test_levels_are_numbered_in_order_after_control(
    values: Any, control: Any, codes: list[int], levels: tuple[Any, ...]
) -> None:
    found, names = code_treatment(np.array(values), control=control)
    assert found.tolist() == codes
    assert names == levels


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([0, np.nan, 1], RowError, r"1 of 3 rows without, e.g. rows \[1\]"),
        ([1, 2, 2], EmptyError, r"control, which is 0; got the levels \[1, 2\]"),
        ([0, 0], EmptyError, "0 in all 2 rows"),
        (np.arange(102), RowError, "at most 100 levels of treatment beside control; got 101"),
    ],
)
def test_treatments_that_cannot_be_are_refused(values: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        code_treatment(np.array(values), control=0)
