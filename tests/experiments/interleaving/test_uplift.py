from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError, RowError, SchemaError
from causal_ranker.experiments.interleaving.chances import balanced_chances
from causal_ranker.experiments.interleaving.credit import team_credit
from causal_ranker.experiments.interleaving.lists import causal_balanced, team_draft
from causal_ranker.experiments.interleaving.uplift import interleaved_uplift, row_chances
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns
from causal_ranker.worlds.streaming import StreamingWorld
from tests.experiments.interleaving.oracle import every_list

SLOTS = 4


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """Requests of a world, each with its 12 candidates in a row of every column."""
    config = WorldConfig(
        users=400, items=60, candidates=12, slate_size=SLOTS, days=5, organic_rate=0.2, seed=3
    )
    return StreamingWorld(config).simulate().truth


def by_request(truth: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return truth[column].to_numpy(dtype=float).reshape(-1, 12)


def two_lists(truth: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who would be played if shown, and whom the slate brings plays."""
    effect = by_request(truth, TruthColumns.EFFECT_IF_EXAMINED)
    played = by_request(truth, TruthColumns.Y0_PROBABILITY) + effect
    first, second = (np.argsort(-score, axis=1)[:, :SLOTS] for score in (played, effect))
    return first, second


def replayed(truth: pd.DataFrame, slot: NDArray[np.int64]) -> NDArray[np.float64]:
    """Y of every candidate in the slots given; 0 is no slot."""
    examined = (slot > 0) & (slot <= by_request(truth, TruthColumns.EXAMINED_TO))
    y0, y1 = (by_request(truth, name) for name in (TruthColumns.Y0, TruthColumns.Y_EXAMINED))
    return np.where(examined, y1, y0)


def rows_of(
    truth: pd.DataFrame, lists: tuple[NDArray[np.int64], ...], shown: NDArray[np.int64]
) -> dict[str, NDArray[np.generic]]:
    """The log of interleaved lists: a row for every item of either list."""
    member = np.zeros((2, len(shown), 12), dtype=bool)
    slot = np.zeros((len(shown), 12), dtype=np.int64)
    for flags, one in zip(member, lists, strict=True):
        np.put_along_axis(flags, one, True, axis=1)
    np.put_along_axis(slot, shown, np.arange(1, SLOTS + 1)[None], axis=1)
    offered = member.any(axis=0)
    request = np.broadcast_to(np.arange(len(shown))[:, None], offered.shape)
    return {
        "request": request[offered],
        "in_first": member[0][offered],
        "in_second": member[1][offered],
        "shown": slot[offered] > 0,
        "outcome": replayed(truth, slot)[offered],
        "user": truth["user_id"].to_numpy().reshape(-1, 12)[:, 0][request[offered]],
    }


def estimate(rows: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    found = interleaved_uplift(**rows)
    return np.array([found.difference.point, found.first.point, found.second.point])


def test_exactly_unbiased_in_a_world(truth: pd.DataFrame) -> None:
    """Over all lists that may be drawn, the mean estimate is the true uplift."""
    first, second = two_lists(truth)
    shared = (first[:, :, None] == second[:, None]).any(axis=2).sum(axis=1)
    last = np.full((len(first), 12), SLOTS)
    lift = np.abs(replayed(truth, last) - replayed(truth, 0 * last))
    gain = np.take_along_axis(lift, first, 1).sum(1) + np.take_along_axis(lift, second, 1).sum(1)
    request = int(np.where(shared == 2, gain, -1).argmax())
    rows = slice(12 * request, 12 * (request + 1))
    own = truth.iloc[rows]
    # Twice, as one user alone has no interval; nothing differs between the two.
    both = pd.concat([own, own.assign(user_id=-1)])
    lists = tuple(np.tile(each[request], (2, 1)) for each in (first, second))
    mean = np.zeros(3)
    slot_chance = np.zeros((12, SLOTS))
    for shown, chance in every_list(tuple(first[request]), tuple(second[request])):
        mean += float(chance) * estimate(rows_of(both, lists, np.tile(shown, (2, 1))))
        slot_chance[list(shown), range(SLOTS)] += float(chance)
    lifted = np.stack(
        [
            replayed(own, np.full((1, 12), slot + 1))[0] - replayed(own, np.zeros((1, 12), int))[0]
            for slot in range(SLOTS)
        ],
        axis=1,
    )
    placed = np.maximum(slot_chance.sum(axis=1), 1e-300)
    effect = (slot_chance * lifted).sum(axis=1) / placed
    true = [effect[first[request]].mean(), effect[second[request]].mean()]
    assert mean == pytest.approx([true[0] - true[1], *true], abs=1e-12)
    assert np.ptp(effect) > 0  # the request is not one where nothing happens


def test_unbiased_over_requests_and_intervals_hold(truth: pd.DataFrame) -> None:
    first, second = two_lists(truth)
    rng = np.random.default_rng(5)
    slots: list[NDArray[np.int64]] = []
    points = []
    draws = 80
    for _ in range(draws):
        shown = causal_balanced(first, second, rng=rng).items
        slot = np.zeros((len(shown), 12), dtype=np.int64)
        np.put_along_axis(slot, shown, np.arange(1, SLOTS + 1)[None], axis=1)
        slots.append(slot)
        found = interleaved_uplift(**rows_of(truth, (first, second), shown)).difference
        points.append(found)
    nowhere = replayed(truth, np.zeros_like(slots[0]))
    placed = sum((slot > 0).astype(float) for slot in slots)
    lift = sum((replayed(truth, slot) - nowhere) for slot in slots) / np.maximum(placed, 1)
    true = float(
        np.mean(
            np.take_along_axis(lift, first, 1).mean(1) - np.take_along_axis(lift, second, 1).mean(1)
        )
    )
    values = np.array([each.point for each in points])
    held = sum(each.low <= true <= each.high for each in points)
    assert true < -0.01
    assert abs(values.mean() - true) < 4 * values.std() / np.sqrt(draws)
    # Outcomes and users are the same in every draw, so that the intervals are rather wide.
    assert held >= 0.9 * draws


def test_team_draft_praises_what_would_be_played_anyway(truth: pd.DataFrame) -> None:
    """Credit favours the accurate ranker, uplift the one that causes more plays."""
    first, second = two_lists(truth)
    rng = np.random.default_rng(6)
    drafted = team_draft(first, second, rng=rng)
    slot = np.zeros((len(first), 12), dtype=np.int64)
    np.put_along_axis(slot, drafted.items, np.arange(1, SLOTS + 1)[None], axis=1)
    credit = np.take_along_axis(replayed(truth, slot), drafted.items, axis=1)
    request = np.broadcast_to(np.arange(len(first))[:, None], credit.shape)
    found = team_credit(
        request.ravel(),
        from_first=drafted.from_first.ravel(),
        credit=credit.ravel(),
        user=truth["user_id"].to_numpy().reshape(-1, 12)[:, 0][request.ravel()],
    )
    balanced = causal_balanced(first, second, rng=rng).items
    uplift = interleaved_uplift(**rows_of(truth, (first, second), balanced))
    assert found.difference.low > 0
    assert found.first_wins > found.second_wins
    assert found.difference.point == pytest.approx(found.first - found.second)
    assert uplift.difference.high < 0


def test_equal_lists_differ_by_nothing() -> None:
    rows = {
        "request": [0, 0, 1, 1, 1, 2, 2, 2],
        "in_first": [1, 1, 1, 1, 0, 1, 1, 0],
        "in_second": [1, 1, 1, 0, 1, 1, 0, 1],
        "shown": [1, 1, 1, 1, 0, 1, 1, 0],
        "outcome": [1, 1, 0, 1, 1, 1, 0, 0],
        "user": [1, 1, 2, 2, 2, 3, 3, 3],
    }
    found = interleaved_uplift(**rows)
    chances = row_chances(rows["request"], in_first=rows["in_first"], in_second=rows["in_second"])
    both, single = balanced_chances(2, 1)
    assert chances.tolist() == [1, 1, both, single, single, both, single, single]
    assert (found.requests, found.differing) == (3, 2)
    # Only the second request has plays of items that are in one list alone.
    assert found.difference.point == pytest.approx((1 / single + 1 / (1 - single)) / 2 / 3)
    # The third request's play is of an item of both lists.
    assert found.first.point == pytest.approx((1 / single + 1 / both) / 2 / 2)
    assert found.second.point == pytest.approx((-1 / (1 - single) + 1 / both) / 2 / 2)
    alike = {name: values[:2] * 2 for name, values in rows.items()} | {
        "request": [0, 0, 1, 1],
        "user": [1, 1, 2, 2],
    }
    with pytest.raises(OverlapError, match="2 requests"):
        interleaved_uplift(**alike)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"in_first": [1, 1, 1, 1, 1, 0]}, RowError, "1 requests with lists of unequal"),
        ({"in_second": [0, 0, 1, 0, 0, 1], "in_first": [0, 1, 0, 1, 1, 0]}, RowError, "no list"),
        ({"shown": [1, 1, 0, 1, 0, 0]}, RowError, "1 requests with more"),
        ({"outcome": [0, 1, np.nan, 0, 0, 1]}, RowError, "outcome"),
        ({"user": [1, 1, 2, 3, 3, 3]}, RowError, "several"),
        ({"user": [1, 1, 1, 1, 1, 1]}, RowError, "2 clusters"),
        ({"outcome": [1, 0]}, SchemaError, "outcome"),
    ],
)
def test_rows_that_cannot_be(
    change: dict[str, list[float]], error: type[Exception], words: str
) -> None:
    rows: dict[str, list[float]] = {
        "request": [0, 0, 0, 1, 1, 1],
        "in_first": [1, 1, 0, 1, 1, 0],
        "in_second": [0, 1, 1, 0, 1, 1],
        "shown": [1, 1, 0, 0, 1, 1],
        "outcome": [0, 1, 0, 0, 0, 1],
        "user": [1, 1, 1, 2, 2, 2],
    }
    interleaved_uplift(**rows)
    with pytest.raises(error, match=words):
        interleaved_uplift(**{**rows, **change})
