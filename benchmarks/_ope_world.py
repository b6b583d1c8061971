"""Requests of the streaming world in which slots may disturb each other, with exact values.

The world itself has slots that do not interfere. Four versions of what a slot brings keep its
requests, base scores and rates of play, and differ in how a list's slots hang together.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.ope.plackett_luce import PlackettLuce
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns
from causal_ranker.worlds.streaming import StreamingWorld

__all__ = ["HOLDS", "SCENARIOS", "SLOTS", "Requests", "draw_requests", "play_chances", "true_value"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

CANDIDATES: Final = 6
SLOTS: Final = 3
# How much of a play an appealing neighbour takes away.
_TAKEN: Final = 0.8
_LOGGING_TEMPERATURE: Final = 2.0
_TARGET_STRENGTH: Final = 1.2

#: What each slot's chance of a play depends on.
SCENARIOS: Final = ("own item", "items above", "whole list", "sum of items")
_WHATEVER: Final = ("ips", "snips", "dr")
_CASCADE: Final = (*_WHATEVER, "rips", "cascade_dr")
#: Estimators whose assumption holds there; switch and shrinkage take on bias by design, and the
#: model behind dm is wrong everywhere.
HOLDS: Final = {
    "own item": (*_CASCADE, "iips", "pi"),
    "items above": _CASCADE,
    "whole list": _WHATEVER,
    "sum of items": (*_WHATEVER, "pi"),
}


@dataclass(frozen=True)
class Requests:
    """Requests with what decides about their plays; arrays of shape (n, candidates) unless said.

    Parameters
    ----------
    user : ndarray of int64, shape (n,)
        Whose they are.
    base_score : ndarray of float64
        Of the logging policy.
    organic : ndarray of float64
        P(a play without an impression).
    effect : ndarray of float64
        What an examined impression adds to it.
    examined : ndarray of float64, shape (n, slots)
        P(slot is examined).
    """

    user: IntArray
    base_score: Array
    organic: Array
    effect: Array
    examined: Array

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: IntArray, *, user: IntArray) -> Requests:
        """Return some requests, under other users.

        Parameters
        ----------
        rows : ndarray of int64, shape (m,)
            Which.
        user : ndarray of int64, shape (m,)
            Their users.

        Returns
        -------
        Requests
            Of length m.
        """
        return Requests(
            user=user,
            base_score=self.base_score[rows],
            organic=self.organic[rows],
            effect=self.effect[rows],
            examined=self.examined[rows],
        )

    @property
    def logging(self) -> PlackettLuce:
        """The exploring base recommender."""
        return PlackettLuce(self.base_score, temperature=_LOGGING_TEMPERATURE)

    @property
    def target(self) -> PlackettLuce:
        """A new policy that ranks by what an impression adds."""
        spread = self.effect.std(axis=1, keepdims=True) + 1e-9
        centred = self.effect - self.effect.mean(axis=1, keepdims=True)
        return PlackettLuce(_TARGET_STRENGTH * centred / spread)

    def predicted(self, slot: int) -> Array:
        """Predict plays as the base recommender does: noisily, and the same in every slot.

        Parameters
        ----------
        slot : int
            From 0; not looked at.

        Returns
        -------
        ndarray of float64, shape (n, candidates)
            Chances of a play.
        """
        predicted: Array = 1 / (1 + np.exp(-self.base_score))
        return predicted


def draw_requests(*, users: int, seed: int) -> Requests:
    """Simulate a streaming world and return its requests.

    Parameters
    ----------
    users : int
        How many.
    seed : int
        Of the world.

    Returns
    -------
    Requests
        About four per user, in order of users.
    """
    config = WorldConfig(
        users=users,
        items=200,
        days=6,
        candidates=CANDIDATES,
        slate_size=SLOTS,
        discovery_rate=0.25,
        negative_share=0.1,
        seed=seed,
    )
    logs = StreamingWorld(config).simulate()
    order = np.lexsort((logs.candidates[C.ASSIGNMENT_UNIT], logs.candidates[C.USER]))

    def of(table: object, column: str) -> Array:
        values = table[column].to_numpy(dtype=np.float64)  # type: ignore[index]
        return np.asarray(values[order].reshape(-1, CANDIDATES))

    truth = logs.truth
    attention, scroll = (of(truth, name)[:, :1] for name in ("attention", "scroll"))
    return Requests(
        user=of(logs.candidates, C.USER)[:, 0].astype(np.int64),
        base_score=of(logs.candidates, C.BASE_SCORE),
        organic=of(truth, TruthColumns.Y0_PROBABILITY),
        effect=of(truth, TruthColumns.EFFECT_IF_EXAMINED),
        examined=attention * scroll ** np.arange(SLOTS),
    )


def play_chances(requests: Requests, items: IntArray, *, scenario: str) -> Array:
    """Return the chance of a play in every slot of a list.

    Parameters
    ----------
    requests : Requests
        The requests.
    items : ndarray of int64, shape (n, slots)
        Lists.
    scenario : str
        One of `SCENARIOS`.

    Returns
    -------
    ndarray of float64, shape (n, slots)
        Chances.
    """
    organic, effect = (
        np.take_along_axis(each, items, axis=1) for each in (requests.organic, requests.effect)
    )
    if scenario == "sum of items":  # a play is booked to any slot of its list
        alone = organic + requests.examined * effect
        return np.repeat(alone.mean(axis=1, keepdims=True), SLOTS, axis=1)
    gain = np.maximum(requests.effect, 0)
    appeal = np.take_along_axis(gain / (gain.max(axis=1, keepdims=True) + 1e-9), items, axis=1)
    left = np.ones(items.shape)
    for slot, other in itertools.permutations(range(SLOTS), 2):
        if scenario == "whole list" or (scenario == "items above" and other < slot):
            left[:, slot] *= 1 - _TAKEN * appeal[:, other]
    chances: Array = organic + requests.examined * left * effect
    return chances


def true_value(requests: Requests, *, scenario: str) -> tuple[float, float]:
    """Return the plays per list of the new and of the logging policy, summed over all lists.

    Parameters
    ----------
    requests : Requests
        All there are.
    scenario : str
        One of `SCENARIOS`.

    Returns
    -------
    tuple of float
        New, logging.
    """
    n = len(requests)
    totals = np.zeros(2)
    policies = (requests.target, requests.logging)
    for each in itertools.permutations(range(CANDIDATES), SLOTS):
        items = np.tile(np.array(each), (n, 1))
        plays = play_chances(requests, items, scenario=scenario).sum(axis=1)
        totals += [policy.prefix(items)[:, -1] @ plays for policy in policies]
    new, logging = (totals / n).tolist()
    return new, logging
