"""Examination of positions: known truth, slow recounts, what changes nothing, bad input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import exp, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from causal_ranker.errors import CausalRankerError, ConfigError, EmptyError, OverlapError, RowError
from causal_ranker.stats.examination import (
    Examination,
    randomised_examination,
    swap_examination,
)
from tests.stats.examination_worlds import THETA, Impressions, randomised, swaps

Counts = dict[Any, Any]


def by_chance(rows: Impressions, **how: Any) -> Examination:
    return randomised_examination(rows.played, rows.position, cluster=rows.user, **how)


def by_swaps(rows: Impressions, **how: Any) -> Examination:
    return swap_examination(rows.played, rows.position, pair=rows.pair, cluster=rows.user, **how)


def slow_variance(scores: list[dict[int, float]], *labels: list[Any]) -> dict[int, float]:
    """Variance of each entry of a sum of scores that move together within equal labels."""
    sums: dict[Any, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for score, *key in zip(scores, *labels, strict=True):
        for place, value in score.items():
            sums[tuple(key)][place] += value
    count = len(sums)
    return {
        place: sum(one.get(place, 0.0) ** 2 for one in sums.values()) * count / (count - 1)
        for place in {place for score in scores for place in score}
    }


def test_randomised_by_a_slow_recount() -> None:
    rows = randomised(3, n=600, users=40)
    found = by_chance(rows, reference=2, level=0.9)
    shown: Counts = defaultdict(int)
    plays: Counts = defaultdict(int)
    for y, k in zip(rows.played.tolist(), rows.position.tolist(), strict=True):
        shown[k] += 1
        plays[k] += int(y)
    rate = {k: plays[k] / shown[k] for k in shown}
    scores = []
    for y, k in zip(rows.played.tolist(), rows.position.tolist(), strict=True):
        own = (y - rate[k]) / (shown[k] * rate[k])
        scores.append({j: own * ((k == j) - (k == 2)) for j in shown if j != 2})
    variance = slow_variance(scores, rows.user.tolist())
    reach = student.ppf(0.95, len(set(rows.user.tolist())) - 1)
    for place, k in enumerate(found.position):
        ratio = rate[k] / rate[2]
        error = variance.get(k, 0.0) ** 0.5
        assert found.theta[place] == pytest.approx(ratio)
        assert found.standard_error[place] == pytest.approx(ratio * error, abs=1e-9)
        assert found.low[place] == pytest.approx(ratio * exp(-reach * error))
        assert found.high[place] == pytest.approx(ratio * exp(reach * error))
        assert (found.shown[place], found.plays[place]) == (shown[k], plays[k])
    assert found.reference == 2


def test_swaps_by_a_slow_recount() -> None:
    """Iterated proportions, and a sandwich whose bread is a difference quotient."""
    rows = swaps(5, pairs=120, users=25)
    seen = defaultdict(set)
    for g, k in zip(rows.pair.tolist(), rows.position.tolist(), strict=True):
        seen[g].add(k)
    data = [
        (bool(y), k, g, u)
        for y, k, g, u in zip(*(v.tolist() for v in vars(rows).values()), strict=True)
        if len(seen[g]) > 1
    ]
    shown: Counts = defaultdict(int)
    plays: Counts = defaultdict(int)
    total: Counts = defaultdict(int)
    for y, k, g, _ in data:
        shown[g, k] += 1
        plays[k] += y
        total[g] += y

    def mass(theta: dict[int, float], g: int) -> float:
        return float(sum(shown[g, k] * theta[k] for k in seen[g]))

    theta = dict.fromkeys(range(1, 6), 1.0)
    for _ in range(3_000):
        expected: Counts = defaultdict(float)
        for (g, k), n in shown.items():
            expected[k] += total[g] * n / mass(theta, g)
        theta = {k: plays[k] / expected[k] for k in theta}
        theta = {k: value / theta[1] for k, value in theta.items()}
    found = by_swaps(rows)
    assert found.theta == pytest.approx([theta[k] for k in range(1, 6)], rel=1e-6)

    def surplus(beta: dict[int, float]) -> list[float]:
        now = {k: exp(value) for k, value in beta.items()}
        score = dict.fromkeys(range(1, 6), 0.0)
        for (g, k), n in shown.items():
            score[k] -= total[g] * n * now[k] / mass(now, g)
        return [score[k] + plays[k] for k in range(2, 6)]

    beta = {k: log(value) for k, value in theta.items()}
    columns = []
    for k in range(2, 6):
        up, down = dict(beta), dict(beta)
        up[k] += 1e-5
        down[k] -= 1e-5
        columns.append((np.array(surplus(up)) - np.array(surplus(down))) / 2e-5)
    bread = np.linalg.inv(-np.array(columns).T)
    scores = []
    for y, k, g, _ in data:
        residual = y - total[g] / mass(theta, g) * theta[k]
        share = [shown[g, j] * theta[j] / mass(theta, g) for j in range(2, 6)]
        own = bread @ (residual * (np.eye(6)[k][2:] - np.array(share)))
        scores.append(dict(enumerate(own, start=2)))
    pair, user = ([row[i] for row in data] for i in (2, 3))
    one, two, both = (slow_variance(scores, *ways) for ways in ((user,), (pair,), (user, pair)))
    for k in range(2, 6):
        variance = max(one[k] + two[k] - both[k], one[k], two[k])
        assert found.standard_error[k - 1] == pytest.approx(theta[k] * variance**0.5, rel=1e-4)
    assert found.shown.sum() == len(data)


def test_two_positions_shown_equally_often_give_the_ratio_of_plays() -> None:
    """Joachims, Swaminathan and Schnabel (2017): swap k with the reference, compare the plays."""
    rng = np.random.default_rng(0)
    pair, position = np.repeat(np.arange(300), 4), np.tile([2, 2, 4, 4], 300)
    played = rng.random(1_200) < np.where(position == 2, 0.5, 0.2)
    found = swap_examination(played, position, pair=pair, cluster=pair, reference=2)
    ratio = played[position == 4].sum() / played[position == 2].sum()
    assert found.theta.tolist() == [1.0, pytest.approx(ratio)]
    # the delta method for pairs: each pair differs by its plays at 4 less ratio times those at 2
    a, b = played.reshape(300, 2, 2).sum(axis=2).T
    error = np.sqrt(((b - ratio * a) ** 2).sum() * 300 / 299) / a.sum()
    assert found.standard_error[1] == pytest.approx(error)
    # symmetric as ratios are: as far below, in times, as above
    assert found.low[1] < ratio < found.high[1]
    assert found.low[1] * found.high[1] == pytest.approx(ratio**2)


@pytest.mark.parametrize(("world", "how"), [(randomised, by_chance), (swaps, by_swaps)])
def test_known_examination_is_recovered(
    world: Callable[[int], Impressions], how: Callable[[Impressions], Examination]
) -> None:
    found = [how(world(seed)) for seed in range(40)]
    z = np.array([(np.log(one.theta) - np.log(THETA))[1:] for one in found])
    z /= np.array([(one.standard_error / one.theta)[1:] for one in found])
    assert np.abs(z.mean(axis=0)).max() < 3.5 / np.sqrt(40)
    assert (z.std(axis=0) > 0.6).all()
    assert (z.std(axis=0) < 1.5).all()
    np.testing.assert_allclose(np.mean([one.theta for one in found], axis=0), THETA, rtol=0.06)


def test_rates_of_what_was_not_randomised_are_biased() -> None:
    """Good items stand high: their plays look like examination, unless pairs are compared."""
    rows = swaps(0, pairs=20_000, users=4_000)
    naive = rows.naive()
    assert (naive[1:] < 0.75 * THETA[1:]).all()
    alone = by_chance(rows)
    assert alone.theta == pytest.approx(naive)
    assert (alone.high[1:] < THETA[1:]).all()  # and sure of it
    found = by_swaps(rows)
    assert np.abs(found.theta - THETA)[1:] == pytest.approx(0, abs=0.06)


def test_plays_that_come_anyway_are_not_examination() -> None:
    """Which is why the plays must be those that were started from the slot."""
    rows = randomised(0)
    anyway = np.random.default_rng(9).random(rows.played.size) < 0.2
    found = by_chance(Impressions(rows.played | anyway, rows.position, rows.pair, rows.user))
    assert (found.low[1:] > THETA[1:]).all()


def test_it_agrees_with_pivot_and_is_not_less_sharp() -> None:
    """Agarwal et al. (2019): plays over how often shown there, in pairs seen at 1 and at k."""

    def pivot(rows: Impressions) -> float:
        shown: Counts = defaultdict(int)
        plays: Counts = defaultdict(int)
        for y, k, g in zip(rows.played, rows.position, rows.pair, strict=True):
            shown[g, k] += 1
            plays[g, k] += int(y)
        both = [g for g, k in shown if k == 2 and (g, 1) in shown]
        top, bottom = (sum(plays[g, k] / shown[g, k] for g in both) for k in (2, 1))
        return float(top / bottom)

    worlds = [swaps(seed) for seed in range(40)]
    pivots = [pivot(rows) for rows in worlds]
    ours = [by_swaps(rows).theta[1] for rows in worlds]
    for ratios in (pivots, ours):
        assert np.mean(ratios) == pytest.approx(THETA[1], abs=3.5 * np.std(ratios) / np.sqrt(40))
    assert np.corrcoef(pivots, ours)[0, 1] > 0.5
    assert np.std(ours) < 1.05 * np.std(pivots)


ROWS = st.lists(
    st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 4), st.integers(0, 3)),
    min_size=4,
    max_size=60,
)


def outcome(how: Callable[..., Examination], rows: Impressions, **more: Any) -> Any:
    try:
        return how(rows, **more)
    except CausalRankerError as error:
        return type(error)


def same(left: Any, right: Any, *, sharper: float = 1.0) -> None:
    if not isinstance(left, Examination) or not isinstance(right, Examination):
        assert left == right
        return
    assert left.position.tolist() == right.position.tolist()
    assert left.theta == pytest.approx(right.theta, rel=1e-6)
    assert left.standard_error == pytest.approx(right.standard_error * sharper, rel=1e-4, abs=1e-7)


@settings(deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
@pytest.mark.parametrize("how", [by_chance, by_swaps])
def test_names_and_order_do_not_matter(
    how: Callable[..., Examination], rows: list[tuple[bool, int, int, int]], random: Any
) -> None:
    played, position, pair, user = (np.array(column) for column in zip(*rows, strict=True))
    before = outcome(how, Impressions(played, position, pair, user))
    order = np.random.default_rng(random.getrandbits(32)).permutation(len(rows))
    renamed = np.array([f"item {9 - g}" for g in pair[order]], dtype=object)
    after = Impressions(played[order], position[order], renamed, 7 - user[order])
    same(outcome(how, after), before)


@settings(deadline=None)
@given(ROWS)
@pytest.mark.parametrize("how", [by_chance, by_swaps])
def test_rows_twice_leave_theta_alone(
    how: Callable[..., Examination], rows: list[tuple[bool, int, int, int]]
) -> None:
    once = Impressions(*(np.array(column) for column in zip(*rows, strict=True)))
    twice = Impressions(*(np.tile(values, 2) for values in vars(once).values()))
    before, after = outcome(how, once), outcome(how, twice)
    same(after, before)  # the clusters are as many as before, so the errors stay too
    if isinstance(before, Examination):
        assert after.shown.tolist() == (2 * before.shown).tolist()
        assert after.plays.tolist() == (2 * before.plays).tolist()


@settings(deadline=None)
@given(ROWS, st.integers(1, 4))
@pytest.mark.parametrize("how", [by_chance, by_swaps])
def test_ratios_do_not_depend_on_the_reference(
    how: Callable[..., Examination], rows: list[tuple[bool, int, int, int]], reference: int
) -> None:
    world = Impressions(*(np.array(column) for column in zip(*rows, strict=True)))
    first, second = outcome(how, world), outcome(how, world, reference=reference)
    if isinstance(first, Examination) and isinstance(second, Examination):
        assert second.theta == pytest.approx(first.theta / first.at([reference])[0], rel=1e-6)
        assert second.at([reference]).tolist() == [1.0]
        assert second.standard_error[second.position == reference].tolist() == [0.0]


def test_pairs_seen_at_one_position_say_nothing() -> None:
    rows = swaps(1, pairs=200)
    more = Impressions(
        np.append(rows.played, np.ones(50, dtype=np.bool_)),
        np.append(rows.position, np.full(50, 3)),
        np.append(rows.pair, np.full(50, 10_000)),
        np.append(rows.user, rows.user[:50]),
    )
    same(by_swaps(more), by_swaps(rows))


def test_a_position_far_from_the_reference_is_reached_through_others() -> None:
    rows = swaps(0)
    together = {g for g, k in zip(rows.pair, rows.position, strict=True) if k == 1}
    assert not any(k == 5 and g in together for g, k in zip(rows.pair, rows.position, strict=True))
    assert by_swaps(rows).at([5]) == pytest.approx(0.2, abs=0.25)


GOOD = swaps(2, pairs=60)


def broken(**changes: Any) -> Impressions:
    return Impressions(**{**vars(GOOD), **changes})


@pytest.mark.parametrize("how", [by_chance, by_swaps])
@pytest.mark.parametrize(
    ("rows", "more", "error", "words"),
    [
        (broken(position=GOOD.position - 1), {}, RowError, "positions of 1 or more"),
        (broken(position=-GOOD.position), {}, RowError, "positions of 1 or more"),
        (broken(position=GOOD.position + 0.5), {}, RowError, "whole numbers in 'position'"),
        (broken(position=np.ones(len(GOOD.pair))), {}, EmptyError, "all at position 1"),
        (broken(played=GOOD.played & (GOOD.position > 1)), {}, EmptyError, r"positions \[1"),
        (broken(played=np.zeros(len(GOOD.pair))), {}, EmptyError, "plays at every position"),
        (broken(played=GOOD.played * 2), {}, RowError, "0 or 1 in 'played'"),
        (broken(user=np.zeros(len(GOOD.pair), dtype=int)), {}, RowError, "2 clusters"),
        (GOOD, {"reference": 9}, ConfigError, "reference = 9"),
        (GOOD, {"reference": 0}, ConfigError, "reference"),
        (GOOD, {"level": 1.0}, ConfigError, "level"),
    ],
)
def test_what_cannot_be_is_refused(
    how: Callable[..., Examination],
    rows: Impressions,
    more: dict[str, Any],
    error: type[CausalRankerError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        how(rows, **more)


def test_positions_without_swaps_are_named() -> None:
    # 1 and 2 are swapped, and so are 3 and 4; nothing leads from the ones to the others
    position = np.tile([1, 2, 3, 4], 30)
    pair = np.tile([0, 0, 1, 1], 30) + 2 * (np.arange(120) // 40)
    rows = Impressions(np.ones(120, dtype=np.bool_), position, pair, np.arange(120) // 3)
    with pytest.raises(OverlapError, match=r"none for positions \[3, 4\]"):
        by_swaps(rows)
    with pytest.raises(OverlapError, match=r"none for positions \[1, 2\]"):
        by_swaps(rows, reference=4)
    with pytest.raises(OverlapError, match=r"none for positions \[2, 3, 4\]"):
        by_swaps(Impressions(rows.played, position, np.arange(120), rows.user))


def test_plays_in_one_direction_only_are_not_enough() -> None:
    # pairs swapped between 1 and 2 were played at 1 alone: their ratio has no finite estimate
    position, pair = np.tile([1, 2, 2, 3], 20), np.tile([0, 0, 1, 1], 20) + 2 * (np.arange(80) // 8)
    played = np.tile([True, False, True, True], 20)
    rows = Impressions(played, position, pair, np.arange(80))
    assert by_chance(rows).theta[1] > 0
    with pytest.raises(EmptyError, match=r"positions \[2, 3\]"):
        by_swaps(rows)


def test_a_fit_that_does_not_settle_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("causal_ranker.stats._swaps._STEPS", 2)
    with pytest.raises(OverlapError, match="within 2 steps"):
        by_swaps(GOOD)


def test_an_error_of_nothing_is_zero_and_not_a_rounding_below() -> None:
    rows = Impressions(
        played=np.array([1, 1, 1, 1, 0, 1, 1, 0], dtype=np.bool_),
        position=np.array([1, 2, 2, 3, 3, 3, 1, 3]),
        pair=np.array([1, 1, 2, 0, 0, 2, 2, 1]),
        user=np.array([0, 0, 0, 0, 0, 1, 0, 0]),
    )
    assert by_swaps(rows).standard_error.min() == 0


def test_large_ratios_are_reached() -> None:
    """A full step of Newton's method goes so far from equality that nothing is left to invert."""
    pair, position = np.repeat(np.arange(40), 5_000), np.tile(np.arange(5_000) % 50 == 0, 40) + 1
    played = position == 2
    played[1] = True  # of 196,000 rows at position 1
    found = swap_examination(played, position, pair=pair, cluster=pair)
    assert found.theta[1] == pytest.approx(49 * 40 * 100, rel=0.1)


def test_one_pair_alone_has_no_variance() -> None:
    position, played = np.array([1, 1, 2, 2]), np.array([True, False, True, False])
    rows = Impressions(played, position, np.zeros(4, dtype=int), np.arange(4))
    with pytest.raises(RowError, match="'pair'"):
        by_swaps(rows)
    with pytest.raises(RowError, match=r"at least 2 clusters in 'pair'"):
        swap_examination(
            [*played, True], [*position, 1], pair=[0, 0, 0, 0, 1], cluster=np.arange(5)
        )


def test_positions_are_looked_up_and_never_extrapolated() -> None:
    found = by_chance(randomised(0))
    assert found.at([5, 1, 5]).tolist() == [found.theta[4], 1.0, found.theta[4]]
    with pytest.raises(OverlapError, match="6"):
        found.at([1, 6])
    with pytest.raises(RowError, match="1 or more"):
        found.at([0])
