from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.experiments.interleaving.chances import balanced_chances
from causal_ranker.experiments.interleaving.lists import causal_balanced, team_draft
from tests.experiments.interleaving.oracle import chance_of, every_list

DRAWS = 20_000


def pair(slots: int, shared: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(range(slots)), tuple(range(slots - shared, 2 * slots - shared))


@pytest.mark.parametrize("slots", [1, 2, 3, 4])
def test_chances_are_those_of_all_lists(slots: int) -> None:
    for shared in range(slots + 1):
        first, second = pair(slots, shared)
        both, single = balanced_chances(slots, shared)
        if shared:
            assert both == pytest.approx(float(chance_of(first[-1], first, second)), abs=1e-14)
        if shared < slots:
            for item in (first[0], second[-1]):
                assert single == pytest.approx(float(chance_of(item, first, second)), abs=1e-14)


@settings(max_examples=40)
@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_chances_fill_the_slots(case: tuple[int, int]) -> None:
    slots, shared = case
    both, single = balanced_chances(slots, shared)
    filled = (shared * both if shared else 0) + 2 * (slots - shared) * (
        single if shared < slots else 0
    )
    assert filled == pytest.approx(slots, abs=1e-12)
    assert np.isnan(both) == (shared == 0)
    assert np.isnan(single) == (shared == slots)


def test_balanced_lists_come_as_often_as_they_should() -> None:
    first, second = pair(3, 1)
    expected: Counter[tuple[int, ...]] = Counter()
    for shown, chance in every_list(first, second):
        expected[shown] += chance  # type: ignore[assignment]
    drawn = causal_balanced(
        np.tile(first, (DRAWS, 1)), np.tile(second, (DRAWS, 1)), rng=np.random.default_rng(0)
    )
    seen = Counter(map(tuple, drawn.items.tolist()))
    assert set(seen) == set(expected)
    distance = sum(
        (seen[shown] - DRAWS * float(p)) ** 2 / (DRAWS * float(p)) for shown, p in expected.items()
    )
    freedom = len(expected) - 1
    assert abs(distance - freedom) < 4 * np.sqrt(2 * freedom)


def test_no_item_is_shown_twice() -> None:
    """With replacement 10 slots would hold some 8 items."""
    rng = np.random.default_rng(1)
    first, second = (np.argsort(rng.random((500, 14)), axis=1)[:, :10] for _ in range(2))
    for draw in (causal_balanced, team_draft):
        shown = draw(first, second, rng=rng)
        assert all(len(set(row)) == 10 for row in shown.items.tolist())
        for own, other, row, mine in zip(first, second, shown.items, shown.from_first, strict=True):
            assert set(row[mine]) <= set(own)
            assert set(row[~mine]) <= set(other)


def draft(first: list[int], second: list[int], coins: list[bool]) -> tuple[list[int], list[bool]]:
    """Team draft as its authors write it: who has fewer items chooses, a coin if none has."""
    shown: list[int] = []
    teams: list[bool] = []
    tossed = iter(coins)
    while len(shown) < len(first):
        ours, theirs = sum(teams), len(teams) - sum(teams)
        turn = ours < theirs or (ours == theirs and next(tossed))
        shown.append(next(i for i in (first if turn else second) if i not in shown))
        teams.append(turn)
    return shown, teams


@given(st.permutations(range(7)), st.permutations(range(7)), st.integers(0, 2**32 - 1))
def test_team_draft_is_the_published_one(first: list[int], second: list[int], seed: int) -> None:
    first, second = first[:5], second[:5]
    found = team_draft([first], [second], rng=np.random.default_rng(seed))
    coins = found.from_first[0, ::2].tolist()
    assert (found.items[0].tolist(), found.from_first[0].tolist()) == draft(first, second, coins)


def test_both_rankers_start_equally_often() -> None:
    first, second = np.tile([0, 1], (DRAWS, 1)), np.tile([2, 3], (DRAWS, 1))
    for draw in (causal_balanced, team_draft):
        share = draw(first, second, rng=np.random.default_rng(2)).from_first[:, 0].mean()
        assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(DRAWS)


@pytest.mark.parametrize("draw", [causal_balanced, team_draft])
def test_lists_that_are_none_are_refused(draw: type) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(RowError, match="first in row 1"):
        draw([[1, 2], [3, 3]], [[1, 2], [3, 4]], rng=rng)
    with pytest.raises(SchemaError, match=r"\(1, 2\) and \(1, 3\)"):
        draw([[1, 2]], [[1, 2, 3]], rng=rng)
    with pytest.raises(SchemaError, match="'second'"):
        draw([[1, 2]], [[1.5, 2.0]], rng=rng)
    with pytest.raises(EmptyError):
        draw(np.empty((0, 3), dtype=int), np.empty((0, 3), dtype=int), rng=rng)


@pytest.mark.parametrize(("slots", "shared"), [(0, 0), (3, 4), (3, -1)])
def test_chances_of_no_lists_are_refused(slots: int, shared: int) -> None:
    with pytest.raises(ConfigError):
        balanced_chances(slots, shared)
