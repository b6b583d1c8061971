"""Every list there is, weighed by its chance: estimators are unbiased exactly where they claim."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from causal_ranker.evaluation.ope.config import OpeConfig
from causal_ranker.evaluation.ope.estimators import ESTIMATORS
from causal_ranker.evaluation.ope.evaluate import evaluate_policy
from causal_ranker.evaluation.ope.mixture import Mixture
from causal_ranker.evaluation.ope.policies import Array, IntArray, ListPolicy
from tests.evaluation.ope.lists import (
    BY_SLOT,
    NEW_BY_SLOT,
    NEW_SCORES,
    SCORES,
    SLOTS,
    WORLDS,
    chance_of,
    fixed,
    luce,
    permutations,
    products,
    same_predictions,
    slates,
    slotwise,
    value_of,
)

# Taming nothing, switch and shrinkage are the doubly robust form of rips.
LOOSE = OpeConfig(least_effective_lists=1, switch=1e12, shrinkage=1e30, most_missing_share=0.999)
UNBIASED = {
    "independent": {"ips", "dr", "iips", "rips", "cascade_dr", "pi", "switch", "shrinkage"},
    "cascade": {"ips", "dr", "rips", "cascade_dr", "switch", "shrinkage"},
    "whole": {"ips", "dr"},
    "additive": {"ips", "dr", "pi"},
}
WEIGHTED = [name for name in ESTIMATORS if name not in {"dm", "snips"}]
Build = Callable[[int], Any]

LUCE_TO: dict[str, tuple[Build, Callable[[IntArray], float]]] = {
    "plackett_luce": (lambda n: luce(NEW_SCORES, n), lambda a: chance_of(NEW_SCORES, a)),
    "fixed": (lambda n: fixed([1, 3, 0], n), lambda a: float(a.tolist() == [1, 3, 0])),
}


def mean_of(logs: Any, logging: Any, target: ListPolicy, *, chances: Array) -> dict[str, float]:
    n = len(logs)
    found = evaluate_policy(
        logs,
        logging,
        target=target,
        estimators=WEIGHTED,
        predictions=same_predictions(n),
        config=LOOSE,
    )
    return {each.estimator: float(chances @ each.per_list) for each in found.estimates}


def check(found: dict[str, float], world: str, truth: float) -> None:
    assert set(found) == set(WEIGHTED)
    right = {name for name, value in found.items() if math.isclose(value, truth, abs_tol=1e-6)}
    assert right == UNBIASED[world]
    wrong = [abs(value - truth) for name, value in found.items() if name not in right]
    assert min(wrong, default=1.0) > 1e-3


@pytest.mark.parametrize("world", list(WORLDS))
@pytest.mark.parametrize("target", list(LUCE_TO))
def test_plackett_luce_logs(world: str, target: str) -> None:
    lists = permutations()
    build, chance = LUCE_TO[target]
    p = np.array([chance_of(SCORES, a) for a in lists])
    pi = np.array([chance(a) for a in lists])
    n = len(lists)
    found = mean_of(slates(world, lists), luce(SCORES, n), build(n), chances=p)
    check(found, world, value_of(world, lists, pi))


@pytest.mark.parametrize("world", list(WORLDS))
def test_position_wise_logs(world: str) -> None:
    lists = products()

    def chances(tables: Array) -> Array:
        return np.array([np.prod(tables[np.arange(SLOTS), a]) for a in lists])

    n = len(lists)
    found = mean_of(
        slates(world, lists),
        slotwise(BY_SLOT, n),
        slotwise(NEW_BY_SLOT, n),
        chances=chances(BY_SLOT),
    )
    check(found, world, value_of(world, lists, chances(NEW_BY_SLOT)))


@pytest.mark.parametrize("world", list(WORLDS))
def test_several_logging_policies(world: str) -> None:
    # one of them alone never shows item 1, which the new policy likes best
    lists = permutations()
    without = np.where(np.arange(4) == 1, -np.inf, SCORES)
    n = len(lists)
    rho = 0.3
    p = np.array([rho * chance_of(without, a) + (1 - rho) * chance_of(SCORES, a) for a in lists])
    pi = np.array([chance_of(NEW_SCORES, a) for a in lists])
    logging = Mixture([luce(without, n), luce(SCORES, n)], shares=[rho, 1 - rho])
    found = mean_of(slates(world, lists), logging, luce(NEW_SCORES, n), chances=p)
    check(found, world, value_of(world, lists, pi))


def test_the_direct_method_is_the_mean_of_the_model() -> None:
    lists = permutations()
    n = len(lists)
    model = same_predictions(n)
    pi = np.array([chance_of(NEW_SCORES, a) for a in lists])
    truth = sum(
        p * sum(model(k)[0, a[k]] for k in range(SLOTS)) for p, a in zip(pi, lists, strict=True)
    )
    found = evaluate_policy(
        slates("whole", lists),
        luce(SCORES, n),
        target=luce(NEW_SCORES, n),
        estimators=["dm"],
        predictions=model,
        config=LOOSE,
    ).estimate("dm")
    assert found.value.point == pytest.approx(truth, abs=1e-6)
    assert found.value.standard_error == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("estimator", ["dr", "cascade_dr", "switch", "shrinkage"])
def test_a_constant_shift_of_the_model_changes_no_expectation(estimator: str) -> None:
    lists = permutations()
    n = len(lists)
    p = np.array([chance_of(SCORES, a) for a in lists])

    def shifted(slot: int, *, by: float) -> Array:
        return same_predictions(n)(slot) + by

    means = []
    for shift in (0.0, 7.0):
        found = evaluate_policy(
            slates("cascade", lists),
            luce(SCORES, n),
            target=luce(NEW_SCORES, n),
            estimators=[estimator],
            predictions=partial(shifted, by=shift),
            config=LOOSE,
        )
        means.append(float(p @ found.estimate(estimator).per_list))
    assert means[1] == pytest.approx(means[0], abs=1e-6)
