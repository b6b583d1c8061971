"""One contract for all estimators, and each formula again by loops over lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.evaluation.ope.config import OpeConfig
from causal_ranker.evaluation.ope.estimators import ESTIMATORS
from causal_ranker.evaluation.ope.evaluate import evaluate_policy, evaluate_weighted
from causal_ranker.evaluation.ope.plackett_luce import PlackettLuce
from causal_ranker.evaluation.ope.policies import Array
from causal_ranker.evaluation.ope.result import PolicyEstimate
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.ope.slotwise import Slotwise
from causal_ranker.evaluation.ope.weights import ListWeights
from causal_ranker.stats.intervals import clustered_mean

N, C, L = 80, 5, 3
# 80 lists: the mean of uneven weights lies anywhere
LOOSE = OpeConfig(least_effective_lists=1, most_missing_share=0.999)


class World:
    def __init__(self, seed: int = 0, *, same: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.old = rng.normal(size=(N, C))
        self.new = self.old.copy() if same else rng.normal(size=(N, C))
        self.items = PlackettLuce(self.old).sample(L, rng=rng)
        self.reward = rng.normal(size=(N, L))
        self.user = rng.integers(0, 25, N)
        self.day = rng.integers(0, 7, N)
        self.q = rng.normal(size=(L, N, C))

    def ask(
        self,
        estimator: str,
        *,
        order: Any = slice(None),
        scale: float = 1.0,
        columns: Any = None,
        k: int | None = None,
        config: OpeConfig = LOOSE,
    ) -> PolicyEstimate:
        """Ask for one estimate, of rows in another order or columns under other numbers."""
        place = np.arange(C) if columns is None else columns
        back = np.argsort(place)
        return evaluate_policy(
            LoggedSlates(
                back[self.items[order]],
                scale * self.reward[order],
                self.user[order],
                self.day[order],
            ),
            PlackettLuce(self.old[order][:, place]),
            target=PlackettLuce(self.new[order][:, place]),
            estimators=[estimator],
            predictions=lambda slot: scale * self.q[slot][order][:, place],
            k=k,
            config=config,
        ).estimate(estimator)


@pytest.mark.parametrize("estimator", list(ESTIMATORS))
class TestEveryEstimator:
    def test_the_logging_policy_itself_has_the_plain_mean(self, estimator: str) -> None:
        world = World(same=True)
        if estimator == "dm":  # its mean is the model's, which is right here
            world.reward[:] = 0.7
        # corrections by a model cancel only where the model's own means do: here it is constant
        world.q[:] = 0.7
        config = OpeConfig(least_effective_lists=1, switch=1e9, shrinkage=1e30)
        found = world.ask(estimator, config=config)
        expected = clustered_mean(world.reward.sum(axis=1), world.user, second_cluster=world.day)
        assert found.value.point == pytest.approx(expected.point, abs=1e-6)
        assert found.value.standard_error == pytest.approx(expected.standard_error, abs=1e-6)
        assert found.effective_lists == pytest.approx(N, rel=1e-6)
        assert estimator == "dm" or found.mean_weight == pytest.approx(1, abs=1e-6)
        assert found.share_capped == 0
        assert found.share_kept == pytest.approx(1, abs=1e-6)

    @given(st.permutations(range(N)))
    @settings(max_examples=5)
    def test_row_order_changes_nothing(self, estimator: str, order: list[int]) -> None:
        world = World()
        before, after = world.ask(estimator), world.ask(estimator, order=np.array(order))
        assert after.value.point == pytest.approx(before.value.point, abs=1e-9)
        assert after.value.standard_error == pytest.approx(before.value.standard_error, abs=1e-9)
        np.testing.assert_allclose(after.per_list, before.per_list[order], atol=1e-8)

    @given(st.permutations(range(C)))
    @settings(max_examples=5)
    def test_numbers_of_candidates_change_nothing(self, estimator: str, columns: list[int]) -> None:
        world = World()
        before, after = world.ask(estimator), world.ask(estimator, columns=np.array(columns))
        assert after.value.point == pytest.approx(before.value.point, abs=1e-4)

    @given(st.floats(-50, 50).filter(lambda x: abs(x) > 0.1))
    @settings(max_examples=10)
    def test_the_value_has_the_unit_of_rewards(self, estimator: str, scale: float) -> None:
        world = World()
        before, after = world.ask(estimator), world.ask(estimator, scale=scale)
        assert after.value.point == pytest.approx(scale * before.value.point, rel=1e-9)
        expected = abs(scale) * before.value.standard_error
        assert after.value.standard_error == pytest.approx(expected, rel=1e-9)

    def test_slots_sum_to_the_list(self, estimator: str) -> None:
        found = World().ask(estimator)
        assert len(found.by_slot) == L
        assert sum(slot.point for slot in found.by_slot) == pytest.approx(found.value.point)
        assert found.per_list.mean() == pytest.approx(found.value.point)
        assert found.value.low < found.value.point < found.value.high

    def test_the_first_k_slots_are_lists_of_their_own(self, estimator: str) -> None:
        world = World()
        short = world.ask(estimator, k=2)
        world.items, world.reward = world.items[:, :2], world.reward[:, :2]
        assert short.value == world.ask(estimator).value
        assert len(short.by_slot) == 2

    def test_a_cap_is_said_aloud(self, estimator: str) -> None:
        world = World()
        free = world.ask(estimator)
        capped = world.ask(estimator, config=OpeConfig(least_effective_lists=1, cap=1.5))
        if estimator == "dm":
            assert capped.share_capped == 0
            assert capped.value == free.value
        else:
            assert 0.02 < capped.share_capped < 0.9
            assert capped.value != free.value
            assert capped.mean_weight == free.mean_weight
        loose = world.ask(estimator, config=OpeConfig(least_effective_lists=1, cap=1e9))
        assert loose.share_capped == 0
        assert loose.value == free.value


def by_loops(world: World, *, bound: float, strength: float) -> dict[str, list[float]]:
    """What each list adds, by the formulas, one list and slot at a time."""
    added: dict[str, list[float]] = {name: [] for name in ESTIMATORS if name != "pi"}
    old, new = np.exp(world.old), np.exp(world.new)
    weights = []
    for i in range(N):
        lists = [
            (a, b, c) for a in range(C) for b in range(C) for c in range(C) if len({a, b, c}) == L
        ]

        def chance(e: Array, a: tuple[int, ...]) -> float:
            left, product = e.sum(), 1.0
            for item in a:
                product *= e[item] / left
                left -= e[item]
            return product

        p0 = {a: chance(old[i], a) for a in lists}
        p1 = {a: chance(new[i], a) for a in lists}
        shown = tuple(world.items[i].tolist())
        total = dict.fromkeys(added, 0.0)
        weight = p1[shown] / p0[shown]
        weights.append(weight)
        before = 1.0
        for k in range(L):

            def prefix(p: dict[Any, float], k: int = k, shown: Any = shown) -> float:
                return sum(c for a, c in p.items() if a[: k + 1] == shown[: k + 1])

            def slot(p: dict[Any, float], k: int = k, shown: Any = shown) -> float:
                return sum(c for a, c in p.items() if a[k] == shown[k])

            r, q = world.reward[i, k], world.q[k, i]
            value = sum(c * q[a[k]] for a, c in p1.items())
            same = {a: c for a, c in p1.items() if a[:k] == shown[:k]}
            after = sum(c * q[a[k]] for a, c in same.items()) / sum(same.values())
            so_far = prefix(p1) / prefix(p0)
            residual = r - q[shown[k]]
            total["dm"] += value
            total["ips"] += weight * r
            total["snips"] += weight * r
            total["dr"] += value + weight * residual
            total["iips"] += slot(p1) / slot(p0) * r
            total["rips"] += so_far * r
            to_go = sum(
                c * sum(world.q[j, i, a[j]] for j in range(k + 1, L)) for a, c in p1.items()
            )
            total["cascade_dr"] += so_far * (residual - to_go) + before * (after + to_go)
            total["switch"] += value + (so_far if so_far <= bound else 0.0) * residual
            tamed = strength * so_far / (so_far**2 + strength)
            total["shrinkage"] += value + tamed * residual
            before = so_far
        for name, each in total.items():
            added[name].append(each)
    added["snips"] = [each / float(np.mean(weights)) for each in added["snips"]]
    return added


def test_every_formula_by_loops() -> None:
    world = World(3)
    config = OpeConfig(least_effective_lists=1, switch=1.3, shrinkage=2.5)
    for name, expected in by_loops(world, bound=1.3, strength=2.5).items():
        found = world.ask(name, config=config)
        np.testing.assert_allclose(found.per_list, expected, atol=2e-5, err_msg=name)
        if name != "snips":
            interval = clustered_mean(expected, world.user, second_cluster=world.day)
            assert found.value.standard_error == pytest.approx(interval.standard_error, abs=1e-5)


def test_with_one_slot_estimators_coincide() -> None:
    world = World()
    one = {name: world.ask(name, k=1).value.point for name in ESTIMATORS}
    for same in ("iips", "rips", "pi"):
        assert one[same] == pytest.approx(one["ips"], abs=1e-6)
    assert one["cascade_dr"] == pytest.approx(one["dr"], abs=1e-9)
    assert one["dr"] != pytest.approx(one["ips"], abs=1e-3)


@pytest.mark.parametrize("estimator", ["switch", "shrinkage"])
def test_the_chosen_setting_is_said_and_least_risky(estimator: str) -> None:
    world = World(1)
    chosen = world.ask(estimator)
    assert chosen.setting is not None
    again = world.ask(
        estimator,
        config=OpeConfig(switch=chosen.setting, shrinkage=chosen.setting, least_effective_lists=1),
    )
    assert again.value == chosen.value
    untamed = world.ask(
        estimator, config=OpeConfig(least_effective_lists=1, switch=1e9, shrinkage=1e30)
    )
    assert chosen.value.standard_error < untamed.value.standard_error


def test_a_bound_is_low_where_the_model_is_right_and_there_is_none_where_it_is_far_off() -> None:
    right, wrong = World(2), World(2)
    picked = np.take_along_axis(right.q, right.items.T[:, :, None], axis=2)[:, :, 0].T
    right.reward = picked + right.reward  # noise around the model
    wrong.reward = picked + 0.01 * wrong.reward
    wrong.q += 10 * np.random.default_rng(0).normal(1, 0.1, wrong.q.shape)
    largest = ListWeights(
        right.items, PlackettLuce(right.old), PlackettLuce(right.new)
    ).prefix.max()
    low, high = (world.ask("switch").setting for world in (right, wrong))
    assert low is not None
    assert low < 2
    assert high == pytest.approx(largest)


def test_shrinkage_leaves_weights_alone_where_the_model_is_far_off() -> None:
    world = World(2)
    world.new = world.old + 0.2 * np.random.default_rng(1).normal(size=(N, C))
    world.q += 10
    chosen = world.ask("shrinkage")
    untamed = world.ask("switch", config=LOOSE.model_copy(update={"switch": 1e9}))
    assert chosen.value.point == pytest.approx(untamed.value.point, rel=1e-4)


def test_what_is_independent_of_the_model_where_the_policies_agree() -> None:
    # a cascade's corrections: with one policy, what is taken off after a slot was added before it
    world = World(same=True)
    plain = world.ask("cascade_dr").value
    world.q[:] += 5.0
    assert world.ask("cascade_dr").value.point == pytest.approx(plain.point, abs=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("repeats", [False, True])
def test_a_cascade_with_a_right_model_is_no_worse_than_dr(noise: float, repeats: bool) -> None:
    """The log has 2,000 lists: errors are standard errors, good to a few per cent."""
    n = 2_000
    rng = np.random.default_rng(0)
    old, new = 0.7 * rng.normal(size=C), 0.7 * rng.normal(size=C)
    q = rng.uniform(size=(L, C))

    def policy(scores: Array) -> Any:
        by_slot = [np.exp(scores) / np.exp(scores).sum()] * L
        return Slotwise(by_slot, requests=n) if repeats else PlackettLuce(np.tile(scores, (n, 1)))

    items = policy(old).sample(L, rng=rng)
    reward = q[np.arange(L), items] + noise * rng.normal(size=items.shape)
    found = evaluate_policy(
        LoggedSlates(items, reward, np.arange(n)),
        policy(old),
        target=policy(new),
        estimators=["dr", "cascade_dr", "rips"],
        predictions=lambda slot: np.tile(q[slot], (n, 1)),
    )
    error = {each.estimator: each.value.standard_error for each in found.estimates}
    if noise or repeats:
        assert error["cascade_dr"] <= 1.02 * error["dr"] + 1e-9
    else:  # what stands above may not be chosen again, which the model's value to go leaves out
        assert error["cascade_dr"] < 0.3 * error["rips"]
        assert error["dr"] < 1e-9


def test_weights_serve_several_outcomes() -> None:
    world = World()
    weights = ListWeights(world.items, PlackettLuce(world.old), PlackettLuce(world.new))
    other = LoggedSlates(world.items, world.reward**2, world.user)
    found = evaluate_weighted(other, weights, estimators=["iips"], config=LOOSE)
    expected = (weights.slot * world.reward**2).sum(axis=1).mean()
    assert found.estimate("iips").value.point == pytest.approx(expected)
    moved = LoggedSlates(world.items[::-1], world.reward, world.user)
    with pytest.raises(ConfigError, match="weights of others"):
        evaluate_weighted(moved, weights, estimators=["iips"])


def test_models_are_asked_for_and_checked() -> None:
    world = World()
    slates = LoggedSlates(world.items, world.reward, world.user)
    old, new = PlackettLuce(world.old), PlackettLuce(world.new)
    with pytest.raises(ConfigError, match="predicted rewards for 'dr'"):
        evaluate_policy(slates, old, target=new, estimators=["dr"], config=LOOSE)
    with pytest.raises(SchemaError, match="slot 1"):
        evaluate_policy(
            slates, old, target=new, estimators=["dm"], predictions=lambda slot: world.old[:2]
        )
