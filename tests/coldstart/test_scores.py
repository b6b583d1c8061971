from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from causal_ranker.coldstart.metrics import evaluate
from causal_ranker.coldstart.ranking import Audience, ranks_of
from causal_ranker.coldstart.scores import FactoredScores, MatrixScores, ScoreMap, factorised
from causal_ranker.errors import ConfigError, RowError, SchemaError

FLOATS = st.floats(-1e30, 1e30).map(np.float32) | st.sampled_from([0.0, -0.0, 1.0])


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=FLOATS))
def test_ranks_are_those_of_a_stable_sort(scores: np.ndarray) -> None:
    order = np.argsort(-scores, axis=1, kind="stable")
    places = np.argsort(order, axis=1, kind="stable") + 1
    np.testing.assert_array_equal(ranks_of(scores), places)


def test_a_matrix_and_its_factors_are_judged_alike() -> None:
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    liked = rng.random((30, 20)) < 0.2
    audience = Audience.from_pairs(*np.nonzero(liked), shape=liked.shape)
    products = evaluate(FactoredScores(users, items), audience=audience, lengths=(5,))
    matrix = evaluate(MatrixScores(users @ items.T), audience=audience, lengths=(5,))
    again, missed = factorised(users @ items.T, width=3)
    factors = evaluate(again, audience=audience, lengths=(5,))
    np.testing.assert_array_equal(products.gains, matrix.gains)
    np.testing.assert_array_equal(products.gains, factors.gains)
    assert missed < 1e-9


def test_what_a_width_misses_is_the_share_of_the_other_singular_values() -> None:
    matrix = np.random.default_rng(1).normal(size=(40, 12))
    scores, missed = factorised(matrix, width=5)
    singular = np.square(np.linalg.svd(matrix, compute_uv=False))
    assert missed == pytest.approx(singular[5:].sum() / singular.sum(), rel=1e-6)
    rest = matrix - scores.block(0, 40)
    assert np.square(rest).sum() / np.square(matrix).sum() == pytest.approx(missed, rel=1e-4)


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_a_matrix_of_low_rank_gets_narrow_embeddings_of_equal_lengths(
    shape: tuple[int, int],
) -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(shape[0], 3)) @ rng.normal(size=(3, shape[1]))
    scores, missed = factorised(matrix, width=10)
    assert scores.users.shape[1] == 3
    assert missed < 1e-9
    np.testing.assert_allclose(scores.block(0, shape[0]), matrix, atol=1e-4)
    lengths = [np.square(side).sum(axis=0) for side in (scores.users, scores.items)]
    np.testing.assert_allclose(*lengths, rtol=1e-4)
    nothing, missed = factorised(np.zeros(shape), width=10)
    assert (nothing.users.shape[1], missed) == (1, 0.0)
    assert not nothing.block(0, shape[0]).any()


def test_the_range_is_that_of_all_scores_in_any_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    scores = FactoredScores(rng.normal(size=(50, 3)), rng.normal(size=(7, 3)))
    monkeypatch.setattr("causal_ranker.coldstart.scores._CELLS", 40)
    whole = scores.users @ scores.items.T
    assert scores.range() == pytest.approx((whole.min(), whole.max()), rel=1e-6)


def test_a_map_is_applied_to_a_one_behind_each_embedding() -> None:
    weights = np.array([[1.0, 0.0], [2.0, 1.0]])  # one factor and the intercept, two users
    scores = ScoreMap(weights)(np.array([[3.0], [-1.0]]))
    np.testing.assert_allclose(scores.block(0, 2), [[5, 1], [1, 1]])


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_told_with_their_users(spoilt: float) -> None:
    matrix = np.zeros((2000, 3))
    matrix[1500, 1] = spoilt
    audience = Audience.from_pairs(np.array([0]), np.array([0]), shape=(2000, 3))
    with pytest.raises(RowError, match=r"scores of users from 1024.*1 of 976"):
        evaluate(MatrixScores(matrix), audience=audience, lengths=(1,))
    with pytest.raises(RowError, match=r"1 of 1 users, e\.g\. users \[7\]"):
        ranks_of(np.array([[0.0, spoilt]], dtype=np.float32), first_user=7)


def test_bad_input_is_told() -> None:
    with pytest.raises(SchemaError, match=r"widths 2 \(users\) and 3"):
        FactoredScores(np.ones((4, 2)), np.ones((4, 3)))
    with pytest.raises(RowError, match="single precision"):
        FactoredScores(np.full((4, 2), 1e300), np.ones((4, 2)))
    with pytest.raises(ConfigError, match="a width from 1 to 3"):
        factorised(np.ones((5, 3)), width=4)
    with pytest.raises(ConfigError, match="a width from 1 to 2"):
        factorised(np.ones((2, 3)), width=3)
    for wrong in (np.ones(3), np.ones((3, 0)), np.array([["a"]])):
        with pytest.raises(SchemaError, match=r"numbers of shape \(rows, width\) in 'scores'"):
            MatrixScores(wrong)
    with pytest.raises(SchemaError, match=r"width 2, as in the fit; got width 3"):
        ScoreMap(np.ones((3, 4)))(np.ones((5, 3)))
    audience = Audience.from_pairs(np.array([0]), np.array([0]), shape=(5, 4))
    with pytest.raises(SchemaError, match=r"shape \(5, 3\)"):
        evaluate(MatrixScores(np.ones((5, 3))), audience=audience, lengths=(1,))
