from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import closed_loop
from benchmarks._loop_bandits import Bandit, LinThompson, LinUCB
from benchmarks._loop_world import DAY, Audience, LoopWorld, Requests, Served, top
from benchmarks.closed_loop import ARMS, Job
from causal_ranker.worlds.config import WorldConfig

IntArray = NDArray[np.int64]


def small_world(**changed: float) -> LoopWorld:
    settings = {
        "users": 250,
        "items": 60,
        "days": 5,
        "candidates": 12,
        "slate_size": 4,
        "cannibalisation": 0.3,
        "discovery_rate": 0.25,
        "seed": 3,
    }
    return LoopWorld(WorldConfig(**(settings | changed)))  # type: ignore[arg-type]


def random_slates(requests: Requests, seed: int) -> IntArray:
    rng = np.random.default_rng((seed, requests.day))
    return top(rng.random(requests.item.shape), 4)


def titles(world: LoopWorld, requests: Requests, served: Served) -> IntArray:
    """Count the titles that each request's user plays within the horizon, by brute force."""
    plays = served.plays
    of_user = np.full(world.config.users, -1)
    of_user[requests.visits.user] = np.arange(len(requests))
    request = of_user[plays.user]
    after = plays.played_at - requests.visits.t0[request]
    inside = (after >= 0) & (after < DAY)
    found = np.unique(np.stack([request, plays.item])[:, inside], axis=1)
    return np.bincount(found[0], minlength=len(requests))


def test_what_slates_are_expected_to_bring_is_what_users_play() -> None:
    world = small_world(users=4_000, background_plays=0.0, discovery_rate=0.4)
    audience = Audience(world)
    surplus: list[NDArray[np.float64]] = []
    more: list[NDArray[np.float64]] = []
    own: list[NDArray[np.int64]] = []
    gains: list[NDArray[np.float64]] = []
    for day in range(world.config.days):
        requests = audience.requests(day)
        served = audience.serve(requests, random_slates(requests, 0))
        # nothing shown, on the same draws
        nothing = world.serve(requests, np.empty((len(requests), 0), dtype=np.int64))
        assert (nothing.gain == 0).all()
        np.testing.assert_allclose(nothing.total, served.total - served.gain)
        counted, without = (titles(world, requests, each) for each in (served, nothing))
        surplus.append(counted - served.total)
        more.append(counted - without - served.gain)
        own.append(served.played.sum(axis=1) - nothing.played.sum(axis=1))
        gains.append(served.gain)
    gain = np.concatenate(gains).mean()
    for each in (surplus, more):
        off = np.concatenate(each)
        error = off.std() / np.sqrt(off.size)
        assert abs(off.mean()) < 4 * error
        assert 4 * error < (0.06 if each is more else 0.2) * gain
    # of the items themselves a slate brings more than of the total, as it takes from others
    assert np.concatenate(own).mean() > 1.2 * gain


def test_events_are_the_outcomes() -> None:
    world = small_world(negative_share=0.5, negative_strength=0.9)
    requests = Audience(world).requests(0)
    served = world.serve(requests, random_slates(requests, 1))
    plays = served.plays
    for row in range(len(requests)):
        at = plays.played_at - requests.visits.t0[row]
        mine = (plays.user == requests.visits.user[row]) & (at >= 0) & (at < DAY)
        found = np.isin(requests.item[row], plays.item[mine])
        np.testing.assert_array_equal(found, served.played[row])
    assert (served.clicked <= served.played).all()
    assert served.clicked.any()


def test_arms_share_everything_that_no_slate_has_a_part_in() -> None:
    world = small_world()
    one, other = Audience(world), Audience(world)
    for day in range(3):
        asked = one.requests(day), other.requests(day)
        for name in ("user", "t0", "device", "session_so_far"):
            first, second = (getattr(each.visits, name) for each in asked)
            np.testing.assert_array_equal(first, second)
            assert np.unique(asked[0].visits.user).size == len(asked[0])
        np.testing.assert_array_equal(asked[0].item, asked[1].item)
        same = asked[0].base_score == asked[1].base_score
        assert same.mean() > 0.9
        assert same.all() == (day == 0)
        slates = [random_slates(each, seed) for seed, each in enumerate(asked)]
        served = [
            each.serve(*what)
            for each, what in zip((one, other), zip(asked, slates, strict=True), strict=True)
        ]
        placed = np.zeros(same.shape, dtype=bool)
        for slate in slates:
            np.put_along_axis(placed, slate, True, axis=1)
        alike = same & ~placed
        np.testing.assert_array_equal(served[0].played[alike], served[1].played[alike])
        assert (served[0].played != served[1].played)[placed].any()


def test_nothing_beats_who_knows_the_effects() -> None:
    world = small_world()
    requests = Audience(world).requests(0)
    best = world.serve(requests, world.best(requests)).gain
    for seed in range(5):
        assert (world.serve(requests, random_slates(requests, seed)).gain <= best + 1e-12).all()
    assert best.mean() > 1.1 * world.serve(requests, top(requests.base_score, 4)).gain.mean() > 0


@pytest.mark.parametrize("kind", [LinUCB, LinThompson])
def test_a_bandit_knows_what_has_ended_and_nothing_later(kind: type[Bandit]) -> None:
    world = small_world()
    audience, bandit = Audience(world), kind(world, reward="played")
    rows: list[NDArray[np.float64]] = []
    rewards: list[NDArray[np.float64]] = []
    for day in range(4):
        requests = audience.requests(day)
        slate = bandit.choose(requests)
        features = bandit.features.of(requests)
        assert all(np.unique(row).size == 4 for row in slate)
        learned = max(day - 1, 0)  # days that ended a whole day before this one began
        gram, moment = np.eye(features.shape[2]), np.zeros(features.shape[2])
        for X, reward in zip(rows[:learned], rewards[:learned], strict=True):
            for x, y in zip(X, reward, strict=True):
                gram += np.outer(x, x)
                moment += y * x
        np.testing.assert_allclose(bandit.gram, gram, atol=1e-8)
        np.testing.assert_allclose(bandit.moment, moment, atol=1e-8)
        served = audience.serve(requests, slate)
        bandit.told(requests, slate, served=served)
        picked = [(row, place) for row in range(len(requests)) for place in slate[row]]
        rows.append(np.array([features[each] for each in picked]))
        rewards.append(np.array([float(served.played[each]) for each in picked]))


def test_features_count_what_was_played_before_the_day() -> None:
    world = small_world()
    audience, bandit = Audience(world), LinUCB(world, reward="played")
    events: list[tuple[int, int, int]] = []
    for day in range(4):
        requests = audience.requests(day)
        counted = np.expm1(bandit.features.of(requests)[:, :, 4])
        today = world.start + day * DAY
        before = Counter((user, item) for at, user, item in events if at < today)
        slow = [
            [before[user, item] for item in listed]
            for user, listed in zip(
                requests.visits.user.tolist(), requests.item.tolist(), strict=True
            )
        ]
        np.testing.assert_allclose(counted, slow, atol=1e-9)
        slate = random_slates(requests, 0)
        served = audience.serve(requests, slate)
        bandit.told(requests, slate, served=served)
        plays = served.plays
        columns = (plays.played_at.tolist(), plays.user.tolist(), plays.item.tolist())
        events += zip(*columns, strict=True)
    assert len(events) > 300


def test_optimism_and_draws_are_those_of_the_posterior() -> None:
    world = small_world()
    audience = Audience(world)
    ucb, thompson = LinUCB(world, reward="played"), LinThompson(world, reward="played")
    for day in range(3):
        requests = audience.requests(day)
        slate = random_slates(requests, 0)
        served = audience.serve(requests, slate)
        for bandit in (ucb, thompson):
            bandit.told(requests, slate, served=served)
    requests = audience.requests(3)
    X = ucb.features.of(requests)
    scores = ucb.score(requests)
    inverse = np.linalg.inv(ucb.gram)
    mean = inverse @ ucb.moment
    noise = ucb.noise
    rewards = 4 * sum(len(audience.requests(day)) for day in range(2))
    assert 0 < noise < 0.25
    assert rewards > 500
    for row in (0, 5):
        for place in range(12):
            x = X[row, place]
            width = (1 + np.sqrt(np.log(20) / 2)) * np.sqrt(noise * (x @ inverse @ x))
            assert scores[row, place] == pytest.approx(x @ mean + width, rel=1e-6)
    # the same request many times over: the draws' mean and variance
    many = np.zeros(4_000, dtype=np.int64)
    again = dataclasses.replace(
        requests,
        item=requests.item[many],
        base_score=requests.base_score[many],
        visits=dataclasses.replace(
            requests.visits,
            **{
                name: getattr(requests.visits, name)[many]
                for name in ("user", "t0", "device", "session_so_far")
            },
        ),
    )
    drawn = thompson.score(again)
    spread = np.sqrt(noise * np.einsum("cp,pq,cq->c", X[0], inverse, X[0]))
    error = spread / np.sqrt(len(many))
    assert (np.abs(drawn.mean(axis=0) - X[0] @ mean) < 4.5 * error).all()
    np.testing.assert_allclose(drawn.std(axis=0) / spread, 1, atol=0.06)


@pytest.mark.slow
def test_a_small_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_loop, "_QUICK", (Job(1, users=250, days=4, rounds=1),))
    result = closed_loop.run(quick=True)
    assert all(len(row) == len(result.columns) for row in result.rows)
    lines = result.figures["rounds"]
    assert isinstance(lines, list)
    assert [line["arm"] for line in lines] == list(ARMS)
    over = {line["arm"]: line["plays_over_base"] for line in lines}
    assert over["base ranker"] == 0
    assert over["true effects"] == max(over.values()) > 0.05
    assert lines[0]["changed"] == 0
    assert lines[1]["changed"] > 0.5
