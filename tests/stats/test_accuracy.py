from __future__ import annotations

import warnings
from math import log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats.accuracy import accuracy_at_k, list_coverage, novelty

METRICS = ("ndcg", "recall", "precision", "reciprocal_rank", "average_precision")


def draw(seed: int, *, requests: int = 25, items: int = 12) -> tuple[Any, Any, Any]:
    """Ranks, plays and requests in a random order of rows; requests of 1 to `items` candidates."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, items + 1, requests)
    request = np.repeat(np.arange(requests), sizes)
    rank = np.concatenate([rng.permutation(size) + 1 for size in sizes])
    played = rng.random(request.size) < rng.uniform(0, 0.6, requests)[request]
    shuffled = rng.permutation(request.size)
    return rank[shuffled], played[shuffled], request[shuffled]


def slow(rank: Any, played: Any, request: Any, k: int) -> dict[str, list[float]]:
    """The definitions, request by request and place by place."""
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for code in range(request.max() + 1):
        at = {int(r): bool(p) for r, p, c in zip(rank, played, request, strict=True) if c == code}
        positives = sum(at.values())
        if not positives:
            for name in METRICS:
                found[name].append(float("nan"))
            continue
        dcg = average = first = 0.0
        hits = 0
        for place in range(1, k + 1):
            if at.get(place, False):
                hits += 1
                dcg += 1 / log2(1 + place)
                average += hits / place
                first = first or 1 / place
        best = min(positives, k)
        found["ndcg"].append(dcg / sum(1 / log2(1 + place) for place in range(1, best + 1)))
        found["recall"].append(hits / positives)
        found["precision"].append(hits / k)
        found["reciprocal_rank"].append(first)
        found["average_precision"].append(average / best)
    return found


def counts(played: Any, request: Any) -> Any:
    return np.bincount(request, weights=played)


def test_by_hand() -> None:
    # request 0: plays at 1 and 3, a third one behind the list; request 1: nothing played
    found = accuracy_at_k([1, 2, 3, 1], [1, 0, 1, 0], [0, 0, 0, 1], relevant=[3, 0], k=3)
    assert found.ndcg[0] == pytest.approx((1 + 1 / 2) / (1 + 1 / log2(3) + 1 / 2))
    assert found.recall[0] == pytest.approx(2 / 3)
    assert found.precision[0] == pytest.approx(2 / 3)
    assert found.reciprocal_rank[0] == 1
    assert found.average_precision[0] == pytest.approx((1 + 2 / 3) / 3)
    for name in METRICS:
        assert np.isnan(getattr(found, name)[1])


@pytest.mark.parametrize("k", [1, 3, 12, 40])
def test_by_loops(k: int) -> None:
    rank, played, request = draw(k)
    found = accuracy_at_k(rank, played, request, relevant=counts(played, request), k=k)
    for name, wanted in slow(rank, played, request, k).items():
        np.testing.assert_allclose(getattr(found, name), wanted, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("k", [1, 4, 12])
def test_scikit_learn_says_the_same(k: int) -> None:
    rank, played, request = draw(7)
    relevant = counts(played, request)
    found = accuracy_at_k(rank, played, request, relevant=relevant, k=k)
    whole = accuracy_at_k(rank, played, request, relevant=relevant, k=12)
    compared = 0
    for code in np.flatnonzero(relevant):
        y, r = played[request == code].astype(int), rank[request == code]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a request where everything was played
            average = average_precision_score(y, -r)
        assert whole.average_precision[code] == pytest.approx(average)
        if y.size > 1:  # scikit-learn has no NDCG of one document
            assert found.ndcg[code] == pytest.approx(ndcg_score([y], [-r], k=k))
            compared += 1
    assert compared > 10


@given(st.integers(0, 10_000), st.integers(1, 14))
def test_between_0_and_the_best_list(seed: int, k: int) -> None:
    rank, played, request = draw(seed, requests=4)
    relevant = counts(played, request)
    order = np.lexsort((~played, request))
    best = np.empty_like(rank)
    best[order] = np.concatenate([np.arange(1, n + 1) for n in np.bincount(request)])
    found, top = (accuracy_at_k(r, played, request, relevant=relevant, k=k) for r in (rank, best))
    some = relevant > 0
    for name in METRICS:
        mine, ideal = getattr(found, name)[some], getattr(top, name)[some]
        assert ((mine >= 0) & (mine <= ideal + 1e-12)).all()
    for name in ("ndcg", "reciprocal_rank", "average_precision"):
        np.testing.assert_allclose(getattr(top, name)[some], 1.0)


def test_rows_behind_the_list_may_be_missing() -> None:
    rank, played, request = draw(3)
    relevant = counts(played, request)
    whole = accuracy_at_k(rank, played, request, relevant=relevant, k=4)
    kept = rank <= 4
    part = accuracy_at_k(rank[kept], played[kept], request[kept], relevant=relevant, k=4)
    # rows behind the list may also share one rank
    shared = accuracy_at_k(np.minimum(rank, 5), played, request, relevant=relevant, k=4)
    for name in METRICS:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name))
        np.testing.assert_array_equal(getattr(shared, name), getattr(whole, name))


def test_places_beyond_the_list_find_nothing() -> None:
    found = accuracy_at_k([1, 2], [1, 1], [0, 0], relevant=[2], k=8)
    assert found.precision[0] == pytest.approx(2 / 8)
    assert found.recall[0] == found.ndcg[0] == found.average_precision[0] == 1


def test_coverage_and_novelty() -> None:
    assert list_coverage([0, 2, 2, 0], catalogue=8) == pytest.approx(2 / 8)
    assert list_coverage([1], catalogue=2) == 0.5
    assert novelty([0.5, 0.25, 0.125, 0.125]) == pytest.approx((1 + 2 + 3 + 3) / 4)
    assert novelty([1.0]) == 0


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"k": 0}, ConfigError, "k"),
        ({"k": 1.5}, ConfigError, "k"),
        ({"rank": [0, 1]}, RowError, "rank"),
        ({"rank": [1, 1]}, RowError, "repeated"),
        ({"rank": [1, 2, 3]}, SchemaError, "played"),
        ({"played": [2, 0]}, RowError, "played"),
        ({"request": [0, 2]}, RowError, "request"),
        ({"request": [-1, 0]}, RowError, "request"),
        ({"relevant": [0, 1]}, RowError, "fewer in 1 of 2 requests"),
        ({"relevant": [-1, 1]}, RowError, "relevant"),
        ({"relevant": [1.5, 1]}, RowError, "relevant"),
    ],
)
def test_input_is_checked(changed: dict[str, Any], error: type[Exception], words: str) -> None:
    good: dict[str, Any] = {
        "rank": [1, 2],
        "played": [1, 0],
        "request": [0, 0],
        "relevant": [1, 0],
        "k": 2,
    }
    accuracy_at_k(good["rank"], good["played"], good["request"], relevant=[1, 0], k=2)
    given = good | changed
    with pytest.raises(error, match=words):
        accuracy_at_k(
            given["rank"],
            given["played"],
            given["request"],
            relevant=given["relevant"],
            k=given["k"],
        )


def test_what_is_no_share_or_no_item_is_refused() -> None:
    for bad in ([0.0], [1.5], [np.nan]):
        with pytest.raises(RowError, match="share"):
            novelty(bad)
    with pytest.raises(RowError, match="catalogue"):
        list_coverage([0, 3], catalogue=3)
    with pytest.raises(ConfigError, match="catalogue"):
        list_coverage([0], catalogue=0)
