"""Re-ranking one user: recomputed by hand, and the base order whatever fails."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, EmptyError, RowError, UnknownUserError
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy
from causal_ranker.serving.adapter import RerankedList, rerank
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from causal_ranker.serving.model import Scorer
from tests.serving.shop import ITEM_IDS, ITEMS, USER_IDS, Shop, StubModel, few_candidates

SENT = [("item-03", 0.2), ("item-07", 0.9), ("item-00", 0.2), ("never-seen", 0.5)]
BASE_ORDER = ("item-07", "never-seen", "item-03", "item-00")


def broken(bundle: Bundle, answer: Any, *, which: str = "uplift") -> Bundle:
    scorer = getattr(bundle, which)
    return replace(bundle, **{which: Scorer(model=StubModel(answer), plan=scorer.plan)})


def explode(X: Any) -> Any:
    raise MemoryError("out of trees")


def test_a_known_user_gets_what_the_models_say(shop: Shop, bundle: Bundle) -> None:
    for user in (0, 3, 17):  # user 3 has no history
        items = np.arange(ITEMS)
        base = np.asarray(shop.base.predict(shop.base_features(user, items), num_threads=1))
        base_rank = np.empty(ITEMS, dtype=int)
        base_rank[np.lexsort((items, -base))] = np.arange(1, ITEMS + 1)
        X = shop.uplift_features(user, items, base, base_rank)
        uplift = np.asarray(shop.uplift.predict(X, num_threads=1))
        order = np.lexsort((base_rank, -uplift))
        assert np.unique(uplift).size > 3  # else the comparison says little

        got = rerank(bundle, int(USER_IDS[user]))
        assert got.fallback is None
        assert got.items == tuple(ITEM_IDS[order])
        np.testing.assert_array_equal(got.base_score, base[order])
        np.testing.assert_array_equal(got.base_rank, base_rank[order])
        np.testing.assert_array_equal(got.uplift, uplift[order])
        np.testing.assert_array_equal(got.score, uplift[order])
        np.testing.assert_array_equal(got.rank, np.arange(1, ITEMS + 1))


def test_sent_base_scores_enter_the_features(shop: Shop, bundle: Bundle) -> None:
    items = np.array([3, 7, 0])
    score, rank = np.array([0.2, 0.9, 0.2]), np.array([2, 1, 3])
    uplift = np.asarray(
        shop.uplift.predict(shop.uplift_features(5, items, score, rank), num_threads=1)
    )
    got = rerank(bundle, int(USER_IDS[5]), candidates=SENT[:3])
    by_item = dict(zip(got.items, zip(got.uplift, got.base_rank, strict=True), strict=True))
    for place, item in enumerate(items):
        assert by_item[ITEM_IDS[item]] == (uplift[place], rank[place])


def test_an_unknown_item_takes_the_missing_path_and_is_counted(shop: Shop, bundle: Bundle) -> None:
    got = rerank(bundle, int(USER_IDS[5]), candidates=SENT)
    X = shop.uplift_features(5, np.array([0]), np.array([0.5]), np.array([2]))
    X[0, [3, 6]] = np.nan  # genre and price
    X[0, 0], X[0, 5] = 0.0, np.nan  # no history
    expected = shop.uplift.predict(X, num_threads=1)[0]
    assert got.fallback is None
    assert got.uplift[got.items.index("never-seen")] == expected
    assert bundle.counts.unknown_items == 1


def test_k_cuts_after_ranking(bundle: Bundle) -> None:
    whole, short = rerank(bundle, 100), rerank(bundle, 100, k=4)
    assert short.items == whole.items[:4]
    np.testing.assert_array_equal(short.base_rank, whole.base_rank[:4])
    assert rerank(bundle, 100, k=1000).items == whole.items


def test_policies_of_the_bundle_are_obeyed(bundle: Bundle) -> None:
    base_order = rerank(replace(bundle, policy=BasePolicy()), 100)
    np.testing.assert_array_equal(base_order.base_rank, np.arange(1, ITEMS + 1))
    blend = rerank(replace(bundle, policy=BlendPolicy(0.5)), 100)
    z = [(x - x.mean()) / x.std() for x in (blend.base_score, blend.uplift)]
    np.testing.assert_allclose(blend.score, 0.5 * z[0] + 0.5 * z[1], atol=1e-12)
    assert (np.diff(blend.score) <= 0).all()


def test_numpy_ids_are_the_same_ids(bundle: Bundle) -> None:
    plain = rerank(bundle, 105, candidates=SENT)
    boxed = [(np.str_(item), np.float64(score)) for item, score in SENT]
    got = rerank(bundle, np.int64(105), candidates=boxed)  # type: ignore[arg-type]
    assert got.items == plain.items
    assert all(type(item) is str for item in got.items)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (explode, "model_error"),
        (lambda X: np.full(len(X), np.nan), "model_not_finite"),
        (lambda X: np.r_[np.zeros(len(X) - 1), np.inf], "model_not_finite"),
        (lambda X: np.zeros(len(X) + 1), "model_wrong_length"),
        (lambda X: np.zeros((len(X), 2)), "model_wrong_length"),
    ],
)
def test_a_failing_uplift_model_leaves_the_base_order(
    bundle: Bundle, answer: Any, reason: str
) -> None:
    got = rerank(broken(bundle, answer), 105, candidates=SENT)
    assert_base_order(got, reason)
    assert bundle.counts.fallbacks == {reason: 1}
    assert bundle.counts.requests == 1


def assert_base_order(got: RerankedList, reason: str) -> None:
    assert got.fallback == reason
    assert got.items == BASE_ORDER
    assert np.isnan(got.uplift).all()
    np.testing.assert_array_equal(got.score, [0.9, 0.5, 0.2, 0.2])
    np.testing.assert_array_equal(got.base_rank, [1, 2, 3, 4])
    assert [row["uplift"] for row in got.records()] == [None] * 4


def test_a_failing_policy_leaves_the_base_order(bundle: Bundle) -> None:
    class Policy:
        kind = "broken"

        def score(self, base_score: Any, uplift: Any, *, request: Any) -> Any:
            raise ZeroDivisionError

    assert_base_order(rerank(replace(bundle, policy=Policy()), 105, candidates=SENT), "model_error")


def test_a_failing_model_is_logged_without_the_user(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rerank(broken(bundle, explode), 105, candidates=SENT)
    assert "out of trees" in caplog.text
    assert "105" not in caplog.records[0].getMessage()


@pytest.mark.parametrize(
    "answer", [explode, lambda X: np.full(len(X), np.nan), lambda X: np.zeros(3)]
)
def test_a_failing_base_model_still_gives_a_list(bundle: Bundle, answer: Any) -> None:
    got = rerank(broken(bundle, answer, which="base"), 105, k=5)
    assert got.fallback == "base_model_error"
    assert got.items == tuple(ITEM_IDS[:5])
    assert [row["base_score"] for row in got.records()] == [None] * 5
    # with scores from the caller the base model is not asked
    assert rerank(broken(bundle, answer, which="base"), 105, candidates=SENT).fallback is None


def test_an_unknown_user_gets_the_base_order(bundle: Bundle) -> None:
    assert_base_order(rerank(bundle, 99, candidates=SENT), "unknown_user")
    assert_base_order(rerank(bundle, "105", candidates=SENT), "unknown_user")
    assert bundle.counts.fallbacks == {"unknown_user": 2}


@pytest.mark.parametrize("few", [False, True])
def test_an_unknown_user_without_a_list_gets_the_base_order_of_every_item(
    shop: Shop, bundle: Bundle, few: bool
) -> None:
    if few:  # what others may choose from says nothing of this user
        bundle = replace(bundle, candidates=few_candidates())
    X = shop.base_features(0, np.arange(ITEMS))
    X[:, 1], X[:, 2] = 0.0, np.nan  # no history, and an age that nobody knows
    base = np.asarray(shop.base.predict(X, num_threads=1))
    order = np.lexsort((np.arange(ITEMS), -base))
    assert np.unique(base).size > 1

    got = rerank(bundle, 99)
    assert got.fallback == "unknown_user"
    assert got.items == tuple(ITEM_IDS[order])
    np.testing.assert_array_equal(got.base_score, base[order])
    np.testing.assert_array_equal(got.base_rank, np.arange(1, ITEMS + 1))
    assert np.isnan(got.uplift).all()
    assert rerank(bundle, "105", k=3).items == got.items[:3]
    assert bundle.counts.fallbacks == {"unknown_user": 2}
    assert bundle.counts.requests == 2
    assert bundle.counts.unknown_items == 0


def test_an_unknown_user_has_no_features_not_those_of_somebody_else(
    shop: Shop, bundle: Bundle
) -> None:
    seen: list[Any] = []

    def watch(X: Any) -> Any:
        seen.append(X)
        return np.zeros(len(X))

    rerank(broken(bundle, watch, which="base"), 99)
    expected = shop.base_features(0, np.arange(ITEMS))
    expected[:, 1], expected[:, 2] = 0.0, np.nan
    np.testing.assert_array_equal(seen, [expected])
    X = bundle.uplift.plan.matrix(-1, np.arange(ITEMS))
    assert np.isnan(X[:, [1, 5]]).all()  # age, and the days since a play that never was
    assert (X[:, 0] == 0).all()


def test_a_failing_base_model_is_told_of_an_unknown_user_too(bundle: Bundle) -> None:
    got = rerank(broken(bundle, explode, which="base"), 99)
    assert got.fallback == "base_model_error"
    assert got.items == tuple(ITEM_IDS)
    assert bundle.counts.fallbacks == {"base_model_error": 1}


def test_an_unknown_user_with_nothing_to_fall_back_to_is_an_error_that_counts(
    bundle: Bundle,
) -> None:
    bare = replace(bundle, base=None)
    with pytest.raises(UnknownUserError, match="user 99"):
        rerank(bare, 99)
    assert bare.counts.fallbacks == {"unknown_user": 1}
    assert bare.counts.requests == 1
    assert_base_order(rerank(bare, 99, candidates=SENT), "unknown_user")


@pytest.mark.parametrize("arguments", [{"candidates": SENT}, {}])
def test_an_unknown_user_is_an_error_when_asked(bundle: Bundle, arguments: dict[str, Any]) -> None:
    with pytest.raises(UnknownUserError, match="user 99"):
        rerank(bundle, 99, strict=True, **arguments)
    assert bundle.counts.requests == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 0}, ConfigError, "k of 1 or more"),
        ({"candidates": SENT, "k": -1}, ConfigError, "got -1"),
        ({"candidates": []}, EmptyError, "empty list"),
        ({"candidates": [("a", 1.0), ("b", 1.0), ("a", 2.0)]}, RowError, "1 repeated, e.g. 'a'"),
        ({"candidates": [("a", float("nan"))]}, RowError, "nan for item 'a'"),
        ({"candidates": [("a", 1.0), ("b", float("-inf"))]}, RowError, "-inf for item 'b'"),
        ({"candidates": ["abc"]}, RowError, "pairs"),
        ({"candidates": [([], 1.0)]}, RowError, "pairs"),
        ({"candidates": [("a", 10**400)]}, RowError, "pairs"),
        ({"candidates": [("a", None)]}, RowError, "pairs"),
    ],
)
def test_impossible_requests_are_refused(
    bundle: Bundle, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        rerank(bundle, 105, **arguments)
    assert bundle.counts.requests == 0


def test_without_a_base_model_callers_send_scores(shop: Shop, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "m", contents=replace(shop.contents, base=None))
    bundle = load_bundle(path)
    assert rerank(bundle, 105, candidates=SENT).fallback is None
    with pytest.raises(EmptyError, match="no base model"):
        rerank(bundle, 105)


def test_candidates_of_the_bundle(shop: Shop, tmp_path: Path) -> None:
    contents = replace(shop.contents, candidates=few_candidates())
    bundle = load_bundle(write_bundle(tmp_path / "m", contents=contents))
    assert set(rerank(bundle, 101).items) == {"item-01", "item-06"}
    assert set(rerank(bundle, 113).items) == {"item-01", "item-06"}
    empty = rerank(bundle, 100)
    assert empty.items == ()
    assert empty.fallback is None


finite = st.floats(allow_nan=False, allow_infinity=False)
candidate_lists = st.lists(
    st.tuples(st.sampled_from([*ITEM_IDS.tolist(), "x", "y", "", 5]), finite),
    min_size=1,
    unique_by=lambda pair: pair[0],
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    user=st.sampled_from([100, 103, 139, 7, "who"]),
    candidates=candidate_lists,
    k=st.none() | st.integers(1, 20),
    weight=st.floats(0, 1),
)
def test_every_list_is_a_truncated_permutation(
    bundle: Bundle, user: Any, candidates: Any, k: int | None, weight: float
) -> None:
    blend = replace(bundle, policy=BlendPolicy(weight))
    whole = rerank(blend, user, candidates=candidates)
    sent = dict(candidates)
    assert set(whole.items) == set(sent)
    assert len(whole.items) == len(sent)
    assert [sent[item] for item in whole.items] == whole.base_score.tolist()
    assert sorted(whole.base_rank.tolist()) == list(range(1, len(sent) + 1))
    assert (np.diff(whole.score) <= 0).all()
    tied = np.diff(whole.score) == 0
    assert (np.diff(whole.base_rank)[tied] > 0).all()
    short = rerank(blend, user, candidates=candidates, k=k)
    assert short.items == whole.items[:k]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(candidates=candidate_lists, reason=st.sampled_from(["unknown_user", "model_error"]))
def test_every_fall_back_is_the_exact_base_order(
    bundle: Bundle, candidates: Any, reason: str
) -> None:
    logging.disable(logging.WARNING)
    try:
        user = 7 if reason == "unknown_user" else 105
        got = rerank(broken(bundle, explode), user, candidates=candidates)
    finally:
        logging.disable(logging.NOTSET)
    assert got.fallback == reason
    expected = sorted(candidates, key=lambda pair: -pair[1])  # Python's sort is stable
    assert got.items == tuple(item for item, _ in expected)
