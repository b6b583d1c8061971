"""Draws of a world have the stated chances, and nothing else in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.seeds import stage_seed
from causal_ranker.worlds.semisynthetic.pair_world import PairDraw, PairWorld
from causal_ranker.worlds.semisynthetic.rank_propensity import rank_propensity
from causal_ranker.worlds.semisynthetic.statistics import PUBLISHED, describe, pair_statistics

SHAPE = (300, 200)


def world_of(
    shown: NDArray[np.float32],
    without: NDArray[np.float32],
    propensity: NDArray[np.float32],
    **changed: Any,
) -> PairWorld:
    settings: dict[str, Any] = {
        "name": "films",
        "users": np.arange(shown.shape[0]),
        "items": np.arange(shown.shape[1]),
        "played_if_shown": shown,
        "played_if_not": without,
        "propensity": propensity,
    }
    if "statistics" not in changed:
        settings["statistics"] = pair_statistics(shown, without, propensity=propensity)
    return PairWorld(**settings | changed)


@pytest.fixture(scope="module")
def world() -> PairWorld:
    rng = np.random.default_rng(5)
    # chances that rise together: draws that shared a stream would show it
    shared = rng.random(SHAPE)
    arrays = [
        np.clip(low + 0.6 * shared + 0.2 * rng.random(SHAPE), 0.01, 0.99).astype(np.float32)
        for low in (0.1, 0.0, 0.15)
    ]
    return world_of(*arrays)


def standardised(draw: NDArray[np.bool_], chance: NDArray[np.float32]) -> NDArray[np.float64]:
    p = chance.astype(np.float64)
    return (draw - p) / np.sqrt(p * (1 - p))


def parts(world: PairWorld, draw: PairDraw) -> dict[str, NDArray[np.float64]]:
    return {
        "exposed": standardised(draw.exposed, world.propensity),
        "played_if_shown": standardised(draw.played_if_shown, world.played_if_shown),
        "played_if_not": standardised(draw.played_if_not, world.played_if_not),
    }


def test_each_pair_is_drawn_with_its_own_chance(world: PairWorld) -> None:
    draws = 400
    counts = {name: np.zeros(SHAPE) for name in ("exposed", "played_if_shown", "played_if_not")}
    for seed in range(draws):
        drawn = world.draw(seed=seed)
        for name, count in counts.items():
            count += getattr(drawn, name)
    chances = (world.propensity, world.played_if_shown, world.played_if_not)
    for count, chance in zip(counts.values(), chances, strict=True):
        p = chance.astype(np.float64)
        z = (count - draws * p) / np.sqrt(draws * p * (1 - p))
        # mean square of 60,000 nearly normal numbers: 1 +- 5 sqrt(2 / 60,000)
        assert 0.97 < np.square(z).mean() < 1.03
        assert abs(z.mean()) < 5 / np.sqrt(z.size)
        assert np.abs(z).max() < 6


def test_t_and_potential_outcomes_are_independent_given_the_pair(world: PairWorld) -> None:
    drawn = list(parts(world, world.draw(seed=1)).values())
    for first in range(3):
        for second in range(first):
            correlation = (drawn[first] * drawn[second]).mean()
            assert abs(correlation) < 5 / np.sqrt(drawn[first].size)


def test_the_three_draws_are_independent_and_can_be_drawn_alone(world: PairWorld) -> None:
    three = world.draw_three(seed=9)
    drawn = [parts(world, draw) for draw in three]
    for name in drawn[0]:
        for first, second in ((0, 1), (0, 2), (1, 2)):
            correlation = (drawn[first][name] * drawn[second][name]).mean()
            assert abs(correlation) < 5 / np.sqrt(drawn[0][name].size)
    again = world.draw(seed=stage_seed(9, "validate"))
    np.testing.assert_array_equal(again.exposed, three.validate.exposed)
    np.testing.assert_array_equal(again.effect, three.validate.effect)


def test_a_log_tells_the_outcome_of_the_arm_that_happened() -> None:
    exposed = np.array([[True, True, False, False]])
    shown = np.array([[True, False, True, False]])
    without = np.array([[False, True, True, True]])
    draw = PairDraw(exposed, shown, without)
    assert draw.played.tolist() == [[True, False, True, True]]
    assert draw.effect.tolist() == [[1, -1, 0, -1]]
    assert draw.effect.dtype == np.int8


def test_statistics_are_those_of_draws(world: PairWorld) -> None:
    drawn = [world.draw(seed=seed) for seed in range(60)]
    told = world.statistics
    exposures = np.mean([draw.exposed.sum() for draw in drawn]) / SHAPE[0]
    plays = np.mean([draw.played.sum() for draw in drawn]) / SHAPE[0]
    effect = np.stack([draw.effect for draw in drawn])
    exposed = np.stack([draw.exposed for draw in drawn])
    assert told["exposures_per_user"] == pytest.approx(exposures, rel=0.002)
    assert told["plays_per_user"] == pytest.approx(plays, rel=0.002)
    assert told["average_effect"] == pytest.approx(effect.mean(), abs=0.002)
    assert told["average_effect_if_exposed"] == pytest.approx(effect[exposed].mean(), abs=0.003)
    assert told["share_helped"] == pytest.approx((effect == 1).mean(), abs=0.002)
    assert told["share_harmed"] == pytest.approx((effect == -1).mean(), abs=0.002)
    assert told["share_negative"] == (world.effect < 0).mean()
    assert (told["users"], told["items"]) == SHAPE


def test_description_puts_the_published_figure_beside_ours(world: PairWorld) -> None:
    lines = describe(world).splitlines()
    [users] = [line for line in lines if "users" in line.split()]
    assert "300" in users
    assert f"published {PUBLISHED['films']['users']:g}" in users
    [effect] = [line for line in lines if line.split()[:2] == ["average", "effect"]][:1]
    assert "published" not in effect
    assert "published" not in describe(world_of(*ones(), name="ours"))


def ones() -> tuple[NDArray[np.float32], ...]:
    half = np.full((2, 3), 0.5, dtype=np.float32)
    return half, half.copy(), half.copy()


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, -0.1])
def test_a_propensity_without_room_for_both_arms_is_refused(value: float) -> None:
    shown, without, propensity = ones()
    propensity[1, 2] = value
    with pytest.raises(RowError, match=r"propensity strictly inside \(0, 1\).*user 1, item 2"):
        world_of(shown, without, propensity)


def test_chances_of_play_may_be_0_or_1_but_no_more() -> None:
    shown, without, propensity = ones()
    shown[0], without[0] = 1, 0
    world_of(shown, without, propensity)
    shown[0, 1] = 1.5
    with pytest.raises(RowError, match=r"played_if_shown in \[0, 1\].*1 pairs outside"):
        world_of(shown, without, propensity)


def test_arrays_of_another_shape_or_type_and_repeated_ids_are_refused() -> None:
    shown, without, propensity = ones()
    with pytest.raises(SchemaError, match=r"propensity as float32 of shape \(2, 3\)"):
        world_of(shown, without, propensity[:, :2], statistics={})
    with pytest.raises(SchemaError, match="float64 of shape"):
        world_of(shown, without.astype(np.float64), propensity)
    with pytest.raises(SchemaError, match="each id once in items"):
        world_of(shown, without, propensity, items=np.array([1, 1, 2]))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(("n", "total"), [(40, 3.0), (40, 30.0), (200, 100.0), (7, 6.3)])
def test_rank_propensities_sum_to_the_recommendations(n: int, total: float, power: float) -> None:
    score = np.random.default_rng(0).random((5, n)).astype(np.float32)
    p = rank_propensity(score, recommendations=total, power=power, margin=0.1)
    np.testing.assert_allclose(p.sum(axis=1, dtype=np.float64), total, rtol=1e-5)
    assert p.min() > 0
    assert p.max() <= np.float32(0.9)
    by_rank = np.take_along_axis(p, np.argsort(-score, axis=1), axis=1)
    assert (np.diff(by_rank, axis=1) <= 0).all()
    # below the bound the rule holds exactly: p rank^power is one number
    scaled = by_rank * np.arange(1, n + 1) ** power
    free = by_rank[0] < 0.9 * (1 - 1e-6)
    if free.any():
        np.testing.assert_allclose(scaled[:, free], scaled[0, free][0], rtol=1e-5)
        # and nothing is held at the bound that the same number would put below it
        held = np.arange(1, n + 1)[~free]
        assert (scaled[0, free][0] / held**power >= 0.9 * (1 - 1e-5)).all()


def test_equal_scores_keep_the_order_of_items_and_ranks_are_a_users_own() -> None:
    score = np.array([[1, 1, 2], [3, 2, 1]], dtype=np.float32)
    p = rank_propensity(score, recommendations=1.0, power=1.0, margin=1e-6)
    np.testing.assert_allclose(p, np.array([[3, 2, 6], [6, 3, 2]]) / 11, rtol=1e-6)


@pytest.mark.parametrize("total", [0.0, 3.0])
def test_more_recommendations_than_items_are_refused(total: float) -> None:
    with pytest.raises(ConfigError, match=r"at most 2\.7 of 3 items"):
        rank_propensity(
            np.zeros((1, 3), dtype=np.float32), recommendations=total, power=1.0, margin=0.1
        )
