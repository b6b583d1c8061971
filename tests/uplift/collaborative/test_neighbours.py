from __future__ import annotations

from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.uplift.collaborative import neighbours, whole_rows
from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense
from causal_ranker.uplift.collaborative.neighbours import NeighbourConfig, NeighbourModel
from tests.uplift.collaborative.contract import PairModelContract

Among = Literal["users", "items"]
Alike = Literal["outcomes", "exposures"]
Bools = NDArray[np.bool_]

KINDS: list[tuple[Among, Alike]] = [
    ("users", "outcomes"),
    ("users", "exposures"),
    ("items", "outcomes"),
    ("items", "exposures"),
]


class NeighbourContract(PairModelContract):
    seeded = False
    kind: tuple[Among, Alike]

    def fresh(self, *, seed: int = 0) -> NeighbourModel:
        return NeighbourModel(among=self.kind[0], alike=self.kind[1], seed=seed)


class TestCUBNO(NeighbourContract):
    kind = ("users", "outcomes")
    band = (0.4, 0.6)


class TestCUBNT(NeighbourContract):
    """What is shown says nothing of effects there, and who is alike in it, neither."""

    kind = ("users", "exposures")
    band = (-0.05, 0.07)


class TestCIBNO(NeighbourContract):
    kind = ("items", "outcomes")
    band = (0.3, 0.5)


class TestCIBNT(NeighbourContract):
    kind = ("items", "exposures")
    band = (-0.06, 0.05)


def draw(seed: int, *, users: int = 14, items: int = 9) -> tuple[Bools, Bools]:
    rng = np.random.default_rng(seed)
    return rng.random((users, items)) < 0.35, rng.random((users, items)) < 0.3


def by_hand(
    exposed: Bools, played: Bools, *, among: Among, alike: Alike, config: NeighbourConfig
) -> NDArray[np.float64]:
    """The formula, a pair and a neighbour at a time."""
    if among == "items":
        return by_hand(exposed.T, played.T, among="users", alike=alike, config=config).T
    likeness = (played if alike == "outcomes" else exposed).astype(float)
    n_users, n_items = exposed.shape
    effects = np.zeros((n_users, n_items))
    for u in range(n_users):
        cosine = {}
        for v in range(n_users):
            lengths = np.sqrt(likeness[u].sum() * likeness[v].sum())
            if v != u:
                cosine[v] = (likeness[u] @ likeness[v]) / lengths if lengths else 0.0
        near = sorted(cosine, key=lambda v: (-np.float32(cosine[v]), v))[: config.neighbours]
        for i in range(n_items):
            above, below = [0.0, 0.0], [config.shrinkage, config.shrinkage]
            for v in near:
                w = cosine[v] ** config.power
                above[int(exposed[v, i])] += w * played[v, i]
                below[int(exposed[v, i])] += w
            average = [a / b if b else 0.0 for a, b in zip(above, below, strict=True)]
            effects[u, i] = average[1] - average[0]
    return effects


@pytest.mark.parametrize(("among", "alike"), KINDS)
@pytest.mark.parametrize(
    "config",
    [
        NeighbourConfig(neighbours=None),
        NeighbourConfig(power=2.5, shrinkage=0.3, neighbours=4),
        NeighbourConfig(power=0.5, shrinkage=0, neighbours=1),
        NeighbourConfig(shrinkage=0, neighbours=99),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_equals_the_formula(
    among: Among,
    alike: Alike,
    config: NeighbourConfig,
    listed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With neighbours in lists and in full rows, and in blocks that do not come out even."""
    monkeypatch.setattr(neighbours, "_FEW", 2.0 if listed else 0.0)
    monkeypatch.setattr(neighbours, "_CELLS", 4 * 9)
    monkeypatch.setattr(whole_rows, "_CELLS", 3 * 14)
    exposed, played = draw(1)
    model = NeighbourModel(among=among, alike=alike, config=config)
    model.fit(from_dense(exposed, played))
    expected = by_hand(exposed, played, among=among, alike=alike, config=config)
    # who has no pair at all has a fall-back
    known = (exposed | played).any(axis=1)
    found = model.score_users(np.arange(14))
    np.testing.assert_allclose(found[known], expected[known], atol=2e-6)
    user, item = np.array(list(product(range(13, -1, -1), range(9)))).T
    np.testing.assert_allclose(model.score(user, item), found[user, item], atol=1e-6)


def test_ties_of_neighbours_go_to_the_lower_code() -> None:
    """Users 1 and 2 are equally near to user 0; only one of them counts."""
    exposed = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 1]], dtype=bool)
    played = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 0]], dtype=bool)
    config = NeighbourConfig(shrinkage=0, neighbours=1)
    model = NeighbourModel(among="users", alike="outcomes", config=config)
    found = model.fit(from_dense(exposed, played)).score_users(np.array([0]))
    np.testing.assert_allclose(found, [[-1, 0, 1]])


@pytest.mark.parametrize(("among", "alike"), KINDS)
def test_finds_who_is_moved_by_what(among: Among, alike: Alike) -> None:
    """Two crowds with tastes of their own: being shown helps with one half of the items each."""
    rng = np.random.default_rng(0)
    crowd, kind = np.arange(300) % 2, np.arange(80) % 2
    moved = crowd[:, None] == kind
    exposed = rng.random((300, 80)) < np.where(moved, 0.4, 0.2)
    chance = np.where(moved, np.where(exposed, 0.5, 0.2), 0.1)
    played = rng.random((300, 80)) < chance
    config = NeighbourConfig(power=2.0, shrinkage=0.1, neighbours=100 if among == "users" else 30)
    model = NeighbourModel(among=among, alike=alike, config=config)
    found = model.fit(from_dense(exposed, played)).score_users(np.arange(300))
    assert 0.15 < found[moved].mean() < 0.33
    assert -0.05 < found[~moved].mean() < 0.14
    assert found[moved].mean() - found[~moved].mean() > 0.1


def test_strangers_get_the_average_effect_among_users_and_none_among_items() -> None:
    exposed, played = draw(2)
    exposed[[3, 5]] = played[[3, 5]] = False
    exposed[:, 4] = played[:, 4] = False
    pairs = from_dense(exposed, played)
    for among, alike in KINDS:
        model = NeighbourModel(among=among, alike=alike).fit(pairs)
        found = model.score_users(np.array([3, 0, -1, 5]))
        assert model.unseen_ == 3 * 9 + 1
        np.testing.assert_array_equal(found[0], found[2])
        np.testing.assert_array_equal(found[0], found[3])
        if among == "users":
            shown, rest = exposed.sum(axis=0), (~exposed).sum(axis=0)
            expected = (exposed & played).sum(axis=0) / (1 + shown)
            expected = expected - (~exposed & played).sum(axis=0) / (1 + rest)
            np.testing.assert_allclose(found[0], expected, atol=1e-6)
        else:
            assert not found[0].any()
        assert not found[:, 4].any()
        scores = model.score(np.array([0, 3, 0, 2]), np.array([1, 0, -1, 4]))
        assert model.unseen_ == 3 * 9 + 1 + 3
        np.testing.assert_allclose(scores[:2], [found[1, 1], found[0, 0]], atol=1e-6)
        assert not scores[2:].any()


def test_pairs_that_teach_nothing_are_refused() -> None:
    exposed, played = draw(0)
    model = NeighbourModel(among="users", alike="outcomes")
    none = np.zeros_like(exposed)
    with pytest.raises(EmptyError, match="expected pairs that were shown; got none in"):
        model.fit(from_dense(none, played))
    with pytest.raises(EmptyError, match="expected plays; got none in"):
        model.fit(from_dense(exposed, none))
    with pytest.raises(ConfigError, match="neighbours"):
        NeighbourConfig(neighbours=0)
    with pytest.raises(ConfigError, match="power"):
        NeighbourConfig(power=0)


def test_the_callers_pairs_are_left_alone() -> None:
    pairs: Interactions = from_dense(*draw(3))
    before = [pairs.user.copy(), pairs.item.copy(), pairs.exposed.copy(), pairs.played.copy()]
    for among, alike in KINDS:
        NeighbourModel(among=among, alike=alike).fit(pairs).score_users(np.arange(14))
    after = [pairs.user, pairs.item, pairs.exposed, pairs.played]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_averages_stay_averages_where_nearly_everyone_was_shown() -> None:
    """What is left of a sum of many weights after nearly all of them is mostly rounding."""
    rng = np.random.default_rng(0)
    exposed, played = rng.random((600, 40)) < 0.995, rng.random((600, 40)) < 0.5
    config = NeighbourConfig(power=12.0, shrinkage=0, neighbours=None)
    model = NeighbourModel(among="users", alike="outcomes", config=config)
    found = model.fit(from_dense(exposed, played)).score_users(np.arange(600))
    assert np.abs(found).max() <= 1 + 1e-5


@pytest.mark.parametrize("wrong", [{"among": "user"}, {"alike": "plays"}])
def test_other_neighbours_are_refused(wrong: dict[str, Any]) -> None:
    """What is not users would be items otherwise, and what is not outcomes exposures."""
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} as one of"):
        NeighbourModel(**({"among": "users", "alike": "outcomes"} | wrong))
