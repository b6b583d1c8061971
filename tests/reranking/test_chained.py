"""Diversified lists beside a slow greedy, and what may be chained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError
from causal_ranker.reranking.chained import ChainedPolicy, rank_lists
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.description import policy_from_dict, policy_name
from causal_ranker.reranking.diversified import Diversified
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, UpliftPolicy
from tests.reranking.lists import chained, lists_of, rows

MOVES = Constrained(slots=3, max_moves=1)
DIVERSE = Diversified(group="genre", share=0.25)


def slow_greedy(table: list[Any], share: float) -> list[int]:
    """Place after place, every item counted anew; of one request."""
    base = [row[1] for row in table]
    rank = {place: i for i, place in enumerate(sorted(range(len(table)), key=lambda p: -base[p]))}
    order: list[int] = []
    while len(order) < len(table):

        def worth(place: int) -> float:
            uplift, group = table[place][2], table[place][3]
            above = sum(table[p][3] == group and table[p][2] > 0 for p in order)
            return uplift * (1 - share) ** above if uplift > 0 and group == group else uplift

        left = [place for place in range(len(table)) if place not in order]
        order.append(max(left, key=lambda place: (worth(place), -rank[place])))
    return order


@settings(max_examples=60, deadline=None)
@given(table=rows, share=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_a_diversified_list_is_the_slow_greedy(table: Any, share: float) -> None:
    mine = [row for row in table if row[0] == table[0][0]]
    found = rank_lists(chained(Diversified(group="genre", share=share)), lists_of(mine))
    assert np.argsort(found.rank).tolist() == slow_greedy(mine, share)


@settings(max_examples=30, deadline=None)
@given(table=rows)
def test_without_a_share_it_is_the_order_of_uplift(table: Any) -> None:
    lists = lists_of(table)
    plain = rank_lists(UpliftPolicy(), lists)
    found = rank_lists(chained(Diversified(group="genre", share=0.0)), lists)
    np.testing.assert_array_equal(found.rank, plain.rank)
    np.testing.assert_array_equal(found.score, plain.score)


def test_groups_of_any_numbers_are_told_apart() -> None:
    table = [(0, 5.0 - i, u, g, 0.0) for i, (u, g) in enumerate([(8, 0.5), (7, 0.5), (6, -3e9)])]
    found = rank_lists(chained(Diversified(group="genre", share=0.5)), lists_of(table))
    assert found.score.tolist() == [8.0, 3.5, 6.0]


def test_rules_work_one_after_the_other() -> None:
    table = [(0, 4.0, 1.0, 0.0, 0.0), (0, 3.0, 5.0, 1.0, 0.0), (0, 2.0, 4.0, 1.0, 0.0)]
    both = chained(Diversified(group="genre", share=0.9), MOVES)
    assert rank_lists(UpliftPolicy(), lists_of(table)).rank.tolist() == [3, 1, 2]
    assert rank_lists(chained(both.rules[0]), lists_of(table)).rank.tolist() == [2, 1, 3]
    # items may move by one place only, of the diversified order as of any other
    assert rank_lists(both, lists_of(table)).rank.tolist() == [2, 1, 3]
    assert rank_lists(chained(MOVES), lists_of(table)).rank.tolist() == [2, 1, 3]
    assert policy_name(both) == "uplift, diversified, constrained"


@pytest.mark.parametrize(
    ("scorer", "rules", "message"),
    [
        (UpliftPolicy(), (), "got none"),
        (UpliftPolicy(), (MOVES, DIVERSE), "in this order"),
        (UpliftPolicy(), (MOVES, MOVES), "both in this order"),
        (UpliftPolicy(), ("constrained",), "in this order"),
        (BlendPolicy(0.5), (DIVERSE, MOVES), "the scorer 'uplift' before the rule 'diversified'"),
        (BasePolicy(), (DIVERSE,), "the scorer 'uplift'"),
        (chained(MOVES), (MOVES,), "the scorer base, uplift or blend"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(scorer: Any, rules: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ChainedPolicy(scorer, rules)


def moves_rule(**settings: Any) -> dict[str, Any]:
    return {"kind": "constrained", "slots": 3, "max_moves": 1} | settings


@pytest.mark.parametrize(
    "description",
    [
        {"kind": "chained"},
        {"kind": "chained", "scorer": {"kind": "uplift"}},
        {"kind": "chained", "scorer": "uplift", "rules": [moves_rule()]},
        {"kind": "chained", "scorer": {"kind": "uplift"}, "rules": moves_rule()},
        {"kind": "chained", "scorer": {"kind": "uplift"}, "rules": []},
        {"kind": "chained", "scorer": {"kind": "uplift"}, "rules": ["constrained"]},
        {"kind": "chained", "scorer": {"kind": "uplift"}, "rules": [{"kind": "magic"}]},
        {"kind": "chained", "scorer": {"kind": "uplift"}, "rules": [moves_rule(heat=1)]},
        {"kind": "chained", "scorer": {"kind": "uplift"}, "rules": [moves_rule()], "heat": 1},
        {"kind": "chained", "scorer": {"kind": "blend"}, "rules": [moves_rule()]},
        {
            "kind": "chained",
            "scorer": {"kind": "chained", "scorer": {"kind": "base"}, "rules": [moves_rule()]},
            "rules": [moves_rule()],
        },
        {"kind": "chained", "scorer": {"kind": "uplift"}, "rules": [{"kind": "diversified"}]},
        {
            "kind": "chained",
            "scorer": {"kind": "uplift"},
            "rules": [{"kind": "diversified", "group": "genre", "share": 1.5}],
        },
    ],
)
def test_descriptions_of_no_chain_are_refused(description: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        policy_from_dict(description)
