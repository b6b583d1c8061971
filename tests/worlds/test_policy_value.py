"""Policy values against arithmetic by hand, and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from causal_ranker.errors import CausalRankerError, ConfigError, RowError, SchemaError
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.policy_value import policy_value

TRUTH = pd.DataFrame(
    {
        "assignment_unit": [5, 5, 5, 9, 9],
        "tau": [0.1, 0.2, -0.3, 0.4, 0.0],
        "effect_if_examined": [0.2, 0.4, -0.6, 0.8, 0.1],
        "attention": [0.5, 0.5, 0.5, 1.0, 1.0],
        "scroll": [0.5, 0.5, 0.5, 0.25, 0.25],
        "y0": [0, 0, 1, 0, 1],
        "y_examined": [1, 1, 0, 1, 1],
        "examined_to": [1, 0, 4, 1, 3],
    }
)


def test_two_requests_by_hand() -> None:
    value = policy_value(TRUTH, np.array([3.0, 1.0, 2.0, 0.0, 1.0]), k=2)
    # request 5: rows 0 then 2; request 9: rows 4 then 3
    assert value.uplift_at_k == pytest.approx(((0.1 - 0.3) / 2 + (0.0 + 0.4) / 2) / 2)
    exact = [(0.5 * 0.2 + 0.25 * -0.6) / 2, (1.0 * 0.1 + 0.25 * 0.8) / 2]
    assert value.in_order == pytest.approx(np.mean(exact))
    replayed = [(1 - 1) / 2, (0 + 0) / 2]  # row 3 in slot 2 is not examined: it is up to slot 1
    assert value.replayed == pytest.approx(np.mean(replayed))
    error = np.sqrt(np.square(np.subtract(replayed, exact)).sum()) / 2
    assert value.replay_error == pytest.approx(error)


def test_ties_keep_the_order_of_the_table_and_rows_may_be_mixed() -> None:
    flat = policy_value(TRUTH, np.zeros(5), k=1)
    assert flat.uplift_at_k == pytest.approx((0.1 + 0.4) / 2)
    mixed = TRUTH.iloc[[3, 0, 1, 4, 2]]
    score = np.array([3.0, 1.0, 2.0, 0.0, 1.0])
    assert policy_value(mixed, score[[3, 0, 1, 4, 2]], k=2) == policy_value(TRUTH, score, k=2)


def test_the_oracle_has_the_highest_uplift_of_all_rankings(small_logs: WorldLogs) -> None:
    truth = small_logs.truth
    best = policy_value(truth, truth["tau"].to_numpy(), k=3).uplift_at_k
    worst = policy_value(truth, -truth["tau"].to_numpy(), k=3).uplift_at_k
    rng = np.random.default_rng(0)
    for _ in range(3):
        noisy = truth["tau"] + rng.normal(scale=0.02, size=len(truth))
        assert worst < policy_value(truth, noisy.to_numpy(), k=3).uplift_at_k < best
    everything = policy_value(truth, rng.random(len(truth)), k=24).uplift_at_k
    assert everything == pytest.approx(truth["tau"].mean())


@pytest.mark.parametrize(
    ("score", "k", "error", "message"),
    [
        (np.zeros(4), 1, SchemaError, "one score for each of the 5 rows"),
        (np.array([0, np.nan, 0, 0, np.nan]), 1, RowError, "2 NaN, first in row 1"),
        (np.zeros(5), 0, ConfigError, "k from 1 to 2"),
        (np.zeros(5), 3, ConfigError, "k from 1 to 2"),
    ],
)
def test_bad_input_is_named(
    score: np.ndarray, k: int, error: type[CausalRankerError], message: str
) -> None:
    with pytest.raises(error, match=message):
        policy_value(TRUTH, score, k=k)
