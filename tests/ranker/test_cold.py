"""Cold items through the whole chain: a world whose items come later, and its known truth."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from causal_ranker.chain.cold import WithColdItems
from causal_ranker.chain.config import ChainConfig, ColdConfig
from causal_ranker.coldstart.common_scale import CommonScale
from causal_ranker.coldstart.scores import MatrixScores
from causal_ranker.errors import ConfigError
from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker
from causal_ranker.recommenders.callable import CallableRecommender
from causal_ranker.reranking.chained import ChainedPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.limits import Floor
from causal_ranker.reranking.policies import UpliftPolicy
from causal_ranker.serving.counts import Counts
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld
from tests.ranker.season import FEATURES, KEY, K, config, fit, tables

DAYS = 3.0
#: Items of the catalogue that nobody has been offered yet.
COMING = [100, 101, 102]
FLOOR = Floor(column="is_cold", share=0.2, order="base")
POLICY = ChainedPolicy(UpliftPolicy(), (Constrained(slots=K, floors=(FLOOR,)),))
FROZEN = "uplift, constrained"
COLD = config(
    features=FEATURES.model_copy(update={"row_numbers": (*FEATURES.row_numbers, "is_cold")}),
    cold=ColdConfig(days=DAYS),
    curve_rate=0.3,
)


@cache
def logs() -> tuple[WorldLogs, WorldLogs]:
    world = WorldConfig(
        users=500,
        items=100,
        candidates=20,
        slate_size=K,
        days=10,
        seed=5,
        new_share=0.4,
        new_days=DAYS,
        new_penalty=2.0,
    )
    return StreamingWorld(world).simulate().split(last_days=4)


@cache
def judged() -> tuple[CausalRanker, Report]:
    past, later = logs()
    old = past.items[past.items["available_from"].isna()]
    coming = old.head(len(COMING)).assign(item_id=COMING)
    past = replace(past, items=pd.concat([past.items, coming], ignore_index=True))
    ranker = fit(past, policy=POLICY, config=COLD, learner="dr")
    return ranker, ranker.evaluate(**tables(later))


def weighed(values: NDArray[Any], items: pd.Series) -> float:
    """Mean over items of the mean over their rows."""
    return float(pd.Series(values).groupby(items.to_numpy()).mean().mean())


@cache
def rows() -> pd.DataFrame:
    """Every candidate of the report with a chance in both arms: from the world's tables alone.

    Only the ranks of the frozen list come from the ranker.
    """
    ranker, _ = judged()
    _, later = logs()
    table = later.candidates.merge(later.truth, on=KEY)
    table = table[table["horizon_end"] <= later.log_end]
    table = table[table["propensity"].between(0.02, 0.98)]
    table["age"] = table["t0"] - table["item_id"].map(
        later.items.set_index("item_id")["available_from"]
    )
    table["age"] = (table["age"] / pd.Timedelta(days=1)).fillna(np.inf)
    table["cold"] = table["age"] < DAYS
    table["y"] = np.where(table["shown"], table["y1"], table["y0"])
    request = table.groupby(["user_id", "t0"])
    table["base"] = request["base_score"].rank(ascending=False, method="first")
    lists = ranker.lists_
    kept = pd.DataFrame(
        {
            "user_id": lists.rows.user,
            "item_id": lists.item,
            "t0": pd.to_datetime(lists.t0, unit="us", utc=True).astype(table["t0"].dtype),
            FROZEN: lists.rows.rank[FROZEN],
            "uplift": lists.rows.rank["uplift"],
            "gamma": lists.rows.gamma,
        }
    )
    merged = table.merge(kept[np.isfinite(kept["gamma"])], on=KEY, how="left")
    return merged.fillna({FROZEN: K + 1, "uplift": K + 1})


@pytest.mark.parametrize("policy", ["base", FROZEN])
def test_the_section_says_what_the_worlds_tables_say(policy: str) -> None:
    found = judged()[1].evaluation.joint
    table = rows()
    assert found is not None
    assert found.candidates == pytest.approx(table["cold"].mean(), rel=1e-12)
    mine = next(each for each in found.policies if each.policy == policy)
    shown = table[table[policy] <= K]
    assert mine.cold_share.point == pytest.approx(shown["cold"].mean(), rel=1e-12)
    requests = table.groupby(["user_id", "t0"]).ngroups
    for part, told in ((shown["cold"], mine.cold), (~shown["cold"], mine.warm)):
        gamma = shown["gamma"][part].sum() / K / requests
        assert told.point == pytest.approx(gamma, rel=1e-9)
        truth = shown["tau"][part].sum() / K / requests
        assert abs(told.point - truth) < told.high - told.low  # two half-widths
    whole = judged()[1].evaluation.comparison.result(policy)
    assert mine.cold.point + mine.warm.point == pytest.approx(whole.uplift.point, rel=1e-9)
    parts = mine.cold_difference.point + mine.warm_difference.point
    assert parts == pytest.approx(whole.difference.point, abs=1e-12)


def test_gain_by_age_is_that_of_the_worlds_plays() -> None:
    found = judged()[1].evaluation.joint
    played = rows()[rows()["y"] == 1]
    assert found is not None
    assert [(each.from_days, each.to_days) for each in found.ages] == [
        (0.0, 1.5),
        (1.5, 3.0),
        (3.0, 6.0),
        (6.0, np.inf),
    ]
    assert sum(each.plays for each in found.ages) == len(played)
    for each in found.ages:
        young = (played["age"] >= each.from_days) & (played["age"] < each.to_days)
        # The last group holds what is of unknown age.
        mine = played[young | (np.isinf(played["age"]) & np.isinf(each.to_days))]
        assert (each.items, each.plays) == (mine["item_id"].nunique(), len(mine))
        gains = {}
        for policy in ("base", FROZEN):
            rank = mine[policy].to_numpy()
            gains[policy] = np.where(rank <= K, 1 / np.log2(1 + rank), 0)
            told = each.gain[policy]
            assert told.point == pytest.approx(weighed(gains[policy], mine["item_id"]), rel=1e-12)
            assert told.low < told.point < told.high
        more = each.difference[FROZEN]
        assert more.point == pytest.approx(
            weighed(gains[FROZEN] - gains["base"], mine["item_id"]), abs=1e-12
        )
        assert each.difference["base"].point == 0.0


def test_cold_items_get_their_share_at_a_small_price() -> None:
    """By the known truth: slots, and the plays that they cause."""
    table = rows()
    shown = {name: table[table[name] <= K] for name in ("base", "uplift", FROZEN)}
    value = {name: each["tau"].mean() for name, each in shown.items()}
    share = {name: each["cold"].mean() for name, each in shown.items()}
    assert share["base"] < 0.03
    assert share[FROZEN] > 0.15
    assert 0.9 < value[FROZEN] / value["uplift"] < 1.1
    assert value[FROZEN] > 0.9 * value["base"]


def test_the_floor_takes_the_first_cold_item_in_base_order() -> None:
    table = rows()
    request = table.groupby(["user_id", "t0"])
    without = request["cold"].transform("any") & ~(
        (table["cold"] & (table["uplift"] <= K)).groupby([table["user_id"], table["t0"]])
    ).transform("any")
    cold = table[without & table["cold"]].sort_values("base")
    first = cold.groupby(["user_id", "t0"]).head(1)
    assert len(first) > 50
    full = request["item_id"].transform("size").loc[first.index] >= K
    assert (first[FROZEN][full] <= K).all()


def test_cold_items_are_offered_and_served_as_the_floor_says() -> None:
    """Published with cold items that were in no log: their content is known, and their flag."""
    ranker, _ = judged()
    _, later = logs()
    last = later.candidates.groupby("user_id")["t0"].transform("max") == later.candidates["t0"]
    offers = {
        user: list(zip(mine["item_id"].tolist(), mine["base_score"].tolist(), strict=True))
        for user, mine in later.candidates[last].groupby("user_id")
    }
    users = list(offers)
    scores = np.random.default_rng(0).normal(size=(len(users), len(COMING)))
    warm = CallableRecommender(lambda asked, at, k: {user: offers[user][:k] for user in asked})
    published = copy(ranker)
    published.base = WithColdItems(
        warm, MatrixScores(scores), users=users, items=COMING, scale=CommonScale(1.0, 20.0)
    )
    published.counts_ = Counts()
    arrived = later.items.set_index("item_id")["available_from"]
    days, asked_for = pd.Timedelta(days=DAYS), 0
    for place, user in enumerate(users[:80]):
        found = published.rerank(user, at=later.log_end)
        assert found.fallback is None
        assert len(found.items) == 20 + len(COMING)
        assert found.relaxed == ()
        young = [item for item in arrived.index if later.log_end - arrived[item] < days]
        if not {*found.items[: K - 1]} & {*COMING, *young}:
            assert found.items[K - 1] == COMING[int(scores[place].argmax())]
            asked_for += 1
    assert asked_for > 5
    assert published.counts_.unknown_items == 0


def test_the_page_tells_of_them() -> None:
    report = judged()[1]
    section = next(each for each in report.document.sections if each.title == "Cold and warm items")
    assert len(section.blocks) == 3
    assert report.figures["joint"]["k"] == K


def test_a_flag_that_no_feature_is_made_of_is_refused() -> None:
    with pytest.raises(ConfigError, match="'is_cold' among row_numbers"):
        ChainConfig(cold=ColdConfig())
