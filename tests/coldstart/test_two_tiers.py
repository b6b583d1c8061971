from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.coldstart.metrics import evaluate
from causal_ranker.coldstart.scores import FactoredScores, MatrixScores
from causal_ranker.coldstart.two_tiers import two_tiers
from causal_ranker.errors import ConfigError, RowError
from tests.coldstart.worlds import unfair


def slow(matrix: np.ndarray, head: int) -> np.ndarray:
    """Lists by hand: item numbers in order, for each user."""
    mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
    lists = []
    for row in matrix:
        first = sorted(range(len(row)), key=lambda i: (-row[i], i))[:head]
        rest = [i for i in range(len(row)) if i not in first]
        own = (row - mean) / np.where(spread > 0, spread, 1)
        lists.append(first + sorted(rest, key=lambda i: (-own[i], i)))
    return np.array(lists)


@pytest.mark.parametrize("head", [0, 4, 60, 99])
def test_it_is_the_list_by_hand(head: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("causal_ranker.coldstart.ranking._BLOCK", 50)
    scores, _ = unfair(3)
    found = np.argsort(-two_tiers(scores, head=head).block(0, 120), axis=1, kind="stable")
    np.testing.assert_array_equal(found, slow(scores.block(0, 120).astype(np.float64), head))


@given(st.integers(0, 30), st.integers(0, 60))
def test_lists_up_to_the_head_stay_as_they_were(seed: int, head: int) -> None:
    scores, audience = unfair(seed, users=40)
    length = max(head, 1)
    before = evaluate(scores, audience=audience, lengths=(length,))
    after = evaluate(two_tiers(scores, head=head), audience=audience, lengths=(length,))
    if head:
        assert after.utility == before.utility


def test_every_item_comes_first_behind_the_head_for_a_share_of_users() -> None:
    # all scores of item i are normal around i / 10: unequal levels, equal chances behind the head
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(4000, 10)) + np.arange(10) / 10
    order = np.argsort(-two_tiers(MatrixScores(matrix), head=0).block(0, 4000), axis=1)
    share = np.bincount(order[:, 0], minlength=10) / 4000
    assert np.abs(share - 0.1).max() < 4 * np.sqrt(0.1 * 0.9 / 4000)


def test_scores_far_from_zero_are_standardised_as_well() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(500, 6))
    tiers = two_tiers(MatrixScores(matrix + 1000.0), head=2)
    np.testing.assert_allclose(tiers.spread, matrix.std(axis=0), rtol=1e-3)
    np.testing.assert_allclose(tiers.mean, matrix.mean(axis=0) + 1000.0, rtol=1e-6)


def test_bad_input_is_told() -> None:
    scores = FactoredScores(np.ones((3, 1)), np.ones((4, 1)))
    with pytest.raises(ConfigError, match="a head of -1"):
        two_tiers(scores, head=-1)
    with pytest.raises(RowError, match="NaN or infinity"):
        two_tiers(MatrixScores(np.full((3, 2), np.nan)))
