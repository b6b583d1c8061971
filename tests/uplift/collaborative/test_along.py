"""Pair features stretch by stretch, and what they are worth to `auto`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from causal_ranker.uplift.auto import STACK, AutoConfig, AutoLearner
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.collaborative.along import pair_features_along
from causal_ranker.uplift.collaborative.factory import make_pair_model
from causal_ranker.uplift.collaborative.features import PairFeatures
from causal_ranker.uplift.collaborative.history import PairHistory
from causal_ranker.uplift.collaborative.pairwise import ULBPRConfig
from causal_ranker.uplift.distill import DistillConfig, distill
from tests.uplift.collaborative.pair_worlds import ItemEffects
from tests.uplift.worlds import CONFIG, TREES

WEEK = 7 * 86_400_000_000


def log(
    seed: int, *, weeks: int = 4, n_users: int = 200, n_items: int = 40
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
    """Every user with every item each week; what an item's effect is, no column tells."""
    rng = np.random.default_rng(seed)
    week, user, item = (each.ravel() for each in np.mgrid[:weeks, :n_users, :n_items])
    tau = (0.1 + 0.25 * rng.choice([-1, 1], n_items))[item]
    p = rng.uniform(0.25, 0.75, len(user))
    t = rng.random(len(user)) < p
    # A genuine t0 is at any time of the week, so that horizons end in the next one.
    t0 = week * WEEK + rng.integers(0, WEEK, n_users)[user]
    columns = {
        "user": user,
        "item": item,
        "t0": t0,
        "horizon_end": t0 + WEEK // 2,
        "treatment": t.astype(np.int8),
        "outcome": (rng.random(len(user)) < 0.3 + tau * t).astype(np.int8),
        "propensity": p,
    }
    return columns, tau


def features() -> PairFeatures:
    return PairFeatures({"own": ItemEffects()})


def test_each_stretch_has_the_history_before_it() -> None:
    columns, _ = log(0, n_users=40, n_items=12)
    moments = [WEEK, 2 * WEEK, 3 * WEEK]
    pairs = features()
    found, names = pair_features_along(pairs, **columns, moments=moments)
    assert np.isnan(found[columns["t0"] < WEEK]).all()
    for start, end in zip(moments, [*moments[1:], 10 * WEEK], strict=True):
        over = columns["horizon_end"] <= start
        here = (columns["t0"] >= start) & (columns["t0"] < end)
        known = {name: values[over] for name, values in columns.items() if name != "t0"}
        alone = features().fit(PairHistory.of(**known))
        at = columns["t0"][here]
        by_hand, also = alone.block(columns["user"][here], columns["item"][here], at=at)
        np.testing.assert_array_equal(found[here], by_hand)
        assert names == also
    # What comes after the log goes on from the last moment.
    last = {name: values[columns["horizon_end"] <= 3 * WEEK] for name, values in columns.items()}
    assert pairs.history_until_ == last["horizon_end"].max()


def test_later_outcomes_change_nothing_that_was_said_before() -> None:
    columns, _ = log(1, n_users=40, n_items=12)
    moments = [WEEK, 2 * WEEK, 3 * WEEK]
    one, _ = pair_features_along(features(), **columns, moments=moments)
    late = columns["horizon_end"] > 2 * WEEK
    flipped = columns | {"outcome": np.where(late, 1 - columns["outcome"], columns["outcome"])}
    other, _ = pair_features_along(features(), **flipped, moments=moments)
    before = columns["t0"] < 3 * WEEK
    np.testing.assert_array_equal(one[before], other[before])
    assert (one[~before, 0] != other[~before, 0]).mean() > 0.9


def test_what_cannot_be_is_refused() -> None:
    columns, _ = log(2, n_users=10, n_items=5)
    for moments in ([], [WEEK, WEEK], [2 * WEEK, WEEK]):
        with pytest.raises(ConfigError, match="in ascending order"):
            pair_features_along(features(), **columns, moments=moments)
    with pytest.raises(EmptyError, match="horizons have ended"):
        pair_features_along(features(), **columns, moments=[0])
    for name in set(columns) - {"user"}:
        short = columns | {name: columns[name][:3]}
        with pytest.raises(SchemaError, match=r"\d+ users beside \[3, \d+\] of the others"):
            pair_features_along(features(), **short, moments=[WEEK])


def test_factors_are_features_of_one_fit_alone() -> None:
    columns, _ = log(2, weeks=3, n_users=30, n_items=10)
    config = ULBPRConfig(factors=3, epochs=1)

    def pairs() -> PairFeatures:
        return PairFeatures({"ulbpr": make_pair_model("ulbpr", config=config)}, factors=2)

    with pytest.raises(ConfigError, match=r"one moment, where factors.*2 moments and 2 factors"):
        pair_features_along(pairs(), **columns, moments=[WEEK, 2 * WEEK])
    found, names = pair_features_along(pairs(), **columns, moments=[2 * WEEK])
    told = columns["t0"] >= 2 * WEEK
    assert np.isfinite(found[told, names.index("pairs_ulbpr_user_1")]).all()


def test_auto_takes_the_score_of_a_history_and_a_student_serves_it() -> None:
    columns, tau = log(3)
    found, names = pair_features_along(features(), **columns, moments=[WEEK, 2 * WEEK, 3 * WEEK])
    told = columns["t0"] >= WEEK
    n = int(told.sum())
    noise = np.random.default_rng(0).normal(size=(n, 2))
    # Without the counts, by which trees could find an item again.
    rows = Rows(
        features=np.column_stack([noise, found[told, 0]]).astype(np.float32),
        treatment=columns["treatment"][told],
        outcome=columns["outcome"][told],
        weight=np.ones(n),
        user=columns["user"][told],
        unit=columns["user"][told],
        propensity=columns["propensity"][told],
        names=("noise 0", "noise 1", names[0]),
    )
    config = AutoConfig(
        learner=CONFIG,
        candidates=(
            Candidate(learner="constant"),
            Candidate(learner="score", column="pairs_own"),
            Candidate(learner="score", column="noise 0"),
            Candidate(learner="dr", final=TREES, stops=(0.25, 1.0)),
        ),
        folds=2,
    )
    learner = AutoLearner(config=config, seed=1).fit(rows)
    assert learner.league_ is not None
    gains = {each.name: each.gain for each in learner.league_.entries}
    assert learner.league_.chosen in ("score, pairs_own", "dr, 8 constant leaves", STACK)
    own = gains["score, pairs_own"]
    assert own.point - 3 * own.standard_error > 0
    assert gains["score, noise 0"].point < own.point / 4
    # The two values of the effect, 0.5 apart: a score that tells them has a gain of 0.25^2.
    assert own.point < tau.var() + 4 * own.standard_error
    assert np.corrcoef(learner.predict(rows.features).point, tau[told])[0, 1] > 0.8
    student = distill(learner, rows, config=DistillConfig(), seed=0)
    assert student.fidelity_ is not None
    assert student.fidelity_.spearman > 0.95


@pytest.mark.parametrize("name", ["dlce", "ulbpr", "cause"])
def test_scores_of_real_methods_know_something_of_later_effects(name: str) -> None:
    columns, tau = log(4, weeks=3)
    pairs = PairFeatures({name: make_pair_model(name)})
    found, _ = pair_features_along(pairs, **columns, moments=[2 * WEEK])
    later = columns["t0"] >= 2 * WEEK
    assert np.corrcoef(found[later, 0], tau[later])[0, 1] > 0.2
