"""What policies say about lists, against enumeration of all lists."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from causal_ranker.errors import CausalRankerError, ConfigError, RowError, SchemaError
from causal_ranker.evaluation.ope.fixed import FixedLists
from causal_ranker.evaluation.ope.logged import LoggedPropensities
from causal_ranker.evaluation.ope.mixture import Mixture
from causal_ranker.evaluation.ope.monte_carlo import MonteCarlo
from causal_ranker.evaluation.ope.plackett_luce import PlackettLuce
from causal_ranker.evaluation.ope.policies import Array, ListPolicy, list_array
from causal_ranker.evaluation.ope.slotwise import Slotwise
from causal_ranker.stats.plackett_luce import sample_slates
from tests.evaluation.ope.lists import (
    BY_SLOT,
    CANDIDATES,
    NEW_BY_SLOT,
    SCORES,
    SLOTS,
    chance_of,
    fixed,
    luce,
    products,
    slotwise,
)

LISTS = products()
N = len(LISTS)
MASKED = np.where(np.arange(CANDIDATES) == 2, -np.inf, SCORES)


def chance(name: str, items: Any) -> float:
    match name:
        case "luce":
            return chance_of(SCORES, items)
        case "masked":
            return 0.0 if 2 in items.tolist() else chance_of(MASKED, items)
        case "slotwise":
            return float(np.prod(NEW_BY_SLOT[np.arange(len(items)), items]))
        case _:
            return float(items.tolist() == [2, 0, 3][: len(items)])


def build(name: str, n: int) -> ListPolicy:
    match name:
        case "luce":
            return luce(SCORES, n)
        case "masked":
            return luce(MASKED, n)
        case "slotwise":
            return slotwise(NEW_BY_SLOT, n)
        case _:
            return fixed([2, 0, 3], n)


@pytest.mark.parametrize("name", ["luce", "masked", "slotwise", "fixed"])
class TestEveryPolicy:
    def test_prefixes_and_slots_are_sums_over_lists(self, name: str) -> None:
        policy = build(name, N)
        p = np.array([chance(name, items) for items in LISTS])
        assert p.sum() == pytest.approx(1)
        prefix = [
            [p[(LISTS[:, : k + 1] == items[: k + 1]).all(axis=1)].sum() for k in range(SLOTS)]
            for items in LISTS
        ]
        slot = [[p[LISTS[:, k] == items[k]].sum() for k in range(SLOTS)] for items in LISTS]
        np.testing.assert_allclose(policy.prefix(LISTS), prefix, atol=1e-9)
        np.testing.assert_allclose(policy.marginal(LISTS), slot, atol=1e-7)
        np.testing.assert_array_equal(policy.possible(LISTS), np.array(slot) > 1e-6)
        by_slot = policy.part(3, 4).slot_chances(SLOTS)
        for k, item in itertools.product(range(SLOTS), range(CANDIDATES)):
            expected = p[LISTS[:, k] == item].sum()
            assert by_slot[0, item, k] == pytest.approx(expected, abs=1e-7)

    def test_means_over_what_comes_next(self, name: str) -> None:
        policy = build(name, N)
        values = np.random.default_rng(0).normal(size=(N, CANDIDATES))
        p = np.array([chance(name, items) for items in LISTS])
        for slot in range(SLOTS):
            found = policy.next_mean(LISTS, values, slot=slot)
            for row, items in enumerate(LISTS):
                same = (LISTS[:, :slot] == items[:slot]).all(axis=1)
                total = p[same].sum()
                mean = (p[same] * values[row, LISTS[same, slot]]).sum() / total if total else 0.0
                assert found[row] == pytest.approx(mean, abs=1e-9)

    def test_draws_follow_the_chances(self, name: str) -> None:
        n = 20_000
        drawn = build(name, n).sample(SLOTS, rng=np.random.default_rng(1))
        code = np.ravel_multi_index(tuple(drawn.T), (CANDIDATES,) * SLOTS)
        p = np.array([chance(name, items) for items in LISTS])
        seen = np.bincount(code, minlength=N)
        assert not seen[p == 0].any()
        if name != "fixed":
            assert 1e-3 < chisquare(seen[p > 0], n * p[p > 0]).pvalue < 1 - 1e-3

    def test_a_part_is_these_rows(self, name: str) -> None:
        policy = build(name, N)
        np.testing.assert_allclose(
            policy.part(10, 20).prefix(LISTS[10:20]), policy.prefix(LISTS)[10:20]
        )
        assert policy.part(10, 20).requests == 10

    def test_counted_draws_agree(self, name: str) -> None:
        lists, draws = LISTS[:24], 2_000
        policy = build(name, len(lists))
        counted = MonteCarlo(
            lambda rng: policy.sample(SLOTS, rng=rng),
            requests=len(lists),
            candidates=CANDIDATES,
            draws=draws,
            seed=0,
        )
        values = np.random.default_rng(0).normal(size=(len(lists), CANDIDATES))
        for found, expected in (
            (counted.prefix(lists), policy.prefix(lists)),
            (counted.marginal(lists), policy.marginal(lists)),
            (counted.part(5, 9).slot_chances(SLOTS), policy.part(5, 9).slot_chances(SLOTS)),
        ):
            error = np.sqrt(expected * (1 - expected) / draws)
            assert (np.abs(found - expected) <= 4.5 * error + 1e-6).all()
        if name == "fixed":
            assert (counted.prefix(lists) == policy.prefix(lists)).all()
        mean = counted.next_mean(lists, values, slot=1)
        often = policy.prefix(lists)[:, 0] > 0.1
        np.testing.assert_allclose(
            mean[often], policy.next_mean(lists, values, slot=1)[often], atol=0.25
        )
        assert counted.least == 20 / draws
        np.testing.assert_array_equal(counted.possible(lists), counted.marginal(lists) > 0)


@given(
    st.lists(st.floats(-8, 8), min_size=2, max_size=5),
    st.integers(1, 4),
    st.floats(0.2, 20),
    st.floats(-100, 100),
)
def test_prefix_chances_of_plackett_luce(
    scores: list[float], slots: int, temperature: float, shift: float
) -> None:
    slots = min(slots, len(scores))
    lists = np.array(list(itertools.permutations(range(len(scores)), slots)))
    table = np.tile(scores, (len(lists), 1))
    found = PlackettLuce(table, temperature=temperature).prefix(lists)
    assert found[:, -1].sum() == pytest.approx(1)
    assert (np.diff(found, axis=1) <= 1e-12).all()
    expected = [chance_of(np.array(scores) / temperature, items) for items in lists]
    np.testing.assert_allclose(found[:, -1], expected, rtol=1e-9)
    moved = PlackettLuce(table + shift, temperature=temperature).prefix(lists)
    np.testing.assert_allclose(moved, found, rtol=1e-6)


def test_a_mixture_is_the_mean_by_shares_of_the_logs() -> None:
    parts = [build("luce", N), build("masked", N), build("slotwise", N)]
    who = np.resize([0, 1, 2, 2], N)
    both = Mixture.of_logs(parts, logged_by=who)
    shares = np.bincount(who) / N
    for method in ("prefix", "marginal"):
        each = [getattr(part, method)(LISTS) for part in parts]
        expected = sum(s * e for s, e in zip(shares, each, strict=True))
        np.testing.assert_allclose(getattr(both, method)(LISTS), expected)
    np.testing.assert_allclose(both.part(4, 9).prefix(LISTS[4:9]), both.prefix(LISTS)[4:9])
    np.testing.assert_array_equal(both.possible(LISTS), both.marginal(LISTS) > 0)
    assert both.everywhere
    logged = LoggedPropensities(np.full((N, SLOTS), 0.5))
    assert not Mixture([parts[0], logged], shares=[0.5, 0.5]).everywhere


def test_logged_propensities_multiply() -> None:
    conditional = np.random.default_rng(0).uniform(0.1, 1, (N, SLOTS))
    logged = LoggedPropensities(conditional, marginal=conditional**2)
    np.testing.assert_allclose(logged.prefix(LISTS)[:, -1], conditional.prod(axis=1))
    np.testing.assert_allclose(logged.marginal(LISTS[:, :2]), conditional[:, :2] ** 2)
    np.testing.assert_allclose(
        logged.part(3, 8).prefix(LISTS[3:8]), np.cumprod(conditional[3:8], axis=1)
    )
    alone = LoggedPropensities(conditional)
    np.testing.assert_allclose(alone.marginal(LISTS[:, :1]), conditional[:, :1])
    np.testing.assert_allclose(alone.part(0, 2).prefix(LISTS[:2, :1]), conditional[:2, :1])
    assert alone.possible(LISTS).all()
    with pytest.raises(ConfigError, match="marginal"):
        alone.marginal(LISTS)
    with pytest.raises(SchemaError, match="logged"):
        alone.prefix(LISTS[1:])


def test_arrays_of_the_caller_stay_as_they_are() -> None:
    scores, tables = np.tile(SCORES, (N, 1)), np.array(BY_SLOT)
    PlackettLuce(scores).prefix(LISTS)
    Slotwise(list(tables), requests=N).prefix(LISTS)
    assert (scores == SCORES).all()
    assert (tables == BY_SLOT).all()


def bad_table(row: int, column: int, value: float) -> list[Array]:
    tables = np.array(BY_SLOT)
    tables[row, column] = value
    return list(tables)


@pytest.mark.parametrize(
    ("build_it", "error", "text"),
    [
        (lambda: Slotwise(bad_table(1, 0, 0.5), requests=9), RowError, "sum to 1 .* slot 2"),
        (lambda: Slotwise(bad_table(0, 0, np.nan), requests=9), RowError, "sum to 1"),
        (lambda: Slotwise([[1.2, -0.2]], requests=9), RowError, "0 or more"),
        (lambda: Slotwise([np.ones((3, 1))], requests=9), SchemaError, "slot 1"),
        (lambda: Slotwise([], requests=9), ConfigError, "at least one slot"),
        (lambda: slotwise(BY_SLOT, 3).sample(4, rng=np.random.default_rng(0)), ConfigError, "3"),
        (lambda: fixed([0, 1], 3).slot_chances(3), ConfigError, "k up to 2"),
        (lambda: FixedLists([[0, 4]], candidates=4), RowError, "from 0 to 3"),
        (lambda: FixedLists([[0.0, 1.0]], candidates=4), SchemaError, "columns"),
        (lambda: FixedLists([[0, 1], [2, 2]], candidates=4), RowError, "1 that repeat .* row 1"),
        (lambda: fixed([0, 1], 3).marginal(LISTS[:1, :2]), SchemaError, "each of 3"),
        (lambda: fixed([0, 1], 3).prefix(LISTS[:4, :2]), SchemaError, "each of 3"),
        (lambda: PlackettLuce([[0.0, np.nan]]), RowError, "NaN"),
        (lambda: PlackettLuce([[0.0, 1.0]], temperature=0), ConfigError, "temperature"),
        (lambda: LoggedPropensities([[0.5, 0.0]]), RowError, "row 0, slot 2"),
        (lambda: LoggedPropensities([[0.5, 1.1]]), RowError, "at most 1"),
        (lambda: LoggedPropensities([[np.nan]]), RowError, "nan"),
        (lambda: LoggedPropensities([0.5]), SchemaError, "slots"),
        (lambda: LoggedPropensities([[0.5]], marginal=[[0.5, 0.5]]), SchemaError, "marginal"),
        (lambda: Mixture([luce(SCORES, 3)], shares=[0.9]), ConfigError, "sum 1"),
        (lambda: Mixture([luce(SCORES, 3)] * 2, shares=[1.0]), ConfigError, "2 shares"),
        (
            lambda: Mixture.of_logs([luce(SCORES, 2)] * 2, logged_by=[0, 0]),
            ConfigError,
            "above 0",
        ),
        (lambda: Mixture.of_logs([luce(SCORES, 2)], logged_by=[0, 1]), RowError, "logged_by"),
        (lambda: list_array([[0, 1]], candidates=2, requests=2), SchemaError, "each of 2"),
        (
            lambda: MonteCarlo(
                lambda rng: sample_slates(np.zeros((2, 3)), 2, rng=rng),
                requests=2,
                candidates=3,
                draws=0,
                seed=0,
            ),
            ConfigError,
            "draws",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    build_it: Any, error: type[CausalRankerError], text: str
) -> None:
    with pytest.raises(error, match=text):
        build_it()
