"""What the service answers: the model's list for what was sent, and a refusal of what cannot be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError, UnknownUserError
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import RerankAnswer
from tests.serving.asking import PATIENT, assert_base_order, ids
from tests.serving.fakes import MemoryLog, exit_process, explode, request, running, stubbed, value
from tests.serving.shop import ITEM_IDS, ITEMS, Shop

SENT_THREE = [("item-03", 0.2), ("item-07", 0.9), ("item-00", 0.2)]


def test_a_list_is_what_the_model_says(shop: Shop, bundle: Bundle) -> None:
    async def run() -> RerankAnswer:
        async with running(Service(bundle, config=PATIENT)) as service:
            return await service.rerank(request(105, sent=SENT_THREE, k=2))

    got = asyncio.run(run())
    items, score, rank = np.array([3, 7, 0]), np.array([0.2, 0.9, 0.2]), np.array([2, 1, 3])
    uplift = shop.uplift.predict(shop.uplift_features(5, items, score, rank), num_threads=1)
    order = np.lexsort((rank, -np.asarray(uplift)))[:2]
    assert ids(got) == ITEM_IDS[items[order]].tolist()
    assert [each.uplift for each in got.items] == np.asarray(uplift)[order].tolist()
    assert [each.base_rank for each in got.items] == rank[order].tolist()
    assert [each.propensity for each in got.items] == [1.0, 1.0]
    assert (got.version, got.fallback, got.decision_id) == (bundle.version, None, None)


def test_moment_and_context_reach_the_models(shop: Shop, bundle: Bundle) -> None:
    async def run(**more: Any) -> RerankAnswer:
        async with running(Service(bundle, config=PATIENT)) as service:
            return await service.rerank(request(105, sent=SENT_THREE, **more))

    items, score, rank = np.array([3, 7, 0]), np.array([0.2, 0.9, 0.2]), np.array([2, 1, 3])
    X = shop.uplift_features(5, items, score, rank)
    # device: a level that training knew, one that it did not; None is missing, too
    for device, code in (("tv", 0.0), ("watch", np.nan), (None, np.nan)):
        X[:, 1], X[:, 4], X[:, 8] = 71.0, 3.0, code
        got = asyncio.run(run(moment={"week": 3.0, "device": device}, context={"age": 71.0}))
        expected = np.asarray(shop.uplift.predict(X, num_threads=1))
        by_item = {each.item_id: each.uplift for each in got.items}
        assert [by_item[ITEM_IDS[item]] for item in items] == expected.tolist()
        assert np.unique(expected).size > 1
    # and the base model, where it is asked
    X_base = shop.base_features(5, np.arange(ITEMS))
    X_base[:, 2], X_base[:, 3] = 71.0, 3.0

    async def own() -> RerankAnswer:
        async with running(Service(bundle, config=PATIENT)) as service:
            return await service.rerank(
                request(105, sent=None, moment={"week": 3.0}, context={"age": 71.0})
            )

    by_item = {each.item_id: each.base_score for each in asyncio.run(own()).items}
    base = np.asarray(shop.base.predict(X_base, num_threads=1))
    assert [by_item[item] for item in ITEM_IDS] == base.tolist()
    assert not np.array_equal(base, shop.base.predict(shop.base_features(5, np.arange(ITEMS))))


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"moment": {"week": "third"}}, SchemaError, "a number for 'week'"),
        ({"moment": {"\ud800": 3.0}}, RowError, "surrogate"),
        ({"context": {"age": "old"}}, SchemaError, "a number for 'age'"),
        ({"moment": {"week": float("inf")}}, SchemaError, "finite"),
        ({"moment": {"week": 10**400}}, SchemaError, "finite"),
        ({"sent": []}, EmptyError, "empty list"),
        ({"sent": [("a", float("nan"))]}, RowError, "nan"),
        ({"sent": [("a", 1.0), ("a", 2.0)]}, RowError, "repeated"),
        ({"sent": [("\ud800", 1.0)]}, RowError, "surrogate"),
        ({"sent": [(1 << 63, 1.0)]}, RowError, "64 bits"),
        ({"user": -(1 << 63) - 1}, RowError, "64 bits"),
        ({"columns": {"genre": ["drama"] * 3}}, RowError, "each of 4 candidates"),
        ({"sent": None, "columns": {"genre": ["drama"]}}, ConfigError, "columns alone"),
    ],
)
def test_what_cannot_be_is_refused(
    bundle: Bundle, more: dict[str, Any], error: type[Exception], message: str
) -> None:
    async def run() -> None:
        log = MemoryLog()
        async with running(Service(bundle, config=PATIENT, log=log)) as service:
            with pytest.raises(error, match=message):
                await service.rerank(request(**more))
            assert log.records == []

    asyncio.run(run())


def test_an_unknown_user(bundle: Bundle) -> None:
    async def run() -> None:
        bare = replace(bundle, base=None)
        async with running(Service(bare, config=PATIENT)) as service:
            assert_base_order(await service.rerank(request(99)), "unknown_user")
            with pytest.raises(UnknownUserError, match="user 99"):
                await service.rerank(request(99, sent=None))
            with pytest.raises(EmptyError, match="no base model"):
                await service.rerank(request(105, sent=None))
            assert value(service, "unknown_users_total") == 2
            assert value(service, "circuit") == 0

    asyncio.run(run())


def test_what_is_missing_is_counted(bundle: Bundle) -> None:
    async def run() -> None:
        async with running(Service(bundle, config=PATIENT)) as service:
            await service.rerank(request())
            # genre and price of the item that nobody knows; pairs without history lack nothing
            assert value(service, "missing_features_total") == 2
            assert value(service, "unknown_items_total") == 1
            await service.rerank(request(sent=SENT_THREE, moment={"device": None}))
            assert value(service, "missing_features_total") == 2 + 3
            assert service.metrics.registry.get_sample_value(
                "causal_ranker_latency_seconds_count"
            ) == value(service, "requests_total", role="current")

    asyncio.run(run())


def test_of_the_bundles_own_candidates_the_best_are_ranked(
    shop: Shop, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 5
    monkeypatch.setattr("causal_ranker.serving.intake.MOST_ITEMS", most)

    async def run(served: Bundle, user: int = 105) -> tuple[RerankAnswer, MemoryLog]:
        log = MemoryLog()
        async with running(Service(served, config=PATIENT, log=log)) as service:
            return await service.rerank(request(user, sent=None)), log

    base = np.asarray(shop.base.predict(shop.base_features(5, np.arange(ITEMS)), num_threads=1))
    best = np.argsort(-base, kind="stable")[:most]
    got, log = asyncio.run(run(bundle))
    rank = np.arange(1, most + 1)
    X = shop.uplift_features(5, best, base[best], rank)
    uplift = np.asarray(shop.uplift.predict(X, num_threads=1))
    order = np.lexsort((rank, -uplift))
    assert (got.fallback, ids(got)) == (None, ITEM_IDS[best[order]].tolist())
    assert [each.uplift for each in got.items] == uplift[order].tolist()
    assert sorted(log.decisions[0].items) == sorted(ids(got))
    # of a user nobody knows, and where nothing can score them, too
    unknown, log = asyncio.run(run(bundle, user=1))
    assert (unknown.fallback, len(unknown.items)) == ("unknown_user", most)
    assert len(log.decisions[0].items) == most
    for broken in (
        stubbed(bundle, explode, which="base"),
        stubbed(bundle, exit_process, which="base"),
    ):
        alone, _ = asyncio.run(run(broken))
        assert alone.fallback is not None
        assert ids(alone) == ITEM_IDS[:most].tolist()
