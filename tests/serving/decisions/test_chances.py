"""Chances of decisions: against enumeration, and refused where nobody can say."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from causal_ranker.reranking.draws import Draw, PlackettLuce, Thompson, UniformSwaps
from causal_ranker.serving.decisions.chances import Chances, chances
from causal_ranker.serving.decisions.record import Decision
from causal_ranker.stats.plackett_luce import inclusion_propensities
from tests.serving.decisions.making import decision
from tests.serving.decisions.slow import chances as every_list


def inclusion(made: Decision) -> np.ndarray:
    slates = every_list(made)
    assert slates is not None
    return np.array(
        [
            sum(p for slate, p in slates.items() if place in slate)
            for place in range(len(made.items))
        ]
    )


@pytest.mark.parametrize(
    "draw",
    [
        PlackettLuce(temperature=1.0),
        PlackettLuce(temperature=0.05),
        UniformSwaps(epsilon=0.3),
        UniformSwaps(epsilon=1.0),
        UniformSwaps(epsilon=0.0),
        Thompson(),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("n", "slots", "k"), [(6, 2, 2), (5, 4, 2), (5, 5, 5), (4, 9, 4), (1, 1, 1)]
)
def test_against_enumeration(draw: Draw, n: int, slots: int, k: int) -> None:
    block = [decision(f"{i}", n=n, slots=slots, k=k, draw=draw) for i in range(4)]
    for made, found in zip(block, chances(block), strict=True):
        assert isinstance(found, Chances)
        expected = inclusion(made)
        np.testing.assert_allclose(found.inclusion, expected, atol=1e-6)
        assert found.inclusion.sum() == pytest.approx(k)
        slates = every_list(made)
        assert slates is not None
        for slot, place in enumerate(made.shown):
            at_slot = sum(p for slate, p in slates.items() if slate[slot] == place)
            assert found.slot[slot] == pytest.approx(at_slot, abs=1e-6)


def test_a_block_of_many_shapes_is_each_of_them_alone() -> None:
    block = [
        decision(f"{i}", n=3 + i % 5, slots=1 + i % 3, draw=draw)
        for i, draw in enumerate(
            [
                PlackettLuce(temperature=1),
                UniformSwaps(epsilon=0.5),
                Thompson(),
                PlackettLuce(temperature=2),
            ]
            * 7
        )
    ]
    for made, found in zip(block, chances(block), strict=True):
        (alone,) = chances([made])
        assert isinstance(found, Chances)
        assert isinstance(alone, Chances)
        np.testing.assert_allclose(found.inclusion, alone.inclusion, atol=1e-9)
        np.testing.assert_allclose(found.slot, alone.slot, atol=1e-9)


def test_two_hundred_candidates_and_more_slots_than_race_together() -> None:
    for slots in (10, 25):
        made = decision("a", n=200, slots=slots, draw=PlackettLuce(temperature=0.7))
        (found,) = chances([made])
        assert isinstance(found, Chances)
        assert made.score is not None
        alone = inclusion_propensities(made.score, slots, temperature=0.7)
        np.testing.assert_allclose(found.inclusion, alone, atol=1e-6)
        every = [inclusion_propensities(made.score, k + 1, temperature=0.7) for k in range(slots)]
        by_slot = np.diff([np.zeros(200), *every], axis=0)
        np.testing.assert_allclose(found.slot, by_slot[range(slots), made.shown], atol=1e-6)


def test_a_list_that_shows_everything_shows_it_surely() -> None:
    made = decision("a", n=5, slots=2, k=5)
    (found,) = chances([made])
    assert isinstance(found, Chances)
    assert found.inclusion.tolist() == [1.0] * 5
    assert np.isfinite(found.slot).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"fallback": "model_error"}, "fallback"),
        ({"holdout": True}, "holdout"),
        ({"explored": False}, "nothing drawn"),
        ({"exploration": None}, "nothing drawn"),
        ({"slots": 0}, "nothing drawn"),
        ({"exploration": {"draw": {"kind": "new"}, "slots": 2}}, "unknown draw"),
        ({"constrained": True}, "rules"),
        ({"constrained": None}, "rules"),
        ({"score": None}, "scores missing"),
        ({"score": [1.0]}, "scores missing"),
        ({"score": [float("nan")] * 6}, "scores missing"),
        ({"propensity": [0.5, 0.5]}, "other chances"),
    ],
)
@pytest.mark.parametrize(
    "draw", [PlackettLuce(temperature=1), UniformSwaps(epsilon=0.3), Thompson()], ids=str
)
def test_why_nobody_can_say(draw: Draw, change: dict[str, Any], why: str) -> None:
    made = msgspec.structs.replace(decision("a", draw=draw), **change)
    assert chances([decision("b"), made])[1] == why


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, "deviations missing"),
        ([1.0], "deviations missing"),
        ([0.0] * 6, "deviations missing"),
        ([float("nan")] * 6, "deviations missing"),
        ([1e-12] + [1.0] * 5, "deviations too small"),
        ([5.0] + [0.3] * 5, "other chances"),
    ],
)
def test_uplifts_are_drawn_from_what_the_record_says(told: Any, why: str) -> None:
    made = msgspec.structs.replace(decision("a", draw=Thompson()), deviation=told)
    assert chances([made]) == [why]


def test_a_list_that_goes_on_behind_its_slots() -> None:
    assert chances([decision("a", slots=2, k=4)]) == ["longer than what is drawn"]
