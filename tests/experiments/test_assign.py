from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.experiments.assign import assign_arms, in_layer

USERS = np.arange(1_000_000)
SHARES = {"holdout": 0.1, "control": 0.45, "new": 0.45}


def test_a_million_users_fall_as_planned_and_independently_of_another_test() -> None:
    first = assign_arms(USERS, experiment="one", shares=SHARES)
    second = assign_arms(USERS, experiment="two", shares=SHARES)
    arms, counts = np.unique(first, return_counts=True)
    expected = [SHARES[arm] * USERS.size for arm in arms]
    assert chisquare(counts, expected).pvalue > 0.001
    table = [[np.sum((first == a) & (second == b)) for a in SHARES] for b in SHARES]
    assert chi2_contingency(table).pvalue > 0.001


def test_it_is_sticky_and_reproducible() -> None:
    users = ["ada", "bob", "cyd"]
    whole = assign_arms(users, experiment="x", shares=SHARES)
    alone = [assign_arms([user], experiment="x", shares=SHARES)[0] for user in users]
    assert whole.tolist() == alone == ["control", "holdout", "control"]


def test_raising_an_arms_share_moves_nobody_out_of_it() -> None:
    users = USERS[:20_000]
    small = assign_arms(users, experiment="ramp", shares={"new": 0.1, "control": 0.9}) == "new"
    large = assign_arms(users, experiment="ramp", shares={"new": 0.3, "control": 0.7}) == "new"
    assert (small <= large).all()
    assert small.sum() < large.sum()


def test_experiments_of_a_layer_share_no_user() -> None:
    first = in_layer(USERS, layer="page", slot=(0.0, 0.4))
    second = in_layer(USERS, layer="page", slot=(0.4, 1.0))
    assert (first ^ second).all()
    other = in_layer(USERS, layer="price", slot=(0.0, 0.4))
    assert np.mean(first & other) == pytest.approx(0.16, abs=0.002)


def test_bad_input_is_told() -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        assign_arms([1], experiment="x", shares={"a": 0.5, "b": 0.6})
    with pytest.raises(ConfigError, match="0 <= from"):
        in_layer([1], layer="x", slot=(0.5, 0.5))
    with pytest.raises(SchemaError):
        assign_arms([1.5], experiment="x", shares=SHARES)
