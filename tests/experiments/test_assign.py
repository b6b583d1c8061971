from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.experiments.assign import Layer, assign_arms, assign_within_strata, enrolled
from causal_ranker.stats.hashing import uniform_hash

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


def test_a_million_hashes_are_uniform_and_those_of_salts_like_each_other_independent() -> None:
    """Salts that differ in one letter, ids that follow each other: what a weak hash gets wrong."""
    salts = ["arm|test-1", "arm|test-2", "layer|test-1"]
    cells = [(uniform_hash(USERS, salt=salt) * 20).astype(int) for salt in salts]
    for cell in cells:
        assert chisquare(np.bincount(cell, minlength=20)).pvalue > 0.001
    for one, other in combinations(cells, 2):
        pairs = np.bincount(20 * one + other, minlength=400).reshape(20, 20)
        assert chi2_contingency(pairs).pvalue > 0.001
    # neighbours' hashes are independent, too
    pairs = np.bincount(20 * cells[0][:-1] + cells[0][1:], minlength=400).reshape(20, 20)
    assert chi2_contingency(pairs).pvalue > 0.001


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


def test_experiments_of_a_layer_share_no_user_and_the_holdout_is_in_none() -> None:
    users = USERS[:300_000]
    slots = {"rows": (0.0, 0.4), "covers": (0.4, 0.9)}
    page = Layer(name="page", slots=slots, holdout=0.05).experiment_of(users)
    price = Layer(name="price", slots={"cheap": (0.0, 0.4)}, holdout=0.05).experiment_of(users)
    names, counts = np.unique(page, return_counts=True)
    expected = {"": 0.095, "covers": 0.475, "holdout": 0.05, "rows": 0.38}
    assert names.tolist() == list(expected)
    assert chisquare(counts, np.array(list(expected.values())) * users.size).pvalue > 0.001
    assert ((page == "holdout") == (price == "holdout")).all()
    table = [[np.sum((page == a) & (price == b)) for a in slots] for b in ("cheap", "")]
    assert chi2_contingency(table).pvalue > 0.001
    # who is in an experiment does not depend on the slots of the others
    alone = Layer(name="page", slots={"rows": (0.0, 0.4)}, holdout=0.05).experiment_of(users)
    assert ((alone == "rows") == (page == "rows")).all()


@settings(max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.floats(0.05, 0.95), st.text())
def test_each_stratum_has_the_arms_shares_to_within_a_user(
    strata: list[int], share: float, experiment: str
) -> None:
    users = np.arange(len(strata))
    shares = {"new": share, "control": 1 - share}
    arms = assign_within_strata(users, strata, experiment=experiment, shares=shares)
    for stratum in set(strata):
        inside = arms[np.array(strata) == stratum]
        assert abs(np.sum(inside == "new") - share * inside.size) < 1 + 1e-9
    order = np.random.default_rng(0).permutation(len(strata))
    again = assign_within_strata(
        users[order], np.array(strata)[order], experiment=experiment, shares=shares
    )
    assert (again == arms[order]).all()


def test_small_strata_do_not_all_favour_one_arm() -> None:
    """Strata of one user each: a rule that always rounds down would leave the new arm empty."""
    users = np.arange(20_000)
    arms = assign_within_strata(users, users, experiment="x", shares={"new": 0.3, "old": 0.7})
    assert np.mean(arms == "new") == pytest.approx(0.3, abs=0.01)


def test_countries_take_part_with_shares_of_their_own() -> None:
    users = USERS[:200_000]
    country = np.array(["de", "us", "fr", "jp"])[users % 4]
    shares = {"de": 0.5, "us": 0.1, "fr": 1.0}
    inside = enrolled(users, country, experiment="x", shares=shares)
    for name, share in {**shares, "jp": 0.0}.items():
        assert inside[country == name].mean() == pytest.approx(share, abs=0.005)
    arms = assign_arms(users, experiment="x", shares={"new": 0.5, "control": 0.5})
    some = inside & (country == "us")
    assert np.mean(arms[some] == "new") == pytest.approx(0.5, abs=0.03)
    more = enrolled(users, country, experiment="x", shares={**shares, "us": 0.2})
    assert (inside <= more).all()


def test_bad_input_is_told() -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        assign_arms([1], experiment="x", shares={"a": 0.5, "b": 0.6})
    for wrong in [(0.5, 0.5), (0.2, 1.1), (0.0, 0.3)]:
        with pytest.raises(ConfigError, match="do not overlap"):
            Layer(name="x", slots={"first": (0.2, 0.4), "other": wrong})
    with pytest.raises(SchemaError):
        assign_arms([1.5], experiment="x", shares=SHARES)
    with pytest.raises(RowError, match="1 repeats"):
        assign_within_strata([1, 1], ["a", "a"], experiment="x", shares=SHARES)
    with pytest.raises(ConfigError, match="shares of strata"):
        enrolled([1], ["a"], experiment="x", shares={"a": 1.5})
