"""Drawn lists: whatever is drawn comes with the chance that it had."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import chisquare, norm

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.reranking import draws
from causal_ranker.reranking.chained import ListPolicy, rank_lists
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.diversified import Diversified
from causal_ranker.reranking.draws import PlackettLuce, Thompson, UniformSwaps
from causal_ranker.reranking.explore import Exploration, Explored, explore, in_holdout
from causal_ranker.reranking.limits import Cap, Floor
from causal_ranker.reranking.lists import CandidateLists, SideColumn
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, UpliftPolicy
from causal_ranker.stats.plackett_luce import conditional_propensities
from tests.reranking.lists import CAP, FLOOR, chained, lists_of, rows
from tests.stats.normal_orders import chances_of_orders

Array = NDArray[np.float64]

SOFT, SWAPS, THOMPSON = PlackettLuce(temperature=0.7), UniformSwaps(epsilon=0.3), Thompson()
DRAWS = [SOFT, SWAPS, THOMPSON]
CAPPED = chained(Constrained(slots=3, max_moves=2, caps=(Cap(column="genre", at_most=1),)))
FLOORED = chained(Constrained(slots=3, floors=(Floor(column="is_new", share=0.5),)))


def with_interval(lists: CandidateLists) -> CandidateLists:
    half = 0.5 + np.abs(lists.base_score) / 100
    return replace(lists, interval=(lists.uplift - half, lists.uplift + half))


def drawn(
    lists: CandidateLists, draw: Any, policy: ListPolicy | None = None, **others: Any
) -> Explored:
    count = np.unique(lists.request).size
    given = {"slots": 3, "decisions": np.arange(count), "users": np.arange(count), "seed": 0}
    given |= others
    plan = {name: given.pop(name) for name in (*given,) if name in Exploration.model_fields}
    return explore(policy or UpliftPolicy(), lists, Exploration(draw=draw, **plan), **given)


def copies(n: int, uplift: Any, genre: Any, new: Any, sd: Any) -> CandidateLists:
    """Say the same request n times, in base order."""
    m = len(uplift)
    return CandidateLists(
        request=np.repeat(np.arange(n), m),
        base_score=np.tile(-np.arange(float(m)), n),
        base_rank=np.tile(np.arange(1.0, m + 1), n),
        uplift=np.tile(uplift, n),
        columns={
            "genre": SideColumn(np.tile(genre, n)),
            "is_new": SideColumn(np.tile(new, n)),
        },
        interval=(
            np.tile(np.subtract(uplift, norm.ppf(0.975) * np.array(sd)), n),
            np.tile(np.add(uplift, norm.ppf(0.975) * np.array(sd)), n),
        ),
    )


UPLIFT, GENRE, NEW, SD = (
    [0.2, 1.0, -0.3, 0.6],
    [0.0, 1.0, 0.0, 1.0],
    [0.0, 0.0, 1.0, 0.0],
    [
        0.4,
        0.5,
        1.0,
        0.2,
    ],
)


def allowed(order: list[int], policy: Any) -> list[int]:
    """Who may stand in the next slot, in plain Python, of the four items above."""
    left = [item for item in range(4) if item not in order]
    slot = len(order)
    if policy is CAPPED:  # row 0 may fall by two: it and its genre's cap are given
        if slot == 2 and 0 in left:
            return [0]
        able = [item for item in left if item <= slot + 2]
        taken = [GENRE[item] for item in order if item != 0] + [GENRE[0]]
        return [i for i in able if i == 0 or taken.count(GENRE[i]) < 1] or able
    if policy is FLOORED and slot == 1 and 2 in left:
        return [2]
    return left


def chance(item: int, able: list[int], draw: Any, priority: dict[int, float]) -> float:
    if draw is SOFT:
        weight = {i: np.exp(UPLIFT[i] / 0.7) for i in able}
        return float(weight[item] / sum(weight.values()))
    if draw is SWAPS:
        best = max(able, key=lambda i: priority[i])
        return 0.7 * (item == best) + 0.3 / len(able)
    others = [i for i in able if i != item]
    return float(
        quad(
            lambda x: (
                norm.pdf(x, UPLIFT[item], SD[item])
                * np.prod([norm.cdf(x, UPLIFT[i], SD[i]) for i in others])
            ),
            -12,
            12,
            points=[UPLIFT[i] for i in able],
            limit=200,
        )[0]
    )


def of_one_draw() -> dict[tuple[int, ...], list[float]]:
    """Chances slot by slot where the uplifts are drawn once for the list."""
    of = [chances_of_orders(UPLIFT, SD, k) for k in (1, 2, 3)]
    found = {}
    for order in of[2]:
        whole = [1.0, *(of[slot][order[: slot + 1]] for slot in range(3))]
        found[order] = [whole[slot + 1] / whole[slot] for slot in range(3)]
    return found


def enumerated(draw: Any, policy: Any) -> dict[tuple[int, ...], list[float]]:
    """Every list of three slots that has a chance, with its chances slot by slot."""
    if draw is THOMPSON and isinstance(policy, UpliftPolicy):
        return of_one_draw()
    found = {}
    for order in permutations(range(4), 3):
        chances: list[float] = []
        priority = dict(enumerate(UPLIFT))
        for slot, item in enumerate(order):
            able = allowed(list(order[:slot]), policy)
            chances.append(chance(item, able, draw, priority) if item in able else 0.0)
            best = max(able, key=lambda i: priority[i])
            priority[best], priority[item] = priority[item], priority[best]
        if np.prod(chances) > 0:
            found[order] = chances
    return found


@pytest.mark.parametrize("policy", [UpliftPolicy(), CAPPED, FLOORED], ids=["plain", "cap", "floor"])
@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.kind)
def test_lists_are_drawn_with_the_chances_they_come_with(
    draw: Any, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All lists with their probabilities, and 100,000 draws of them."""
    n = 100_000
    expected = enumerated(draw, policy)
    assert sum(np.prod(each) for each in expected.values()) == pytest.approx(1, abs=1e-7)
    with monkeypatch.context() as quick:
        if draw is THOMPSON:  # whose chances take no part in the draw, and a minute
            quick.setattr(
                draws, "chance_of_maximum", lambda mean, *_, **__: (mean[:, 0], mean[:, 0])
            )
            quick.setattr(
                draws, "LargestFirst", lambda *_, **__: SimpleNamespace(next=lambda _: 1.0)
            )
        found = drawn(copies(n, UPLIFT, GENRE, NEW, SD), draw, policy)
    orders, counts = np.unique(found.chosen % 4, axis=0, return_counts=True)
    assert {tuple(order) for order in orders.tolist()} == set(expected)
    wanted = n * np.array([np.prod(expected[tuple(order)]) for order in orders.tolist()])
    assert chisquare(counts, wanted * n / wanted.sum()).pvalue > 1e-3

    few = drawn(copies(500, UPLIFT, GENRE, NEW, SD), draw, policy)
    np.testing.assert_array_equal(few.chosen, found.chosen[:500])
    chances = [expected[tuple(order)] for order in (few.chosen % 4).tolist()]
    np.testing.assert_allclose(few.propensity, chances, atol=1e-7)
    assert (few.error <= 1e-9).all()
    assert (few.error > 0).any() == (draw is THOMPSON)


def test_plackett_luce_is_that_of_the_maths() -> None:
    rng = np.random.default_rng(0)
    n, m = 40, 30
    lists = copies(n, np.zeros(m), np.zeros(m), np.zeros(m), np.ones(m))
    lists.uplift[:] = rng.normal(size=n * m)
    found = drawn(lists, PlackettLuce(temperature=0.3), slots=10)
    expected = conditional_propensities(
        lists.uplift.reshape(n, m), found.chosen - m * np.arange(n)[:, None], temperature=0.3
    )
    np.testing.assert_allclose(found.propensity, expected, rtol=1e-12)


@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.kind)
class TestEveryDraw:
    @settings(max_examples=20, deadline=None)
    @given(rows=rows, rule=st.booleans())
    def test_a_drawn_list_is_a_permutation_with_chances(
        self, draw: Any, rows: Any, rule: bool
    ) -> None:
        lists = with_interval(lists_of(rows))
        policy = chained(Constrained(slots=3, max_moves=2, floors=(FLOOR,), caps=(CAP,)))
        found = drawn(lists, draw, policy if rule else None)
        for number, code in enumerate(np.unique(lists.request)):
            mine = np.flatnonzero(lists.request == code)
            assert sorted(found.rank[mine].tolist()) == list(range(1, mine.size + 1))
            shown = min(3, mine.size)
            told = found.chosen[number]
            assert found.rank[told[:shown]].tolist() == list(range(1, shown + 1))
            assert (told[shown:] == -1).all()
            chances = found.propensity[number]
            assert np.isnan(chances[shown:]).all()
            assert ((chances[:shown] > 0) & (chances[:shown] <= 1)).all()
            if rule:
                base = np.argsort(np.lexsort((mine, -lists.base_score[mine]))) + 1
                assert np.abs(found.rank[mine] - base).max() <= 2

    @settings(max_examples=20, deadline=None)
    @given(rows=rows, seed=st.integers(0, 99))
    def test_neither_other_requests_nor_the_order_of_rows_matters(
        self, draw: Any, rows: Any, seed: int
    ) -> None:
        lists = with_interval(lists_of(rows))
        together = drawn(lists, draw)
        mixed = np.random.default_rng(seed).permutation(len(rows))
        assert lists.interval is not None
        low, high = lists.interval
        moved = replace(
            lists,
            request=lists.request[mixed],
            base_score=lists.base_score[mixed],
            base_rank=lists.base_rank[mixed],
            uplift=lists.uplift[mixed],
            columns={},
            interval=(low[mixed], high[mixed]),
        )
        again = drawn(moved, draw)
        np.testing.assert_array_equal(again.rank, together.rank[mixed])
        for number, code in enumerate(np.unique(lists.request)):
            mine = [row for row in rows if row[0] == code]
            alone = drawn(with_interval(lists_of(mine)), draw, decisions=[number], users=[number])
            np.testing.assert_array_equal(alone.rank, together.rank[lists.request == code])
            np.testing.assert_allclose(alone.propensity[0], together.propensity[number], atol=1e-9)
            np.testing.assert_allclose(
                again.propensity[number], together.propensity[number], atol=1e-9
            )

    def test_a_decision_is_repeated_by_seed_and_id(self, draw: Any) -> None:
        lists = copies(300, UPLIFT, GENRE, NEW, SD)
        ids = [f"decision-{number}" for number in range(300)]
        one, again = (drawn(lists, draw, decisions=ids) for _ in range(2))
        np.testing.assert_array_equal(one.rank, again.rank)
        other, later = drawn(lists, draw, decisions=ids, seed=1), drawn(lists, draw)
        assert (other.rank != one.rank).any()
        assert (later.rank != one.rank).any()
        # the same decision draws the same wherever it stands
        np.testing.assert_array_equal(
            drawn(lists, draw, decisions=ids[::-1]).rank.reshape(300, 4)[::-1],
            one.rank.reshape(300, 4),
        )

    def test_holdout_users_always_get_the_base_list(self, draw: Any) -> None:
        lists = copies(1_600, UPLIFT, GENRE, NEW, SD)
        users = [f"user-{number % 400}" for number in range(1_600)]
        found = drawn(lists, draw, users=users, holdout_share=0.25)
        assert 68 < found.holdout[:400].sum() < 132  # 100 +- 3.7 standard deviations
        by_user = found.holdout.reshape(4, 400)
        assert (by_user == by_user[0]).all()
        ranks = found.rank.reshape(1_600, 4)
        assert (ranks[found.holdout] == [1, 2, 3, 4]).all()
        assert (found.propensity[found.holdout] == 1).all()
        assert (found.chosen[found.holdout] % 4 == [0, 1, 2]).all()
        assert (found.error[found.holdout] == 0).all()
        plain = drawn(lists, draw, users=users)
        assert not plain.holdout.any()
        np.testing.assert_array_equal(
            ranks[~found.holdout], plain.rank.reshape(1_600, 4)[~found.holdout]
        )
        plan = Exploration(draw=draw, slots=3, holdout_share=0.25)
        np.testing.assert_array_equal(in_holdout(users, plan), found.holdout)
        other = plan.model_copy(update={"holdout_salt": "spring"})
        assert (in_holdout(users, other) != found.holdout).any()

    def test_its_settings_survive_json(self, draw: Any) -> None:
        plan = Exploration(draw=draw, slots=3, holdout_share=0.1)
        assert Exploration(**plan.model_dump(mode="json")) == plan
        with pytest.raises(ConfigError):
            Exploration(draw=draw, slots=3, heat=1)


def test_without_any_chance_the_list_is_the_policys() -> None:
    lists = copies(50, UPLIFT, GENRE, NEW, SD)
    for policy in (UpliftPolicy(), BasePolicy(), CAPPED, FLOORED):
        found = drawn(lists, UniformSwaps(epsilon=0.0), policy)
        np.testing.assert_array_equal(found.rank, rank_lists(policy, lists).rank)
        assert (found.propensity == 1).all()


def test_a_diversified_score_is_drawn_by() -> None:
    lists = copies(1, UPLIFT, GENRE, NEW, SD)
    policy = chained(Diversified(group="genre", share=0.5))
    found = drawn(lists, SOFT, policy)
    score = rank_lists(policy, lists).score
    np.testing.assert_allclose(
        found.propensity[0], conditional_propensities(score, found.chosen[0], temperature=0.7)
    )


def test_a_broken_floor_is_told_but_not_of_holdout_lists() -> None:
    lists = copies(200, UPLIFT, GENRE, np.zeros(4), SD)
    found = drawn(lists, SOFT, FLOORED, holdout_share=0.5)
    assert found.holdout.any()
    np.testing.assert_array_equal(found.relaxed["floors"], ~found.holdout)


def test_what_cannot_be_drawn_is_refused() -> None:
    lists = copies(2, UPLIFT, GENRE, NEW, SD)
    loss = chained(Constrained(slots=3, max_base_loss=0.1))
    for policy, draw, others, message in (
        (loss, SOFT, {}, "without max_base_loss"),
        (CAPPED, SOFT, {"slots": 4}, "in the 3 slots"),
        (BlendPolicy(0.5), THOMPSON, {}, "the scorer 'uplift'"),
        (chained(Diversified(group="genre", share=0.1)), THOMPSON, {}, "no rule but"),
    ):
        with pytest.raises(ConfigError, match=message):
            drawn(lists, draw, policy, **others)
    with pytest.raises(ConfigError, match="intervals of the uplift"):
        drawn(replace(lists, interval=None), THOMPSON)
    assert lists.interval is not None
    with pytest.raises(RowError, match="interval of some width"):
        drawn(replace(lists, interval=(lists.uplift, lists.uplift)), THOMPSON)
    with pytest.raises(RowError, match="a decision and a user for each of 2 requests"):
        drawn(lists, SOFT, users=[1])
    lists.uplift[3] = np.inf
    with pytest.raises(RowError, match="finite scores"):
        drawn(lists, SOFT)
    with pytest.raises(SchemaError, match="'genre'"):
        drawn(replace(copies(2, UPLIFT, GENRE, NEW, SD), columns={}), SOFT, CAPPED)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (PlackettLuce, {"temperature": 0}),
        (PlackettLuce, {"temperature": float("inf")}),
        (PlackettLuce, {"temperature": 1, "heat": 2}),
        (UniformSwaps, {"epsilon": 1.1}),
        (Thompson, {"level": 1.0}),
        (Exploration, {"draw": {"kind": "magic"}, "slots": 3}),
        (Exploration, {"draw": {"kind": "thompson"}, "slots": 0}),
        (Exploration, {"draw": {"kind": "thompson"}, "slots": 3, "holdout_share": 1.0}),
    ],
)
def test_settings_that_cannot_be_are_refused(kind: Any, values: Any) -> None:
    with pytest.raises(ConfigError):
        kind(**values)


def test_a_floor_in_base_order_is_drawn_among_all_it_protects() -> None:
    lists = copies(400, [0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    floors = [Floor(column="is_new", share=1.0, order=order) for order in ("policy", "base")]
    one, other = (
        drawn(lists, SOFT, chained(Constrained(slots=1, floors=(each,))), slots=1)
        for each in floors
    )
    assert set((other.chosen % 3).ravel()) == {1, 2}
    np.testing.assert_array_equal(one.chosen, other.chosen)
    np.testing.assert_allclose(other.propensity, 0.5)
