"""Position as a weight or as levels of the treatment: what is recovered, and never both at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.errors import CausalRankerError, ConfigError, OverlapError, RowError, SchemaError
from causal_ranker.stats.examination import Examination, randomised_examination
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.examination import PositionConfig, Positioned, with_position
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig
from tests.uplift.worlds import NAMES, TREES

THETA = np.array([0.8, 0.6, 0.4, 0.2])
WEIGHT = PositionConfig(position="weight")
VIEWING = PositionConfig(position="weight", reference_examination=0.8)
LEVELS = PositionConfig(position="level", bands=(1, 3))


def known(theta: NDArray[np.float64] = THETA) -> Examination:
    """Examination without an error."""
    relative, none = theta / theta[0], np.zeros(theta.size)
    ones = np.ones(theta.size, dtype=np.int64)
    return Examination(
        position=np.arange(1, theta.size + 1),
        theta=relative,
        low=relative,
        high=relative,
        standard_error=none,
        shown=ones,
        plays=ones,
        reference=1,
    )


@dataclass(frozen=True)
class World:
    """Effect of placing at k is theta_k times that of viewing; many plays come anyway.

    Good items are placed more often and higher, by base rank; x1 moves the effect of viewing.
    """

    x: NDArray[np.float32]
    rank: NDArray[np.int64]
    treatment: NDArray[np.int64]
    outcome: NDArray[np.int64]
    position: NDArray[np.int64]
    propensity: NDArray[np.float64]
    effect: NDArray[np.float64]
    started: NDArray[np.bool_]

    def use(self, config: PositionConfig, **more: Any) -> Positioned:
        return with_position(
            self.treatment,
            self.outcome,
            weight=np.ones(self.rank.size),
            position=self.position,
            config=config,
            **more,
        )

    def mean_effect(self, rows: Positioned, *, level: int = 1) -> float:
        """Weighted by inverse propensity, in each rank by itself."""
        t, y = rows.treatment, rows.outcome
        chosen = (t == level) | (t == 0)
        found = 0.0
        for rank in np.unique(self.rank):
            here = chosen & (self.rank == rank)
            treated, control = here & (t == level), here & (t == 0)
            found += (y[treated].mean() - y[control].mean()) * np.mean(self.rank == rank)
        return found


def draw(seed: int, *, n: int = 100_000, organic: float = 0.3) -> World:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    rank = rng.integers(1, 5, n)
    propensity = np.asarray(0.8 - 0.15 * rank, dtype=np.float64)
    placed = rng.random(n) < propensity
    slot = np.clip(rank + rng.integers(-1, 2, n), 1, 4)
    position = np.where(placed, slot, 0)
    effect = np.where(x[:, 1] > 0, 0.4, 0.1) * (1.2 - 0.1 * rank)
    anyway = rng.random(n) < organic * (1.3 - 0.2 * rank)
    # examined with chance theta: then those who would not play anyway may start one
    examined = placed & (rng.random(n) < THETA[slot - 1])
    started = examined & (rng.random(n) < effect)
    outcome = anyway.astype(np.int64) + started
    return World(
        x=x,
        rank=rank,
        treatment=placed.astype(np.int64),
        outcome=outcome,
        position=position,
        propensity=propensity,
        effect=effect,
        started=started,
    )


def recovered(estimates: list[float], truth: float) -> bool:
    """Tell whether their mean is within 3.5 of its standard errors of the truth."""
    return bool(abs(np.mean(estimates) - truth) < 3.5 * np.std(estimates) / np.sqrt(len(estimates)))


def test_the_effect_of_viewing_is_recovered_and_nothing_simpler_recovers_it() -> None:
    weighted, reference, placing, per_slot = [], [], [], []
    for seed in range(25):
        world = draw(seed)
        truth = float(world.effect.mean())
        more = {"examination": known(), "stratum": world.rank}
        weighted.append(world.mean_effect(world.use(VIEWING, **more)) - truth)
        reference.append(world.mean_effect(world.use(WEIGHT, **more)) - 0.8 * truth)
        placing.append(world.mean_effect(world.use(PositionConfig())) - truth)
        # each play over the theta of its own slot, as one would weight clicks
        theta = np.where(world.treatment == 1, THETA[world.position - 1], 1.0)
        y = world.outcome / theta
        naive = Positioned(world.treatment, y, np.ones(y.size), (), "")
        per_slot.append(world.mean_effect(naive) - truth)
    assert recovered(weighted, 0)
    assert recovered(reference, 0)
    assert np.std(weighted) < 0.02
    assert np.mean(placing) < -0.05
    assert np.mean(per_slot) > 0.1


def test_a_learner_recovers_it_where_examination_was_estimated() -> None:
    """Theta from another log with random slots, then the DR-learner on the weighted rows."""
    rng = np.random.default_rng(1)
    slot, user = rng.integers(1, 5, 100_000), rng.integers(0, 2_000, 100_000)
    started = rng.random(slot.size) < THETA[slot - 1] * 0.3
    examination = randomised_examination(started, slot, cluster=user)
    world = draw(0, n=40_000)
    rows = world.use(VIEWING, examination=examination, stratum=world.rank)
    nuisance = NuisanceConfig(outcome=TREES, propensity=TREES, kind="continuous")
    learner = DRLearner(config=LearnerConfig(final=TREES, nuisance=nuisance), seed=3)
    features = np.column_stack([world.rank, world.x[:, 1:]]).astype(np.float32)
    learner.fit(
        Rows(
            features=features,
            treatment=rows.treatment,
            outcome=rows.outcome,
            weight=rows.weight,
            user=np.arange(world.rank.size),
            unit=np.arange(world.rank.size),
            propensity=world.propensity,
            names=NAMES,
        )
    )
    found = learner.predict(features).point
    assert found.mean() == pytest.approx(world.effect.mean(), abs=0.025)
    high = world.x[:, 1] > 0
    for group in (high, ~high):
        assert found[group].mean() == pytest.approx(world.effect[group].mean(), abs=0.04)


def test_strata_matter_where_good_items_stand_high() -> None:
    errors = []
    for seed in range(10):
        world = draw(seed)
        whole = world.mean_effect(world.use(VIEWING, examination=known()))
        errors.append(whole - float(world.effect.mean()))
    assert abs(np.mean(errors)) > 0.01
    assert not recovered(errors, 0)


def test_levels_are_effects_of_placing_at_bands() -> None:
    config = PositionConfig(position="level", bands=(1, 2, 3, 4))
    estimates: list[list[float]] = [[], [], [], []]
    for seed in range(10):
        # slots drawn alike for all: what differs between the levels is theta alone
        world = draw(seed)
        rng = np.random.default_rng(100 + seed)
        slot = rng.integers(1, 5, world.rank.size)
        placed = world.treatment == 1
        plays = world.outcome - world.started
        plays += placed & (rng.random(slot.size) < THETA[slot - 1] * world.effect)
        rows = with_position(
            world.treatment,
            plays,
            weight=np.ones(slot.size),
            position=np.where(placed, slot, 0),
            config=config,
        )
        for k in range(4):
            found = world.mean_effect(rows, level=k + 1)
            estimates[k].append(found - THETA[k] * float(world.effect.mean()))
    assert all(recovered(one, 0) for one in estimates)


def test_by_hand() -> None:
    arrays: dict[str, Any] = {
        "weight": np.array([1.0, 3.0, 2.0, 1.0, 1.0, 5.0]),
        "position": np.array([1, 4, 0, 2, 2, 0]),
    }
    t, y = np.array([1, 1, 0, 1, 1, 0]), np.array([1, 0, 1, 0, 2, 1])
    stratum = np.array([7, 7, 7, 9, 9, 9])
    found = with_position(t, y, **arrays, config=VIEWING, examination=known(), stratum=stratum)
    # stratum 7: (1 * .8 + 3 * .2) / 4 = .35; stratum 9: .6
    assert found.outcome == pytest.approx([1 / 0.35, 0, 1 / 0.35, 0, 2 / 0.6, 1 / 0.6])
    assert found.treatment.tolist() == t.tolist()
    assert found.weight.tolist() == arrays["weight"].tolist()
    assert found.levels == ("not shown", "shown")
    levels = with_position(t, y, **arrays, config=LEVELS)
    assert levels.treatment.tolist() == [1, 2, 0, 1, 1, 0]
    assert levels.levels == ("not shown", "positions 1-2", "positions 3 and below")
    assert levels.outcome.tolist() == y.tolist()
    ignored = with_position(t, y, **arrays, config=PositionConfig())
    assert (ignored.treatment.tolist(), ignored.outcome.tolist()) == (t.tolist(), y.tolist())
    assert ignored.levels == ("not shown", "shown")
    assert arrays["position"].tolist() == [1, 4, 0, 2, 2, 0]


def test_each_use_names_its_estimand() -> None:
    world = draw(0, n=500)
    ignored = world.use(PositionConfig()).estimand
    at_one = world.use(WEIGHT, examination=known()).estimand
    viewing = world.use(VIEWING, examination=known()).estimand
    levels = world.use(PositionConfig(position="level", bands=(1, 2, 4))).estimand
    assert ignored == "plays caused by placing an item, at the positions the logs gave it"
    assert at_one.startswith("plays caused by placing an item at position 1, ")
    assert viewing.startswith("plays caused by viewing an item, ")
    assert "examined with chance 0.8" in viewing
    assert "position-based model" in at_one
    assert "position-based model" in viewing
    assert "at position 1, at positions 2-3, at positions 4 and below" in levels


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3), st.floats(0.1, 9), st.integers(0, 1)),
        min_size=1,
        max_size=20,
    ),
    st.floats(0.1, 10),
    st.randoms(use_true_random=False),
)
def test_order_scale_and_names_do_not_matter(
    rows: list[tuple[int, int, float, int]], scale: float, random: Any
) -> None:
    k, y, w, s = (np.array(column) for column in zip(*rows, strict=True))

    def use(take: Any, *, scale: float, names: Any) -> Any:
        try:
            return with_position(
                (k[take] > 0).astype(int),
                scale * y[take],
                weight=scale * w[take],
                position=k[take],
                config=WEIGHT,
                examination=known(),
                stratum=names[s[take]],
            ).outcome
        except CausalRankerError as error:
            return type(error)

    order = np.random.default_rng(random.getrandbits(32)).permutation(k.size)
    before = use(np.arange(k.size), scale=1.0, names=np.array([0, 1]))
    after = use(order, scale=scale, names=np.array([5.5, -2.0]))
    if isinstance(before, type):
        assert after is before
    else:
        assert after == pytest.approx(scale * before[order])


@pytest.mark.parametrize(
    "values",
    [
        {"position": "level"},
        {"position": "level", "bands": (1, 3), "reference_examination": 0.8},
        {"position": "weight", "bands": (1, 3)},
        {"bands": (1, 3)},
        {"reference_examination": 0.8},
        {"position": "both"},
        {"position": "weight", "reference_examination": 0.0},
        {"position": "weight", "reference_examination": 1.1},
        {"position": "level", "bands": ()},
        {"position": "level", "bands": (2, 3)},
        {"position": "level", "bands": (1, 3, 3)},
        {"position": "level", "bands": (1, 0)},
    ],
)
def test_settings_that_use_position_twice_or_not_at_all_are_refused(
    values: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError):
        PositionConfig(**values)


T, Y, K = [1, 1, 0, 0], [1, 0, 1, 0], [1, 2, 0, 0]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"config": LEVELS, "examination": known()}, ConfigError, "used once"),
        ({"config": LEVELS, "stratum": K}, ConfigError, "stratum besides"),
        ({"config": PositionConfig(), "examination": known()}, ConfigError, "examination besides"),
        ({"examination": None}, ConfigError, "examination of the positions"),
        ({"treatment": [1, 2, 0, 0]}, ConfigError, "levels up to 2"),
        ({"treatment": [1, 2, 0, 0], "config": LEVELS, "examination": None}, ConfigError, "levels"),
        ({"treatment": [1, -1, 0, 0]}, RowError, "0 or 1"),
        ({"position": [1, 0, 0, 0]}, RowError, "row 1: 0.0"),
        ({"position": [1, -2, 0, 0]}, RowError, "row 1: -2.0"),
        ({"position": [1, 1.5, 0, 0]}, RowError, "row 1: 1.5"),
        ({"position": [1, np.nan, 0, 0]}, RowError, "position"),
        ({"position": [1, 2, 3, 0]}, RowError, "not the base rank"),
        ({"position": [1, 5, 0, 0]}, OverlapError, "5"),
        ({"position": [1, 2, 0]}, SchemaError, "position"),
        ({"outcome": [1, 0, 1]}, SchemaError, "outcome"),
        ({"stratum": [0, 0, 0, 1]}, OverlapError, r"strata \[1.0\]"),
        ({"stratum": [0, 0]}, SchemaError, "stratum"),
        ({"config": VIEWING, "examination": known(THETA[::-1])}, ConfigError, r"\[2, 3, 4\]"),
        ({"config": LEVELS, "examination": None}, OverlapError, "positions 3 and below"),
        (
            {"config": LEVELS, "examination": None, "treatment": [1] * 4, "position": [1, 1, 3, 3]},
            OverlapError,
            "not shown",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    changes: dict[str, Any], error: type[CausalRankerError], words: str
) -> None:
    good: dict[str, Any] = {
        "treatment": T,
        "outcome": Y,
        "weight": np.ones(4),
        "position": K,
        "config": WEIGHT,
        "examination": known(),
    }
    assert with_position(**good).outcome == pytest.approx(np.array(Y) / 0.875)
    with pytest.raises(error, match=words):
        with_position(**{**good, **changes})
