"""Pseudo-inverse weights against Gamma summed over all lists and inverted as it stands."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import ConfigError, OverlapError
from causal_ranker.evaluation.ope.linear import linear_weights
from causal_ranker.evaluation.ope.logged import LoggedPropensities
from causal_ranker.evaluation.ope.mixture import Mixture
from causal_ranker.evaluation.ope.plackett_luce import PlackettLuce
from causal_ranker.evaluation.ope.policies import Array, IntArray, ListPolicy
from causal_ranker.evaluation.ope.slotwise import Slotwise

CANDIDATES, SLOTS = 4, 2


def dense(lists: IntArray, p: Array, pi: Array) -> dict[tuple[int, ...], float]:
    """Weigh every list by ``numpy.linalg.pinv``, with loops."""
    rows = []
    for items in lists:
        one = np.zeros((SLOTS, CANDIDATES))
        for slot, item in enumerate(items):
            one[slot, item] = 1
        rows.append(one.ravel())
    inverse = np.linalg.pinv(
        sum(c * np.outer(row, row) for c, row in zip(p, rows, strict=True)), rcond=1e-10
    )
    q = sum(c * row for c, row in zip(pi, rows, strict=True))
    return {
        tuple(items.tolist()): float(q @ inverse @ row)
        for items, row in zip(lists, rows, strict=True)
    }


def all_lists(*, repeats: bool) -> IntArray:
    source: Any = (
        itertools.product(range(CANDIDATES), repeat=SLOTS)
        if repeats
        else itertools.permutations(range(CANDIDATES), SLOTS)
    )
    return np.array(list(source))


def check(logging: Any, target: ListPolicy, lists: IntArray) -> None:
    p, pi = logging.prefix(lists)[:, -1], target.prefix(lists)[:, -1]
    expected = dense(lists, p, pi)
    found = linear_weights(lists, logging, target)
    np.testing.assert_allclose(found, [expected[tuple(a)] for a in lists.tolist()], atol=1e-5)
    assert p @ found == pytest.approx(1, abs=1e-6)


def tiled(scores: Any, n: int) -> PlackettLuce:
    return PlackettLuce(np.tile(scores, (n, 1)))


def test_plackett_luce_logs_are_summed() -> None:
    lists = all_lists(repeats=False)
    check(tiled([1.0, 0.2, -0.4, 0.0], 12), tiled([-1.0, 0.5, 0.0, 2.0], 12), lists)


@pytest.mark.parametrize("masked", [False, True])
def test_uniform_lists_have_a_closed_form(masked: bool) -> None:
    lists = all_lists(repeats=False)
    scores, new = np.zeros(4), np.array([-1.0, 0.5, 0.0, 2.0])
    if masked:
        scores[3] = new[3] = -np.inf
        lists = lists[(lists != 3).all(axis=1)]
    logging = tiled(scores, len(lists))
    assert logging.uniform
    check(logging, tiled(new, len(lists)), lists)


def test_uniform_lists_of_all_candidates() -> None:
    lists = np.array([[0, 1], [1, 0]])
    found = linear_weights(lists, tiled([0.0, 0.0], 2), tiled([0.0, np.log(3.0)], 2))
    np.testing.assert_allclose(found, [0.5, 1.5], atol=1e-7)


def test_the_closed_form_and_the_sum_agree_on_requests_that_differ() -> None:
    rng = np.random.default_rng(0)
    target = PlackettLuce(rng.normal(size=(50, 5)))
    logging = PlackettLuce(np.zeros((50, 5)))
    lists = logging.sample(3, rng=rng)
    closed = linear_weights(lists, logging, target)
    summed = linear_weights(lists, Mixture([logging], shares=[1.0]), target)
    np.testing.assert_allclose(closed, summed, atol=1e-4)


def test_independent_slots_have_a_closed_form() -> None:
    rng = np.random.default_rng(1)
    lists = all_lists(repeats=True)
    logging, target = (
        Slotwise(list(rng.dirichlet(np.ones(4), SLOTS)), requests=len(lists)) for _ in range(2)
    )
    check(logging, target, lists)


def test_memory_bound_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from causal_ranker.evaluation.ope import linear

    rng = np.random.default_rng(2)
    target, logging = (PlackettLuce(rng.normal(size=(40, 4))) for _ in range(2))
    lists = logging.sample(2, rng=rng)
    expected = linear_weights(lists, logging, target)
    monkeypatch.setattr(linear, "_CELLS", 500)
    np.testing.assert_allclose(linear_weights(lists, logging, target), expected, atol=1e-12)


def test_what_lists_cannot_tell_is_refused() -> None:
    lists = np.array([[0, 1], [1, 2]])
    with pytest.raises(OverlapError, match=r"100.0% of requests"):
        linear_weights(lists, tiled([0, 0.5, 1, -np.inf], 2), tiled([0, 0, 0, 5.0], 2))
    # uniform lists, by their closed form
    with pytest.raises(OverlapError, match=r"100.0% of requests"):
        linear_weights(lists, tiled([0, 0, 0, -np.inf], 2), tiled([0, 0, 0, 5.0], 2))
    # whoever logs (0, 1) and (1, 0) never tells whether (0, 0) brings more
    repeats = Slotwise([np.array([0.9, 0.1])] * 2, requests=2)
    with pytest.raises(OverlapError, match=r"100.0% of requests"):
        linear_weights(np.array([[0, 1], [1, 0]]), tiled([0, 0], 2), repeats)
    independent = Slotwise([np.full(4, 0.25)] * 2, requests=2)
    with pytest.raises(ConfigError, match="never repeats"):
        linear_weights(lists, Mixture([independent], shares=[1.0]), independent)


def test_too_many_lists_are_refused() -> None:
    scores = np.random.default_rng(0).normal(size=(2, 40))
    policy = PlackettLuce(scores)
    with pytest.raises(ConfigError, match="59,280 lists of 3 out of 40"):
        linear_weights(np.array([[0, 1, 2], [3, 4, 5]]), policy, policy)
    logged = LoggedPropensities(np.full((2, 3), 0.1))
    with pytest.raises(ConfigError, match="logged lists alone"):
        linear_weights(np.array([[0, 1, 2], [3, 4, 5]]), logged, policy)
    uniform = PlackettLuce(np.zeros((2, 40)))
    assert linear_weights(np.array([[0, 1, 2], [3, 4, 5]]), uniform, policy).shape == (2,)
