"""The contract of every policy, with and without rules; a new one joins `lists.EVERY`."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from causal_ranker.reranking.chained import ChainedPolicy, ListPolicy, columns_of, rank_lists
from causal_ranker.reranking.description import policy_from_dict, policy_name, policy_to_dict
from tests.reranking.lists import EVERY, lists_of, rows


def ranks(policy: ListPolicy, given_rows: list[Any], k: int | None = None) -> list[int]:
    return rank_lists(policy, lists_of(given_rows), k=k).rank.tolist()


few = settings(max_examples=30, deadline=None)


@pytest.mark.parametrize("policy", EVERY, ids=repr)
class TestEveryPolicy:
    def test_it_survives_json(self, policy: ListPolicy) -> None:
        description = policy_to_dict(policy)
        again = policy_from_dict(json.loads(json.dumps(description)))
        assert again == policy
        assert policy_to_dict(again) == description
        assert hash(again) == hash(policy)
        assert policy.kind in ("chained", policy_name(policy))

    def test_it_is_frozen(self, policy: ListPolicy) -> None:
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            policy.rules = ()  # type: ignore[union-attr,misc]
        for rule in policy.rules if isinstance(policy, ChainedPolicy) else ():
            with pytest.raises(ValidationError):
                rule.kind = "other"  # type: ignore[assignment]

    @few
    @given(rows=rows)
    def test_every_list_is_a_permutation(self, policy: ListPolicy, rows: Any) -> None:
        found = np.array(ranks(policy, rows))
        request = np.array([row[0] for row in rows])
        for code in set(request.tolist()):
            mine = sorted(found[request == code].tolist())
            assert mine == list(range(1, len(mine) + 1))

    @few
    @given(rows=rows, k=st.integers(1, 8))
    def test_k_only_cuts(self, policy: ListPolicy, rows: Any, k: int) -> None:
        whole = ranks(policy, rows)
        assert ranks(policy, rows, k) == [min(rank, k + 1) for rank in whole]

    @few
    @given(rows=rows)
    def test_requests_do_not_touch_each_other(self, policy: ListPolicy, rows: Any) -> None:
        together = rank_lists(policy, lists_of(rows))
        for number, code in enumerate(sorted({row[0] for row in rows})):
            alone = rank_lists(policy, lists_of([row for row in rows if row[0] == code]))
            mine = [r for r, row in zip(together.rank, rows, strict=True) if row[0] == code]
            assert alone.rank.tolist() == mine
            for name, broken in together.relaxed.items():
                assert broken[number] == alone.relaxed[name][0]

    @few
    @given(rows=rows, seed=st.integers(0, 99))
    def test_the_order_of_the_rows_does_not_matter(
        self, policy: ListPolicy, rows: Any, seed: int
    ) -> None:
        lists = lists_of(rows)
        mixed = np.random.default_rng(seed).permutation(len(rows))
        moved = replace(
            lists,
            request=lists.request[mixed],
            base_score=lists.base_score[mixed],
            base_rank=lists.base_rank[mixed],  # decides between equal scores, as it did
            uplift=lists.uplift[mixed],
            columns={
                name: replace(column, values=column.values[mixed])
                for name, column in lists.columns.items()
            },
        )
        found = rank_lists(policy, moved).rank
        np.testing.assert_array_equal(found, rank_lists(policy, lists).rank[mixed])

    @few
    @given(rows=rows, shift=st.integers(-9, 9), power=st.integers(-3, 3))
    def test_unit_and_origin_of_the_base_scores_do_not_matter(
        self, policy: ListPolicy, rows: Any, shift: int, power: int
    ) -> None:
        # Powers of two and small shifts of sixteenths are exact, so ties stay ties; but not in
        # the mean of a blend, which a shift rounds anew.
        shift = 0 if "blend" in policy_name(policy) else shift
        moved = [(r, b * 2.0**power + shift, *rest) for r, b, *rest in rows]
        assert ranks(policy, moved) == ranks(policy, rows)

    @few
    @given(rows=rows)
    def test_the_input_is_whole_afterwards(self, policy: ListPolicy, rows: Any) -> None:
        lists, again = lists_of(rows), lists_of(rows)
        found = rank_lists(policy, lists)
        found.score[:] = 99.0
        np.testing.assert_array_equal(lists.base_score, again.base_score)
        np.testing.assert_array_equal(lists.uplift, again.uplift)
        for name in lists.columns:
            np.testing.assert_array_equal(lists.columns[name].values, again.columns[name].values)

    @few
    @given(rows=rows)
    def test_equal_rows_keep_the_base_order(self, policy: ListPolicy, rows: Any) -> None:
        twins = [row for row in rows for _ in range(2)]
        found = ranks(policy, twins)
        assert all(found[2 * i] < found[2 * i + 1] for i in range(len(rows)))

    def test_it_ranks_nothing(self, policy: ListPolicy) -> None:
        found = rank_lists(policy, lists_of([]))
        assert found.rank.tolist() == []
        assert all(len(each) == 0 for each in found.relaxed.values())

    def test_it_names_the_columns_it_reads(self, policy: ListPolicy) -> None:
        lists = lists_of([(0, 1.0, 1.0, 0.0, 1.0)])
        rank_lists(
            policy, replace(lists, columns={n: lists.columns[n] for n in columns_of(policy)})
        )
