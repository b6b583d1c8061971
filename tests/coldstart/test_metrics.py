from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.coldstart.metrics import evaluate_embeddings, fairness_of
from causal_ranker.coldstart.ranking import Audience, ranked_blocks, rows_at_once
from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError


def draw(seed: int, users: int = 40, items: int = 23) -> tuple[np.ndarray, np.ndarray, Audience]:
    rng = np.random.default_rng(seed)
    liked = rng.random((users, items)) < 0.2
    liked[0] = False  # a user without positives
    liked[:, 1] = False  # an item without audience
    who, what = np.nonzero(liked)
    audience = Audience.from_pairs(who, what, shape=(users, items))
    # small whole numbers tie often
    return (
        rng.integers(-2, 3, (users, 3)).astype(np.float32),
        rng.integers(-2, 3, (items, 3)).astype(np.float32),
        audience,
    )


def slow(
    users: np.ndarray, items: np.ndarray, liked: np.ndarray, k: int
) -> tuple[list[float], list[float]]:
    """Recall, precision and NDCG by users, and MDG by items, straight from the definitions."""
    per_user, gains = [], [[] for _ in range(len(items))]
    for u in range(len(users)):
        scores = [float(users[u] @ items[i]) for i in range(len(items))]
        order = sorted(range(len(items)), key=lambda i: (-scores[i], i))
        rank = {i: place for place, i in enumerate(order, start=1)}
        mine = [i for i in range(len(items)) if liked[u, i]]
        for i in mine:
            gains[i].append(1 / np.log2(1 + rank[i]) if rank[i] <= 100 else 0.0)
        if mine:
            hits = [i for i in order[:k] if liked[u, i]]
            ideal = sum(1 / np.log2(1 + r) for r in range(1, min(k, len(mine)) + 1))
            got = sum(1 / np.log2(1 + rank[i]) for i in hits)
            per_user.append((len(hits) / len(mine), len(hits) / k, got / ideal))
    return np.mean(per_user, axis=0).tolist(), [np.mean(g) if g else np.nan for g in gains]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 5, 23])
def test_it_is_the_definition(seed: int, k: int) -> None:
    users, items, audience = draw(seed)
    metrics = evaluate_embeddings(users, items, audience=audience, lengths=(k,))
    utility, gains = slow(users, items, audience.matrix.toarray() > 0, k)
    found = metrics.utility[k]
    np.testing.assert_allclose([found.recall, found.precision, found.ndcg], utility, rtol=1e-12)
    np.testing.assert_allclose(metrics.gains, gains, rtol=1e-12)
    assert metrics.users == (np.diff(audience.matrix.indptr) > 0).sum() < len(users)


def test_blocks_of_users_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    users, items, audience = draw(7)
    whole = evaluate_embeddings(users, items, audience=audience, lengths=(5,))
    monkeypatch.setattr("causal_ranker.coldstart.ranking._BLOCK", 7)
    parts = evaluate_embeddings(users, items, audience=audience, lengths=(5,))
    np.testing.assert_allclose(whole.gains, parts.gains, rtol=1e-12)  # sums in another order
    assert whole.utility[5].ndcg == pytest.approx(parts.utility[5].ndcg, rel=1e-12)


@pytest.mark.parametrize("n_items", [30_000, 5_000_000])
def test_blocks_of_long_lists_are_no_larger(n_items: int) -> None:
    asked = []

    class Recorded:
        shape = (40, n_items)

        def block(self, start: int, stop: int) -> np.ndarray:
            asked.append(min(stop, 40) - start)
            return np.zeros((1, 1), dtype=np.float32)  # nobody's positives are looked up in it

    nobody = np.array([], dtype=np.int64)
    audience = Audience.from_pairs(nobody, nobody, shape=Recorded.shape)
    assert sum(len(block.users) for block in ranked_blocks(Recorded(), audience=audience)) == 0
    assert sum(asked) == 40
    # 16 MiB of single precision, or one user
    assert max(asked) == max(1, min(40, (16 << 20) // 4 // n_items))
    assert rows_at_once(10) == 1024


@given(st.floats(0.01, 100), st.integers(0, 50))
def test_the_scale_of_scores_does_not_matter(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(9, 2)), rng.normal(size=(6, 2))
    audience = Audience.from_pairs(np.arange(9), np.arange(9) % 6, shape=(9, 6))
    first = evaluate_embeddings(users, items, audience=audience, lengths=(3,))
    second = evaluate_embeddings(users * np.float64(factor), items, audience=audience, lengths=(3,))
    np.testing.assert_allclose(first.gains, second.gains)


def test_closed_forms() -> None:
    # one user, items in order of position: the positive at rank 3 gains 1 / log2(4)
    users, items = np.ones((1, 1)), np.array([[3.0], [2.0], [1.0]])
    audience = Audience.from_pairs(np.array([0]), np.array([2]), shape=(1, 3))
    metrics = evaluate_embeddings(users, items, audience=audience, lengths=(2, 3))
    assert metrics.gains[2] == 0.5
    assert metrics.utility[2].ndcg == 0
    assert metrics.utility[3].ndcg == 0.5
    fairness = fairness_of(np.arange(10) / 10, sizes=np.arange(10))
    assert (fairness.lowest[10], fairness.lowest[50], fairness.highest) == (0, 0.2, 0.9)
    assert fairness.zeros == 0.1
    assert fairness.audience_correlation == pytest.approx(1)
    assert np.isnan(fairness_of(np.ones(3), sizes=np.arange(3)).audience_correlation)


def test_bad_input_is_told() -> None:
    users, items, audience = draw(0)
    with pytest.raises(ConfigError, match="from 1 to 23"):
        evaluate_embeddings(users, items, audience=audience, lengths=(24,))
    spoilt = items.copy()
    spoilt[2, 0] = np.nan
    with pytest.raises(RowError, match="1 of 23 rows with NaN or infinity"):
        evaluate_embeddings(users, spoilt, audience=audience, lengths=(5,))
    with pytest.raises(SchemaError, match=r"widths 2 \(users\) and 3 \(items\)"):
        evaluate_embeddings(users[:, :2], items, audience=audience, lengths=(5,))
    with pytest.raises(RowError, match="users from 0 to 2"):
        Audience.from_pairs(np.array([3]), np.array([0]), shape=(3, 1))
    for who, what in (([0, 1], [0]), ([0.5], [0]), ([[0]], [[0]]), (["a"], [0])):
        with pytest.raises(SchemaError, match="whole numbers of shape"):
            Audience.from_pairs(np.array(who), np.array(what), shape=(40, 23))
    nobody = Audience.from_pairs(np.array([]), np.array([]), shape=(40, 23))
    with pytest.raises(EmptyError, match="at least one pair"):
        evaluate_embeddings(users, items, audience=nobody, lengths=(5,))


@pytest.mark.slow
@pytest.mark.needs_data("ml1m_coldstart")
@pytest.mark.parametrize(
    ("name", "ndcg15", "ndcg30", "mean", "highest"),
    [("DropoutNet", 0.5489, 0.5316, 0.0553, 0.2295), ("DeepMusic", 0.5312, 0.5167, 0.0573, 0.2323)],
)
def test_published_embeddings_get_their_published_figures(
    data_folder: Path, name: str, ndcg15: float, ndcg30: float, mean: float, highest: float
) -> None:
    folder = data_folder / "ml1m_coldstart"
    pairs = pd.read_parquet(folder / "pairs.parquet")
    pairs = pairs[pairs["split"] == "cold_test"]
    with np.load(folder / f"emb_{name}.npz", allow_pickle=False) as stored:
        users, items = stored["U"], stored["I"]
    ranked = np.sort(pairs["iid"].unique())
    audience = Audience.from_pairs(
        pairs["uid"].to_numpy(np.int64),
        np.searchsorted(ranked, pairs["iid"].to_numpy()).astype(np.int64),
        shape=(len(users), len(ranked)),
    )
    metrics = evaluate_embeddings(users, items[ranked], audience=audience)
    assert metrics.utility[15].ndcg == pytest.approx(ndcg15, abs=1e-4)
    assert metrics.utility[30].ndcg == pytest.approx(ndcg30, abs=1e-4)
    assert metrics.fairness.mean == pytest.approx(mean, abs=1e-4)
    assert metrics.fairness.highest == pytest.approx(highest, abs=1e-4)
    assert metrics.fairness.lowest[10] == 0
