"""A policy with rules, from the settings to the served list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from causal_ranker.chain import train
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.settings import chosen_policy
from causal_ranker.errors import ConfigError, DataError, SchemaError
from causal_ranker.ranker import CausalRanker
from causal_ranker.reranking.chained import ChainedPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.description import policy_from_dict, policy_to_dict
from causal_ranker.reranking.diversified import Diversified
from causal_ranker.reranking.limits import Cap, Floor
from causal_ranker.reranking.policies import BlendPolicy, UpliftPolicy
from tests.ranker.season import FEATURES, K, candidates_at_once, config, fit, tables
from tests.ranker.shared import small

RULES = ChainedPolicy(
    UpliftPolicy(),
    (
        Diversified(group="item_genre", share=0.3),
        Constrained(
            slots=K,
            max_moves=6,
            max_base_loss=0.2,
            floors=(Floor(column="device", level="phone", share=0.2),),
            caps=(Cap(column="item_genre", at_most=2),),
        ),
    ),
)
NAME = "uplift, diversified, constrained"


def wide() -> ChainConfig:
    """Let every candidate into the lists that are judged, as every one is in those served."""
    dr = config().dr.model_copy(update={"lowest_propensity": 1e-5})
    return config(dr=dr, features=FEATURES, policy=policy_to_dict(RULES))


@pytest.fixture(scope="module")
def ruled() -> CausalRanker:
    return fit(small()[0], base="boosted", config=wide())


def test_lists_with_rules_are_served_as_they_were_judged(
    ruled: CausalRanker, tmp_path: Path
) -> None:
    past, later = small()
    assert ruled.trained_.policy == RULES
    assert ruled.policy_name_ == NAME
    asked = candidates_at_once(past, later, users=40)
    report = ruled.evaluate(later.impressions, later.plays, candidates=asked, log_end=later.log_end)
    lists = ruled.lists_
    offline = pd.DataFrame(
        {
            "user_id": lists.rows.user,
            "item_id": lists.item,
            "rank": lists.rows.rank[NAME],
            "uplift rank": lists.rows.rank["uplift"],
        }
    )
    assert (offline["rank"] != offline["uplift rank"]).any()
    ruled.save(tmp_path / "model", candidates=asked, at=past.log_end)
    served = CausalRanker.load(tmp_path / "model")
    relaxed = 0
    for user, rows in offline.groupby("user_id"):
        found = served.rerank(user)
        assert found.fallback is None
        mine = rows.set_index("item_id").loc[list(found.items)]
        np.testing.assert_array_equal(np.minimum(found.rank, K + 1), mine["rank"])
        assert np.abs(found.rank - found.base_rank).max() <= 6
        relaxed += "floors" in found.relaxed
    assert served.counts_.relaxed.get("floors", 0) == relaxed
    assert lists.relaxed[NAME]["floors"] == relaxed

    told = json.loads(report.to_json())
    (rules,) = (each for each in told["sections"] if each["title"] == "Rules of the policy")
    assert '"max_moves": 6' in json.dumps(rules).replace("\\", "")
    (table,) = (block for block in rules["blocks"] if "rows" in block)
    assert [row[:2] for row in table["rows"]] == [
        ["floors", relaxed],
        ["caps", lists.relaxed[NAME]["caps"]],
    ]
    assert NAME in report.to_frame().index
    (how,) = (each for each in told["sections"] if each["title"] == "How the policy was chosen")
    assert f"Frozen there: {NAME}." in json.dumps(how)


def test_the_request_may_say_what_the_snapshot_does_not_know(ruled: CausalRanker) -> None:
    user = ruled.known_users()[0]
    items = [(item, float(-item)) for item in range(20)]
    phones = [None] * 18 + ["phone", "phone"]
    found = ruled.rerank(user, items, columns={"device": phones})
    assert found.fallback is None
    assert {*found.items} == {item for item, _ in items}
    with pytest.raises(ConfigError, match="columns that the policy reads"):
        ruled.rerank(user, items, columns={"hour": [1.0] * 20})


def test_rules_that_read_no_feature_end_the_fit_before_its_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(*_: Any, **__: Any) -> Any:
        raise AssertionError("nobody reads features for a policy that cannot be")

    monkeypatch.setattr(train, "BlockReader", work)
    past, _ = small()
    policy = ChainedPolicy(UpliftPolicy(), (Diversified(group="studio", share=0.1),))
    ranker = CausalRanker(policy=policy, config=config(), k=K)
    with pytest.raises(SchemaError, match="a feature 'studio', which a rule of the policy reads"):
        ranker.fit(**tables(past), users=past.users, items=past.items)


MOVES = ChainedPolicy(UpliftPolicy(), (Constrained(slots=3, max_moves=2),))
TOML = """
[policy]
kind = "chained"
scorer = {kind = "uplift"}
[[policy.rules]]
kind = "constrained"
slots = 3
max_moves = 2
"""


def test_a_policy_comes_by_name_as_an_object_from_json_or_from_the_settings(
    tmp_path: Path,
) -> None:
    (tmp_path / "settings.toml").write_text(TOML)
    settings = ChainConfig.from_toml(tmp_path / "settings.toml")
    assert chosen_policy("auto", settings) == MOVES
    assert chosen_policy("auto", ChainConfig()) == chosen_policy("auto", None) == "auto"
    assert chosen_policy("base", settings) == "base"  # what is said itself goes first
    assert chosen_policy(BlendPolicy(0.3), settings) == BlendPolicy(0.3)
    assert chosen_policy(policy_to_dict(MOVES), None) == MOVES
    assert ChainConfig(**settings.model_dump(mode="json")) == settings
    assert policy_from_dict(settings.model_dump(mode="json")["policy"]) == MOVES


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"kind": "magic"}, "a policy of kind base, blend, chained, uplift"),
        ({"kind": "blend", "weight": 3}, "a blend weight"),
        (UpliftPolicy, "or its JSON object as policy"),
        (0.5, "or its JSON object as policy; got 0.5"),
    ],
)
def test_what_is_no_policy_is_refused_before_a_log_is_read(policy: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CausalRanker(policy=policy).fit("absent.parquet", "absent.parquet", candidates="absent")
    if isinstance(policy, dict):
        with pytest.raises(ConfigError, match=message):
            ChainConfig(policy=policy)


@pytest.mark.parametrize("policy", [MOVES, policy_to_dict(MOVES), BlendPolicy(0.4)])
def test_what_is_a_policy_reaches_the_logs_and_survives_a_clone(policy: Any) -> None:
    ranker = clone(CausalRanker(policy=policy))
    assert ranker.policy == policy
    with pytest.raises(DataError, match="absent"):
        ranker.fit("absent.parquet", "absent.parquet", candidates="absent.parquet")
