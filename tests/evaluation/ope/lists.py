"""All lists of one small request, so that expectations are sums and not simulations."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from causal_ranker.evaluation.ope.config import OpeConfig
from causal_ranker.evaluation.ope.fixed import FixedLists
from causal_ranker.evaluation.ope.plackett_luce import PlackettLuce
from causal_ranker.evaluation.ope.policies import Array, IntArray
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.ope.slotwise import Slotwise

CANDIDATES, SLOTS = 4, 3
SCORES = np.array([0.4, -0.3, 0.9, 0.0])
NEW_SCORES = np.array([-0.8, 0.7, 0.1, 0.5])
ANY = OpeConfig(least_effective_lists=1)
BY_SLOT = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]])
NEW_BY_SLOT = np.array([[0.5, 0.2, 0.2, 0.1], [0.0, 0.3, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]])
_RNG = np.random.default_rng(5)
_OWN = _RNG.uniform(0.1, 1, (SLOTS, CANDIDATES))
_OTHER = _RNG.uniform(-1, 1, (SLOTS, SLOTS, CANDIDATES, CANDIDATES))


def permutations() -> IntArray:
    return np.array(list(itertools.permutations(range(CANDIDATES), SLOTS)))


def products() -> IntArray:
    return np.array(list(itertools.product(range(CANDIDATES), repeat=SLOTS)))


def chance_of(scores: Array, items: IntArray) -> float:
    """Plackett-Luce by its definition, one list."""
    left, chance = list(range(len(scores))), 1.0
    for item in items.tolist():
        if item not in left:
            return 0.0
        chance *= np.exp(scores[item]) / sum(np.exp(scores[i]) for i in left)
        left.remove(item)
    return chance


def luce(scores: Array, n: int) -> PlackettLuce:
    return PlackettLuce(np.tile(scores, (n, 1)))


def slotwise(tables: Array, n: int) -> Slotwise:
    return Slotwise(list(tables), requests=n)


def fixed(items: list[int], n: int) -> FixedLists:
    return FixedLists(np.tile(items, (n, 1)), candidates=CANDIDATES)


def independent(items: IntArray) -> list[float]:
    return [_OWN[k, item] for k, item in enumerate(items)]


def cascade(items: IntArray) -> list[float]:
    return [
        _OWN[k, item] * np.prod([1 + _OTHER[j, k, items[j], item] for j in range(k)])
        for k, item in enumerate(items)
    ]


def whole(items: IntArray) -> list[float]:
    return [
        _OWN[k, item] * np.prod([1 + _OTHER[j, k, items[j], item] for j in range(SLOTS) if j != k])
        for k, item in enumerate(items)
    ]


def additive(items: IntArray) -> list[float]:
    """Slot k brings what the *next* slot's item is worth, so only the sum is a sum over items."""
    return [_OWN[(k + 1) % SLOTS, items[(k + 1) % SLOTS]] for k in range(SLOTS)]


WORLDS: dict[str, Callable[[IntArray], list[float]]] = {
    "independent": independent,
    "cascade": cascade,
    "whole": whole,
    "additive": additive,
}


def rewards(name: str, lists: IntArray) -> Array:
    return np.array([WORLDS[name](items) for items in lists])


def slates(name: str, lists: IntArray) -> LoggedSlates:
    return LoggedSlates(lists, rewards(name, lists), np.arange(len(lists)))


def predictions(n: int) -> Callable[[int], Array]:
    """A model that is wrong everywhere."""
    tables = np.random.default_rng(9).normal(size=(SLOTS, n, CANDIDATES))
    return lambda slot: tables[slot]


def same_predictions(n: int) -> Callable[[int], Array]:
    """A model that is wrong, but the same for equal requests."""
    tables = np.random.default_rng(9).normal(size=(SLOTS, CANDIDATES))
    return lambda slot: np.tile(tables[slot], (n, 1))


def value_of(name: str, lists: IntArray, chances: Any) -> float:
    return float(np.dot(chances, rewards(name, lists).sum(axis=1)))
