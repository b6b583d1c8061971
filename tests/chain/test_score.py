"""From candidate lists to evaluation rows, with models that say what they are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.chain.base import LoggedBase
from causal_ranker.chain.rankings import by_chance, by_policy, by_popularity
from causal_ranker.chain.score import ListScorer, ScoredLists
from causal_ranker.chain.sides import SidePlace, side_places
from causal_ranker.errors import ConfigError, OverlapError, SchemaError
from causal_ranker.features.asof import Levels
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.reranking.chained import ChainedPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.diversified import Diversified
from causal_ranker.reranking.limits import Cap, Floor
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, UpliftPolicy
from causal_ranker.uplift.base import Effect
from causal_ranker.uplift.nuisance import NuisanceConfig, NuisanceValues
from causal_ranker.uplift.total_outcome import TotalOutcome
from tests.chain.blocks import block, requests

RANKINGS = {"base": by_policy(BasePolicy()), "uplift": by_policy(UpliftPolicy())}


class Learner:
    """The first feature is the uplift."""

    def predict(self, features: NDArray[np.float32]) -> Effect:
        return Effect(features[:, 0].astype(np.float64))


class Judge:
    """Plays come half of the time without showing, and the second feature says how often with."""

    def __init__(self) -> None:
        self.judged = 0

    def propensity(self, features: Any, user: Any, *, logged: Any) -> Any:
        return logged

    def predict(self, features: Any, user: Any, *, propensity: Any) -> NuisanceValues:
        self.judged += len(user)
        return NuisanceValues(propensity, features[:, 1].astype(float), np.full(len(user), 0.5))


def scorer(judge: Any = None) -> ListScorer:
    return ListScorer(
        base=LoggedBase(),
        learner=Learner(),
        nuisances=judge or Judge(),
        lowest_propensity=0.1,
        total=TotalOutcome(config=NuisanceConfig(), seed=0),  # unfitted: asked for nothing
    )


def lists(n: int = 6, per_request: int = 5, seed: int = 0, **columns: Any) -> FeatureBlock:
    rng = np.random.default_rng(seed)
    rows = n * per_request
    features = rng.random((rows, 4)).astype(np.float32)
    features[:, 3] = np.concatenate(
        [np.argsort(np.argsort(-part)) + 1 for part in features[:, 2].reshape(n, -1)]
    )
    return requests(
        n,
        per_request,
        **{
            "features": features,
            "propensity": rng.uniform(0.02, 0.98, rows),
            "treatment": rng.integers(0, 2, rows),
            "outcome": rng.integers(0, 2, rows),
        }
        | columns,
    )


def score(
    *blocks: FeatureBlock, k: int = 2, rate: float = 1.0, judge: Any = None, **rankings: Any
) -> ScoredLists:
    return scorer(judge).score(
        blocks, rankings=rankings or RANKINGS, k=k, curve_rate=rate, rng=np.random.default_rng(1)
    )


def test_ranks_propensities_and_scores_by_hand() -> None:
    rows = lists()
    found = score(rows).rows
    inside = (rows.propensity >= 0.1) & (rows.propensity <= 0.9)
    assert 0 < inside.sum() < len(rows)
    for name, values in (("base", rows.base_score), ("uplift", rows.features[:, 0])):
        for request in range(6):
            here = rows.request() == request
            order = np.argsort(-values[here & inside], kind="stable")
            ranks = np.empty(len(order))
            ranks[order] = np.minimum(np.arange(1, len(order) + 1), 3)  # k + 1 behind the list
            np.testing.assert_array_equal(found.rank[name][here & inside], ranks)
    assert (found.rank["base"][~inside] == 0).all()
    mu1, e = rows.features[:, 1].astype(float), rows.propensity
    t, y = rows.treatment, rows.outcome
    gamma = mu1 - 0.5 + np.where(t == 1, (y - mu1) / e, -(y - 0.5) / (1 - e))
    np.testing.assert_allclose(found.gamma[inside], gamma[inside])
    assert np.isnan(found.gamma[~inside]).all()
    np.testing.assert_array_equal(found.uplift, rows.features[:, 0].astype(float))
    np.testing.assert_array_equal(found.outcome, y)


def test_equal_uplifts_keep_the_base_order_as_they_do_where_they_are_served() -> None:
    rows = lists(propensity=np.full(30, 0.5))
    rows.features[:, 0] = 0.25
    found = score(rows).rows
    np.testing.assert_array_equal(found.rank["uplift"], np.minimum(rows.base_rank, 3))


def test_without_a_curve_sample_only_shown_rows_are_judged() -> None:
    rows, judge = lists(n=200, propensity=np.full(1_000, 0.5)), Judge()
    found = score(rows, k=1, rate=0.05, judge=judge)
    top = (found.rows.rank["base"] == 1) | (found.rows.rank["uplift"] == 1)
    sampled = found.rows.sample_weight > 0
    assert (top | sampled).all()
    assert judge.judged == len(found.rows.user) < 500
    assert (found.rows.rank["base"] == 1).sum() == found.rows.requests == 200
    assert set(found.rows.sample_weight) == {0.0, 20.0}
    assert found.rows.sample_weight.sum() == pytest.approx(1_000, rel=0.4)
    assert len(found.covariates) == sampled.sum()
    assert found.candidates == 1_000


def test_blocks_are_joined_as_if_they_were_one() -> None:
    rows = lists()
    halves = [rows.take(np.arange(15)), rows.take(np.arange(15, 30))]
    one, other = score(rows), score(*halves)
    for name in ("user", "request", "gamma", "uplift", "propensity", "sample_weight"):
        np.testing.assert_array_equal(getattr(one.rows, name), getattr(other.rows, name))
    np.testing.assert_array_equal(one.item, other.item)
    np.testing.assert_array_equal(one.t0, other.t0)
    np.testing.assert_array_equal(one.covariates, other.covariates)
    np.testing.assert_array_equal(one.played, other.played)
    assert one.rows.requests == other.rows.requests == 6


def test_played_candidates_are_counted_kept_or_not() -> None:
    propensity = np.full(1_000, 0.5)
    propensity[:5] = 0.999  # a request that is left out
    propensity[5::5] = 0.001  # rows outside the band do not count
    rows = lists(n=200, propensity=propensity)
    found = score(rows, k=1, rate=0.05)
    inside = (propensity >= 0.1) & (propensity <= 0.9)
    wanted = (rows.outcome * inside).reshape(200, 5).sum(axis=1)[1:]
    np.testing.assert_array_equal(found.played, wanted)
    seen = np.bincount(found.rows.request, weights=found.rows.outcome * found.rows.primary)
    assert (seen <= wanted).all()
    assert seen.sum() < wanted.sum()


def test_requests_without_overlap_are_left_out_and_counted() -> None:
    propensity = np.full(30, 0.5)
    propensity[5:10] = 0.999  # the second request
    propensity[10:12] = 0.001
    found = score(lists(propensity=propensity))
    assert found.rows.requests == 5
    assert found.requests_left_out == 1
    assert found.outside == 7
    assert 1 not in found.rows.user
    assert sorted(set(found.rows.request)) == [0, 1, 2, 3, 4]


def test_certain_rows_are_outside() -> None:
    propensity = np.full(30, 0.5)
    propensity[::5] = 1.0
    found = score(lists(propensity=propensity))
    assert found.outside == 6
    assert np.isfinite(found.rows.gamma[found.rows.rank["base"] > 0]).all()


def test_no_overlap_at_all_is_refused() -> None:
    with pytest.raises(OverlapError, match="none among 30 rows"):
        score(lists(propensity=np.full(30, 0.999)))
    with pytest.raises(OverlapError, match="none among 0 rows"):
        score()


def test_popularity_is_own_plays_first() -> None:
    config = FeatureConfig(windows_days=(7, 28))
    own, everyone = (config.names.index(n) for n in ("pair_plays_28d", "item_plays_7d"))
    features = np.zeros((4, len(config.names)), dtype=np.float32)
    features[:, own] = [0, 2, 2, 0]
    features[:, everyone] = [90, 1, 5, 10]
    features[:, -1] = [1, 2, 3, 4]
    rows = block(4, features=features, user=np.zeros(4, int))
    found = by_popularity(config)(rows, np.zeros(4), inside=np.ones(4, bool), k=9).rank
    assert found.tolist() == [3, 2, 1, 4]


def test_chance_depends_on_its_generator_alone() -> None:
    rows = lists()
    one, again, other = (
        by_chance(np.random.default_rng(s))(rows, np.zeros(30), inside=np.ones(30, bool), k=9).rank
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_blend_is_between_its_ends() -> None:
    rows = lists(propensity=np.full(30, 0.5))
    rankings = {f"{w:g}": by_policy(BlendPolicy(w)) for w in (0.0, 1.0)}
    found = score(rows, **rankings, **RANKINGS).rows
    np.testing.assert_array_equal(found.rank["0"], found.rank["base"])
    np.testing.assert_array_equal(found.rank["1"], found.rank["uplift"])


SIDES = {"genre": SidePlace(0, ("drama", "news"))}
CAPPED = ChainedPolicy(
    UpliftPolicy(), (Constrained(slots=2, caps=(Cap(column="genre", at_most=1),)),)
)


def test_rules_make_lists_of_the_candidates_with_overlap_and_what_gave_way_is_counted() -> None:
    n = 40
    rng = np.random.default_rng(3)
    # the first feature is the uplift, and here the genre, too: drama is 0, news is 1
    genre = rng.integers(0, 2, n * 5)
    rows = lists(n=n, treatment=np.zeros(n * 5), propensity=rng.uniform(0.02, 0.98, n * 5))
    rows.features[:, 0] = genre
    halves = [rows.take(np.arange(n)), rows.take(np.arange(n, n * 5))]
    found = score(*halves, base=by_policy(BasePolicy()), capped=by_policy(CAPPED, SIDES))
    inside = (rows.propensity >= 0.1) & (rows.propensity <= 0.9)
    broken, kept = 0, []
    for request in range(n):
        here = np.flatnonzero((rows.request() == request) & inside)
        best = sorted(here, key=lambda row: (-genre[row], rows.base_rank[row]))
        others = [row for row in best if genre[row] != genre[best[0]]]
        second = (others or best[1:])[:1]
        kept += [(row, place) for place, row in enumerate([best[0], *second], start=1)]
        broken += bool(second) and not others
    expected = np.where(inside, 3, 0)
    for row, place in kept:
        expected[row] = place
    assert (found.rows.rank["capped"] == expected).all()
    assert found.relaxed == {"base": {}, "capped": {"caps": broken}}
    assert 0 < broken < n


def test_rules_that_read_no_feature_are_refused_with_the_way_to_name_it() -> None:
    config = FeatureConfig(item_categories=("genre",), item_numbers=("is_new",))
    levels = Levels({"item_genre": ("drama", "news")})

    def places(rule: Any) -> Any:
        return side_places(ChainedPolicy(UpliftPolicy(), (rule,)), config=config, levels=levels)

    found = places(Diversified(group="item_genre", share=0.1))
    assert found == {"item_genre": SidePlace(config.names.index("item_genre"), ("drama", "news"))}
    assert side_places(UpliftPolicy(), config=config, levels=levels) == {}
    with pytest.raises(SchemaError, match=r"feature 'genre'.*become item_<column>"):
        places(Diversified(group="genre", share=0.1))
    for floor, message in (
        (Floor(column="item_genre", share=0.1), "the level of 'item_genre'"),
        (Floor(column="item_genre", share=0.1, level="opera"), "a level of 'item_genre'"),
        (Floor(column="item_is_new", share=0.1, level="yes"), "no levels"),
    ):
        with pytest.raises(ConfigError, match=message):
            places(Constrained(slots=2, floors=(floor,)))
