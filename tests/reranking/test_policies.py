"""The contract of every policy, and what each one adds."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.reranking.description import policy_from_dict, policy_to_dict
from causal_ranker.reranking.policies import (
    BasePolicy,
    BlendPolicy,
    Policy,
    UpliftPolicy,
)
from causal_ranker.reranking.ranks import rank_within

finite = st.integers(-400, 400).map(lambda whole: whole / 16)
tables = st.lists(st.tuples(st.integers(0, 2), finite, finite), min_size=1, max_size=30)


def columns(rows: Any) -> tuple[Any, Any, Any]:
    request = np.array([row[0] for row in rows], dtype=np.int64)
    return request, np.array([row[1] for row in rows]), np.array([row[2] for row in rows])


def order(policy: Policy, rows: Any) -> list[int]:
    request, base, uplift = columns(rows)
    base_rank = rank_within(request, base)
    score = policy.score(base, uplift, request=request)
    return rank_within(request, score, tie_break=base_rank).tolist()


EVERY = [BasePolicy(), UpliftPolicy(), BlendPolicy(0.4), BlendPolicy(0), BlendPolicy(1)]


@pytest.mark.parametrize("policy", EVERY, ids=repr)
class TestEveryPolicy:
    """What every policy keeps; a new policy joins the list above."""

    def test_it_is_a_policy(self, policy: Policy) -> None:
        assert isinstance(policy, Policy)

    def test_it_survives_json(self, policy: Policy) -> None:
        text = json.dumps(policy_to_dict(policy))
        assert policy_from_dict(json.loads(text)) == policy

    def test_it_is_frozen(self, policy: Policy) -> None:
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            policy.weight = 0.3  # type: ignore[attr-defined]

    def test_its_scores_are_new_and_the_input_is_whole(self, policy: Policy) -> None:
        base, uplift = np.array([3.0, 1.0]), np.array([0.5, 0.7])
        score = policy.score(base, uplift, request=np.zeros(2, int))
        assert score.dtype == np.float64
        score[:] = 99.0
        assert (base.tolist(), uplift.tolist()) == ([3.0, 1.0], [0.5, 0.7])

    @given(rows=tables)
    def test_every_order_is_a_permutation(self, policy: Policy, rows: Any) -> None:
        request, *_ = columns(rows)
        ranks = np.array(order(policy, rows))
        for code in set(request.tolist()):
            mine = sorted(ranks[request == code].tolist())
            assert mine == list(range(1, len(mine) + 1))

    @given(rows=tables)
    def test_requests_do_not_touch_each_other(self, policy: Policy, rows: Any) -> None:
        request, *_ = columns(rows)
        together = order(policy, rows)
        for code in set(request.tolist()):
            alone = order(policy, [row for row in rows if row[0] == code])
            assert alone == [r for r, row in zip(together, rows, strict=True) if row[0] == code]

    @given(rows=tables, shift=st.integers(-9, 9), power=st.integers(-3, 3))
    def test_unit_and_origin_of_the_scores_do_not_matter(
        self, policy: Policy, rows: Any, shift: int, power: int
    ) -> None:
        # Powers of two and small shifts of sixteenths are exact, so ties stay ties.
        moved = [(r, b * 2.0**power + shift, u * 2.0**-power - shift) for r, b, u in rows]
        request, base, uplift = columns(rows)
        one = policy.score(base, uplift, request=request)
        other = policy.score(*columns(moved)[1:], request=request)
        for code in set(request.tolist()):
            mine = request == code
            steps = np.subtract.outer(one[mine], one[mine])
            moved_steps = np.subtract.outer(other[mine], other[mine])
            clear = np.abs(steps) > 1e-6
            assert (np.sign(steps) == np.sign(moved_steps))[clear].all()

    @given(rows=tables)
    def test_equal_rows_keep_the_base_order(self, policy: Policy, rows: Any) -> None:
        twins = [row for row in rows for _ in range(2)]
        ranks = order(policy, twins)
        assert all(ranks[2 * i] < ranks[2 * i + 1] for i in range(len(rows)))

    @given(rows=tables)
    def test_better_in_both_is_never_worse(self, policy: Policy, rows: Any) -> None:
        request, base, uplift = columns(rows)
        score = policy.score(base, uplift, request=request)
        better = (
            (request[:, None] == request) & (base[:, None] >= base) & (uplift[:, None] >= uplift)
        )
        assert (np.subtract.outer(score, score)[better] >= 0).all()


class TestBasePolicy:
    policy = BasePolicy()

    @given(rows=tables)
    def test_it_keeps_the_base_order(self, rows: Any) -> None:
        request, base, _ = columns(rows)
        assert order(self.policy, rows) == rank_within(request, base).tolist()


class TestUpliftPolicy:
    policy = UpliftPolicy()

    @given(rows=tables)
    def test_it_orders_by_uplift_under_any_monotone_map(self, rows: Any) -> None:
        _, _, uplift = columns(rows)
        mapped = np.arctan(uplift)
        moved = [(r, b, float(m)) for (r, b, _), m in zip(rows, mapped, strict=True)]
        assert order(self.policy, rows) == order(self.policy, moved)


class TestBlendPolicy:
    policy = BlendPolicy(0.4)

    def test_the_formula(self) -> None:
        request = np.array([1, 0, 1, 0, 1])
        base = np.array([0.1, 5.0, 0.4, 1.0, 0.1])
        uplift = np.array([3.0, -1.0, 1.0, 2.0, 2.0])
        expected = np.empty(5)
        for code in (0, 1):
            mine = request == code
            z = [(x[mine] - x[mine].mean()) / x[mine].std() for x in (base, uplift)]
            expected[mine] = 0.6 * z[0] + 0.4 * z[1]
        np.testing.assert_allclose(self.policy.score(base, uplift, request=request), expected)

    @given(rows=tables)
    def test_its_ends_are_the_other_policies(self, rows: Any) -> None:
        assert order(BlendPolicy(0), rows) == order(BasePolicy(), rows)
        assert order(BlendPolicy(1), rows) == order(UpliftPolicy(), rows)

    def test_constant_scores_leave_the_order_to_the_other(self) -> None:
        assert order(self.policy, [(0, 0.1, 1.0), (0, 0.1, 3.0), (0, 0.1, 2.0)]) == [3, 1, 2]
        assert order(self.policy, [(0, 1.0, 0.1), (0, 3.0, 0.1), (0, 2.0, 0.1)]) == [3, 1, 2]
        assert order(self.policy, [(0, 7.0, 0.1)] * 3) == [1, 2, 3]

    def test_one_candidate_scores_zero(self) -> None:
        assert self.policy.score([4.0], [0.2], request=[0]).tolist() == [0.0]

    def test_scores_that_are_not_finite_are_refused(self) -> None:
        with pytest.raises(RowError):
            self.policy.score([1.0, math.nan], [0.0, 1.0], request=[0, 0])
        with pytest.raises(RowError):
            self.policy.score([1.0, 2.0], [0.0, math.inf], request=[0, 0])


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan, math.inf, "half", None, True])
def test_a_weight_outside_of_its_bounds_is_refused(weight: Any) -> None:
    with pytest.raises(ConfigError, match=r"a blend weight in \[0, 1\]"):
        BlendPolicy(weight)


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"kind": "magic"},
        {"kind": ["blend"]},
        {"kind": "blend"},
        {"kind": "blend", "weight": 2},
        {"kind": "blend", "weight": 0.5, "heat": 1},
        {"kind": "uplift", "weight": 0.5},
    ],
)
def test_descriptions_of_no_policy_are_refused(description: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        policy_from_dict(description)


def test_a_policy_of_somebody_else_is_not_written() -> None:
    class Mine:
        kind = "blend"

        def score(self, base_score: Any, uplift: Any, *, request: Any) -> Any:
            return base_score

    with pytest.raises(ConfigError, match="a policy of kind base, blend, chained, uplift"):
        policy_to_dict(Mine())
