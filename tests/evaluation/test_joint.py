"""Cold and warm slots add up to the whole, and gain by age is what plain loops say."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from causal_ranker.evaluation.joint import JointLists, PlayedItems, joint_lists
from tests.evaluation.sample import K, make_evaluation, make_rows

ROWS = make_rows()
POLICIES = ("base", "uplift", "blend")
COLD = np.random.default_rng(5).random(ROWS.user.size) < 0.4


def played(n: int = 60, *, users: int = 9) -> PlayedItems:
    rng = np.random.default_rng(6)
    age = rng.choice([0.0, 1.0, 1.5, 4.0, np.inf], n)
    gain = {name: rng.choice([0.0, 0.5, 1.0], n) for name in POLICIES}
    return PlayedItems(rng.integers(0, 7, n), rng.integers(0, users, n), age, gain)


def lists(cold: Any = COLD, plays: PlayedItems | None = None) -> JointLists:
    told = {"candidates": 0.25, "k": K, "policies": POLICIES, "ages": (1.5, 4.0)}
    return joint_lists(ROWS, cold, plays or played(), **told)  # type: ignore[arg-type]


def test_slots_by_hand() -> None:
    found = lists()
    assert (found.k, found.baseline, found.candidates) == (K, "base", 0.25)
    assert [each.policy for each in found.policies] == list(POLICIES)
    for each in found.policies:
        ranks, base = ROWS.rank[each.policy], ROWS.rank["base"]
        shown, before = (ranks > 0) & (ranks <= K), (base > 0) & (base <= K)
        assert each.cold_share.point == pytest.approx(COLD[shown].mean())
        sums: dict[str, float] = defaultdict(float)
        for row in np.flatnonzero(shown | before):
            part, worth = ("cold" if COLD[row] else "warm"), ROWS.gamma[row] / K / ROWS.requests
            sums[part] += worth * shown[row]
            sums[f"{part}_difference"] += worth * (int(shown[row]) - int(before[row]))
        for name in ("cold", "warm", "cold_difference", "warm_difference"):
            assert getattr(each, name).point == pytest.approx(sums[name], abs=1e-12), name


def test_where_all_items_are_cold_their_slots_are_the_comparison() -> None:
    comparison = make_evaluation().comparison
    nothing = lists(np.zeros_like(COLD))
    for each, warm in zip(lists(np.ones_like(COLD)).policies, nothing.policies, strict=True):
        whole = comparison.result(each.policy)
        assert vars(each.cold) == pytest.approx(vars(whole.uplift))
        # The comparison takes the mean out first, for lists of equal length; parts have any length.
        assert each.cold_difference.point == pytest.approx(whole.difference.point, abs=1e-12)
        if each.policy != "base":
            ratio = each.cold_difference.standard_error / whole.difference.standard_error
            assert 0.9 < ratio < 1.2
        assert vars(warm.warm) == pytest.approx(vars(whole.uplift))
        assert (each.warm.point, each.warm_difference.point, warm.cold.point) == (0, 0, 0)


def test_gain_by_age_by_loops() -> None:
    plays = played()
    found = lists().ages
    assert [(each.from_days, each.to_days) for each in found] == [(0, 1.5), (1.5, 4), (4, np.inf)]
    for each in found:
        mine = (plays.age >= each.from_days) & (
            (plays.age < each.to_days) | np.isinf(plays.age) & np.isinf(each.to_days)
        )
        items = np.unique(plays.item[mine])
        assert (each.items, each.plays) == (items.size, mine.sum())
        for name in POLICIES:
            for told, gain in (
                (each.gain[name], plays.gain[name]),
                (each.difference[name], plays.gain[name] - plays.gain["base"]),
            ):
                means = {item: gain[mine & (plays.item == item)].mean() for item in items}
                assert told.point == pytest.approx(np.mean(list(means.values())), abs=1e-12)
                # by how much each user moves the mean
                moved: dict[int, float] = defaultdict(float)
                for row in np.flatnonzero(mine):
                    item = plays.item[row]
                    share = (mine & (plays.item == item)).sum() * items.size
                    moved[plays.user[row]] += (gain[row] - means[item]) / share
                many = len(moved)
                error = np.sqrt(sum(m**2 for m in moved.values()) * many / (many - 1))
                assert told.standard_error == pytest.approx(error, abs=1e-12)


def test_ages_without_plays_are_left_out_and_one_user_has_no_interval() -> None:
    some = played(users=1)
    young = some.age < 1.5
    gain = {name: each[young] for name, each in some.gain.items()}
    cut = PlayedItems(some.item[young], some.user[young], some.age[young], gain)
    (only,) = lists(plays=cut).ages
    assert (only.from_days, only.to_days) == (0, 1.5)
    assert np.isfinite(only.gain["base"].point)
    assert np.isnan([only.gain["base"].low, only.gain["base"].standard_error]).all()
