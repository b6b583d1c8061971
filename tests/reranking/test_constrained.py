"""Constrained lists, beside a slow greedy and every permutation of short lists."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.reranking.chained import RankedLists, rank_lists
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.limits import Cap, Floor
from causal_ranker.reranking.policies import BasePolicy
from tests.reranking.lists import chained, flags, groups, lists_of, score

fifty = settings(max_examples=50, deadline=None)

#: One request in base order, of falling base scores: (uplift, group, flag) by row.
one = st.lists(st.tuples(score, groups, flags), min_size=1, max_size=6)
floors = st.lists(st.sampled_from([0.2, 0.5, 0.75, 1.0]), max_size=1)
caps = st.lists(st.integers(1, 2), max_size=1)


def request_of(items: list[Any], base: list[float] | None = None) -> list[Any]:
    base = base or [float(-place) for place in range(len(items))]
    return [(0, b, u, group, flag) for b, (u, group, flag) in zip(base, items, strict=True)]


def constrained(slots: int, shares: list[float], limits: list[int], **settings: Any) -> Constrained:
    return Constrained(
        slots=slots,
        floors=tuple(Floor(column="is_new", share=share) for share in shares),
        caps=tuple(Cap(column="genre", at_most=limit) for limit in limits),
        **settings,
    )


def order_of(found: RankedLists) -> list[int]:
    return np.argsort(found.rank).tolist()


def arranged(rule: Constrained, items: list[Any]) -> tuple[list[int], dict[str, bool]]:
    found = rank_lists(chained(rule), lists_of(request_of(items)))
    return order_of(found), {name: bool(broken[0]) for name, broken in found.relaxed.items()}


def breaks_floor(order: Any, items: list[Any], share: float, slots: int) -> bool:
    for end in range(1, min(slots, len(items)) + 1):
        new = sum(items[place][2] > 0 for place in order[:end])
        if new < int(Fraction(str(share)) * end):
            return True
    return False


def breaks_cap(order: Any, items: list[Any], limit: int, slots: int) -> bool:
    genres = [items[place][1] for place in order[:slots] if not np.isnan(items[place][1])]
    return any(genres.count(genre) > limit for genre in genres)


def moves(order: Any) -> int:
    return max(abs(place - rank) for rank, place in enumerate(order))


def wishes(order: Any, items: list[Any], slots: int) -> list[tuple[float, int]]:
    """What the order is worth slot by slot: uplift, and base rank where that is equal."""
    return [(items[place][0], -place) for place in order[:slots]]


@fifty
@given(items=one, bound=st.integers(0, 5), slots=st.integers(1, 7))
def test_bounded_moves_give_the_best_list_slot_by_slot(items: Any, bound: int, slots: int) -> None:
    """Of all permutations that keep the bound, none has a better item in its first other slot."""
    order, _ = arranged(Constrained(slots=slots, max_moves=bound), items)
    assert moves(order) <= bound  # to the end of the list, also behind the slots
    allowed = [each for each in permutations(range(len(items))) if moves(each) <= bound]
    best = max(wishes(each, items, slots) for each in allowed)
    assert wishes(order, items, slots) == best


@fifty
@given(items=one, share=floors, limit=caps, slots=st.integers(1, 7))
def test_floors_or_caps_alone_are_broken_only_where_every_list_breaks_them(
    items: Any, share: Any, limit: Any, slots: int
) -> None:
    for shares, limits in ((share, []), ([], limit)):
        if not (shares or limits):
            continue
        order, relaxed = arranged(constrained(slots, shares, limits), items)

        def broken(each: Any, shares: Any = shares, limits: Any = limits) -> bool:
            return any(breaks_floor(each, items, s, slots) for s in shares) or any(
                breaks_cap(each, items, c, slots) for c in limits
            )

        assert broken(order) == any(relaxed.values())
        kept = [each for each in permutations(range(len(items))) if not broken(each)]
        assert any(relaxed.values()) == (not kept)
        if kept:
            assert wishes(order, items, slots) == max(wishes(o, items, slots) for o in kept)


@fifty
@given(items=one, bound=st.integers(0, 4), limit=st.integers(1, 2), slots=st.integers(1, 6))
def test_with_bounded_moves_a_cap_is_broken_only_where_every_list_breaks_it(
    items: Any, bound: int, limit: int, slots: int
) -> None:
    _, relaxed = arranged(constrained(slots, [], [limit], max_moves=bound), items)
    allowed = [each for each in permutations(range(len(items))) if moves(each) <= bound]
    assert relaxed["caps"] == all(breaks_cap(each, items, limit, slots) for each in allowed)


@fifty
@given(
    items=one,
    share=floors,
    limit=caps,
    bound=st.none() | st.integers(0, 4),
    loss=st.none() | st.sampled_from([0.0, 0.1, 0.3, 0.6]),
    slots=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_moves_and_base_loss_are_never_broken_and_what_gave_way_is_told(
    items: Any, share: Any, limit: Any, bound: Any, loss: Any, slots: int, seed: int
) -> None:
    if bound is None and loss is None and not share and not limit:
        return
    rule = constrained(slots, share, limit, max_moves=bound, max_base_loss=loss)
    base = np.sort(np.random.default_rng(seed).integers(0, 9, len(items)) / 4.0)[::-1].tolist()
    found = rank_lists(chained(rule), lists_of(request_of(items, base)))
    order = order_of(found)
    assert bound is None or moves(order) <= bound
    if loss is not None:
        shown = min(slots, len(items))
        best, worst = sum(base[:shown]), sum(base[len(items) - shown :])
        got = sum(base[place] for place in order[:shown])
        assert best - got <= loss * (best - worst) + 1e-12
    relaxed = found.relaxed
    assert set(relaxed) == {name for name, has in (("floors", share), ("caps", limit)) if has}
    for each in share:
        assert relaxed["floors"][0] == breaks_floor(order, items, each, slots)
    for each in limit:
        assert relaxed["caps"][0] == breaks_cap(order, items, each, slots)


def slow_greedy(items: list[Any], rule: Constrained) -> list[int]:
    """One slot after the other, in plain Python; of the rules the bound on moves and the caps."""
    slots, bound = min(rule.slots, len(items)), rule.max_moves
    limit = rule.caps[0].at_most
    sure = set() if bound is None else set(range(max(0, rule.slots - bound)))
    order: list[int] = []
    for slot in range(slots):
        left = [place for place in range(len(items)) if place not in order]
        able = [p for p in left if bound is None or p <= slot + bound]

        def free(place: int) -> bool:
            genre = items[place][1]
            there = {*order, *(p for p in sure if p < len(items))}
            same = sum(items[other][1] == genre for other in there)
            return place in sure or np.isnan(genre) or same < limit

        due = [p for p in able if bound is not None and p + bound == slot]
        choose = due or [p for p in able if free(p)] or able
        order.append(max(choose, key=lambda place: (items[place][0], -place)))
    return order


@fifty
@given(
    items=st.lists(st.tuples(score, groups, flags), min_size=1, max_size=12),
    bound=st.none() | st.integers(0, 4),
    limit=st.integers(1, 3),
    slots=st.integers(1, 9),
)
def test_caps_by_the_slow_greedy(items: Any, bound: Any, limit: int, slots: int) -> None:
    rule = constrained(slots, [], [limit], max_moves=bound)
    assert arranged(rule, items)[0][:slots] == slow_greedy(items, rule)


def test_a_floor_is_met_before_items_with_a_deadline_take_its_slots() -> None:
    # rows 0 and 1 may fall by two, so slots 3 and 4 are theirs: the new item, wanted by slot 4,
    # has to come in slot 2 although its uplift is the lowest
    items = [(0.0, np.nan, 0.0), (0.1, np.nan, 0.0), (9.0, np.nan, 0.0), (-9.0, np.nan, 1.0)]
    rule = constrained(4, [0.25], [], max_moves=2)
    assert arranged(rule, items) == ([2, 3, 0, 1], {"floors": False})


@pytest.mark.parametrize("budget", [0.02, 0.05, 0.11, 0.2, 0.33])
def test_the_weight_on_the_base_score_is_the_smallest(budget: float) -> None:
    """Beside a scan of fine weights: the list is the first that loses no more than it may."""
    rng = np.random.default_rng(4)
    n, slots = 200, 8
    base, uplift = np.sort(rng.normal(size=n))[::-1], rng.normal(size=n)
    rows = [(0, b, u, np.nan, np.nan) for b, u in zip(base, uplift, strict=True)]
    rule = Constrained(slots=slots, max_base_loss=budget)
    order = order_of(rank_lists(chained(rule), lists_of(rows)))
    full = base[:slots].sum() - base[-slots:].sum()

    def lost(places: Any) -> float:
        return float((base[:slots].sum() - base[places].sum()) / full)

    assert lost(order[:slots]) <= budget
    # from 0 to 1 over the items that some weight brings into the slots: fewer than 8 beat them
    beaten = [int(((base >= b) & (uplift >= u)).sum()) - 1 for _, b, u, *_ in rows]
    able = np.flatnonzero(np.array(beaten) < slots)
    some = next(
        mixed
        for weight in np.linspace(0, 1, 40_001)
        if lost(mixed := first_mixed(base, uplift, weight, slots, able)) <= budget
    )
    assert order[:slots] == some.tolist()
    # a cap that binds nobody leaves no item out beforehand, and changes nothing
    idle = Constrained(slots=slots, max_base_loss=budget, caps=(Cap(column="genre", at_most=1),))
    again = order_of(rank_lists(chained(idle), lists_of(rows)))
    assert again[:slots] == order[:slots]


def first_mixed(base: Any, uplift: Any, weight: float, slots: int, able: Any) -> Any:
    wish, safe = ((x[able] - x[able].min()) / np.ptp(x[able]) for x in (uplift, base))
    return able[np.argsort(-((1 - weight) * wish + weight * safe), kind="stable")[:slots]]


@pytest.mark.parametrize("lists", [1, 40])
def test_few_lists_are_weighed_as_many_are(lists: int) -> None:
    rng = np.random.default_rng(5)
    rows = [
        (request, float(b), float(u), float(g), float(new))
        for request in range(lists)
        for b, u, g, new in zip(
            *np.random.default_rng(11).normal(size=(2, 30)),
            rng.permutation(np.arange(30) % 3),
            rng.permutation(np.arange(30) % 2),
            strict=True,
        )
    ]
    first = [row for row in rows if row[0] == 0]
    rule = constrained(8, [0.4], [3], max_base_loss=0.1)
    many, alone = (rank_lists(chained(rule), lists_of(each)).rank for each in (rows, first))
    np.testing.assert_array_equal(many[:30], alone)


def test_rules_give_way_in_the_stated_order() -> None:
    # the base list: three new items of one genre at its end
    old, new = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    items = [old, old, old, new, new, new]
    # floors go before caps ...
    order, relaxed = arranged(constrained(3, [1.0], [1]), items)
    assert order[:3] == [3, 4, 5]
    assert relaxed == {"floors": False, "caps": True}
    # ... and a loss of nothing at all before both
    order, relaxed = arranged(constrained(3, [1.0], [1], max_base_loss=0.0), items)
    assert order == [0, 1, 2, 3, 4, 5]
    assert relaxed == {"floors": True, "caps": True}
    # a bound on moves keeps old items where the floor wants new ones
    order, relaxed = arranged(constrained(3, [1.0], [], max_moves=1), items)
    assert moves(order) <= 1
    assert relaxed == {"floors": True}


def test_of_the_items_that_a_floor_needs_those_below_their_cap_come_first() -> None:
    a, b = 0.0, 1.0
    items = [(9.0, a, 0.0), (5.0, a, 1.0), (1.0, b, 1.0), (0.0, b, 0.0)]
    order, relaxed = arranged(constrained(2, [0.5], [1]), items)
    assert order[:2] == [0, 2]
    assert relaxed == {"floors": False, "caps": False}


def test_items_that_must_come_anyway_fill_their_cap_from_the_start() -> None:
    # row 0 may fall to slot 3 at most, and is of the genre of row 2: the cap of one is its own
    a, b = 0.0, 1.0
    items = [(0.0, a, 0.0), (1.0, b, 0.0), (9.0, a, 0.0), (2.0, np.nan, 0.0)]
    order, relaxed = arranged(constrained(3, [], [1], max_moves=2), items)
    assert order == [1, 3, 0, 2]
    assert relaxed == {"caps": False}


@fifty
@given(
    items=st.lists(st.tuples(score, groups, flags), min_size=1, max_size=12),
    share=st.sampled_from([0.2, 0.5, 0.75, 1.0]),
    limit=caps,
    slots=st.integers(1, 9),
)
def test_a_floor_may_take_protected_items_in_base_order(
    items: Any, share: float, limit: Any, slots: int
) -> None:
    """By a slow greedy; where the floor asks for nothing, the order that came in decides."""
    floor = Floor(column="is_new", share=share, order="base")
    caps = tuple(Cap(column="genre", at_most=most) for most in limit)
    rule = Constrained(slots=slots, floors=(floor,), caps=caps)
    order: list[int] = []
    for slot in range(min(slots, len(items))):
        left = [place for place in range(len(items)) if place not in order]
        genres = [items[place][1] for place in order if not np.isnan(items[place][1])]
        free = [p for p in left if not limit or genres.count(items[p][1]) < limit[0]] or left
        held = sum(items[place][2] > 0 for place in order)
        new = [p for p in left if items[p][2] > 0]
        if new and held < int(Fraction(str(share)) * (slot + 1)):
            order.append(min([p for p in new if p in free] or new))
        else:
            order.append(max(free, key=lambda place: (items[place][0], -place)))
    assert arranged(rule, items)[0][:slots] == order


def test_shares_are_exact_decimals() -> None:
    items = [(float(-p), np.nan, float(p >= 9)) for p in range(12)]
    order, relaxed = arranged(constrained(10, [0.3], []), items)
    assert [place + 1 for place, row in enumerate(order) if row >= 9] == [4, 7, 10]
    assert relaxed == {"floors": False}


def test_the_base_order_is_that_of_the_scores_whatever_the_ranks_say() -> None:
    rows = [(0, 1.0, 0.0, 0.0, 0.0), (0, 2.0, 0.0, 0.0, 0.0), (0, 3.0, 5.0, 0.0, 0.0)]
    policy = chained(Constrained(slots=3, max_moves=0))
    for ranks in ([1, 2, 3], [3, 2, 1], [2, 2, 2], [1.5, 2, 3], [-1, 0, 1], [7, 900, 4]):
        lists = lists_of(rows)
        lists.base_rank[:] = ranks
        assert rank_lists(policy, lists).rank.tolist() == [3, 2, 1]


def test_too_few_protected_items_are_told() -> None:
    items = [(float(-p), np.nan, float(p == 5)) for p in range(6)]
    order, relaxed = arranged(constrained(4, [0.5], []), items)
    assert order == [0, 5, 1, 2, 3, 4]
    assert relaxed == {"floors": True}


def test_behind_the_slots_the_order_that_came_in_goes_on() -> None:
    items = [(u, np.nan, 0.0) for u in (0.0, 3.0, 1.0, 2.0, 5.0)]
    assert arranged(constrained(2, [], [1]), items)[0] == [4, 1, 3, 2, 0]
    # with a bound on moves the base order does, which keeps the bound
    assert arranged(Constrained(slots=2, max_moves=2), items)[0] == [1, 3, 0, 2, 4]


def test_a_floor_may_name_a_level() -> None:
    rows = [(0, 3.0, 3.0, 0.0, 0.0), (0, 2.0, 2.0, 1.0, 0.0), (0, 1.0, 1.0, 2.0, 0.0)]
    news = Floor(column="genre", level="news", share=1.0)
    found = rank_lists(chained(Constrained(slots=1, floors=(news,))), lists_of(rows))
    assert found.rank.tolist() == [2, 3, 1]
    for floor, message in (
        (Floor(column="genre", level="opera", share=1.0), "a level of 'genre'; got 'opera'"),
        (Floor(column="genre", share=1.0), "the level of 'genre'"),
        (Floor(column="is_new", level="yes", share=1.0), "no levels"),
    ):
        with pytest.raises(ConfigError, match=message):
            rank_lists(chained(Constrained(slots=1, floors=(floor,))), lists_of(rows))


@pytest.mark.parametrize(
    "settings",
    [
        {"slots": 3},
        {"slots": 0, "max_moves": 1},
        {"slots": 3, "max_moves": -1},
        {"slots": 3, "max_base_loss": 1.1},
        {"slots": 3, "max_base_loss": float("nan")},
        {"slots": 3, "max_moves": 1, "colour": "blue"},
        {"slots": 3, "floors": [{"column": "is_new", "share": 0}]},
        {"slots": 3, "caps": [{"column": "genre", "at_most": 0}]},
        {"slots": 3, "caps": [{"column": "genre", "at_most": 1, "level": "news"}]},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Any) -> None:
    with pytest.raises(ConfigError):
        Constrained(**settings)


def test_what_cannot_be_arranged_is_refused() -> None:
    items = request_of([(1.0, 0.0, 0.0), (2.0, 0.0, 0.0)])
    with pytest.raises(SchemaError, match="the column 'price', which the policy reads"):
        rank_lists(
            chained(Constrained(slots=1, caps=(Cap(column="price", at_most=1),))), lists_of(items)
        )
    rule = Constrained(slots=1, max_moves=1)
    lists = lists_of(items)
    lists.base_score[0] = np.nan
    with pytest.raises(RowError, match="finite base scores; got 1 of 2"):
        rank_lists(chained(rule), lists)
    broken = [(0, 1.0, float("inf"), 0.0, 0.0), items[1]]
    with pytest.raises(RowError, match="finite scores"):
        rank_lists(chained(rule), lists_of(broken))


def test_without_a_wish_of_its_own_the_base_list_stays() -> None:
    rows = request_of([(float(p), 0.0, 0.0) for p in range(8)])
    found = rank_lists(
        chained(Constrained(slots=4, max_moves=3), scorer=BasePolicy()), lists_of(rows)
    )
    assert found.rank.tolist() == list(range(1, 9))
