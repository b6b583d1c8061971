"""The HTTP service around a published model, asked over a real socket."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.errors import MissingExtraError
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.app import create_app
from causal_ranker.serving.bundle import Bundle, load_bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.model import Scorer
from causal_ranker.serving.service import Service
from tests.serving.running import Running
from tests.serving.shop import ITEM_IDS, StubModel

SENT = [{"item_id": "item-03", "base_score": 0.2}, {"item_id": "item-07", "base_score": 0.9}]
#: The machine may be busy; what happens at the deadline is tested without HTTP.
PATIENT = ServeConfig(deadline_ms=20_000, explain_ms=20_000)


def around(bundle: Bundle) -> Running:
    return Running(create_app(Service(bundle, config=PATIENT)))


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Running]:
    with around(load_bundle(published)) as running:
        yield running


def test_health(service: Running) -> None:
    assert service.get("/healthz") == (200, {"status": "ok"})
    assert service.get("/readyz") == (200, {"status": "ok"})


def test_a_list_equals_that_of_the_library(service: Running, bundle: Bundle) -> None:
    sent = [(c["item_id"], c["base_score"]) for c in SENT]
    asked = ((100, None, None), (117, None, 3), (103, sent, None), (9, sent, 1), (9, None, 2))
    for user, candidates, k in asked:
        body: dict[str, Any] = {"user_id": user}
        if candidates is not None:
            body["candidates"] = SENT
        if k is not None:
            body["k"] = k
        status, answer = service.post(body)
        expected = rerank(bundle, user, candidates=candidates, k=k)
        assert status == 200
        assert answer == {
            "user_id": user,
            "items": [row | {"propensity": 1.0} for row in expected.records()],
            "decision_id": None,  # there is no log
            "version": bundle.version,
            "fallback": expected.fallback,
            "explored": False,
            "holdout": False,
            "relaxed": [],
        }


def test_an_item_is_explained_as_the_list_has_it(service: Running) -> None:
    listed = service.post({"user_id": 100, "candidates": SENT})[1]["items"]
    body = json.dumps({"user_id": 100, "candidates": SENT, "item_id": "item-07"}).encode()
    status, answer = service.ask("POST", "/v1/explain", body)
    assert status == 200
    (item,) = [item for item in listed if item["item_id"] == "item-07"]
    assert answer["item"]["uplift"] == item["uplift"]
    parts = answer["average"] + sum(each["uplift"] for each in answer["influences"])
    assert parts == pytest.approx(item["uplift"], abs=1e-12)


def test_events_without_a_log_are_not_accepted(service: Running) -> None:
    event = {"type": "play", "item_id": 1, "at": "2026-03-01T00:00:00+01:00"}
    body = json.dumps({"user_id": 1, "events": [event]}).encode()
    status, answer = service.ask("POST", "/v1/events", body)
    assert (status, list(answer)) == (503, ["error"])


def test_an_unknown_user(service: Running) -> None:
    status, answer = service.post({"user_id": "nobody", "candidates": SENT})
    assert (status, answer["fallback"]) == (200, "unknown_user")
    assert [row["item_id"] for row in answer["items"]] == ["item-07", "item-03"]
    assert [row["uplift"] for row in answer["items"]] == [None, None]
    status, answer = service.post({"user_id": "nobody"})
    assert (status, answer["fallback"]) == (200, "unknown_user")
    assert sorted(row["item_id"] for row in answer["items"]) == ITEM_IDS.tolist()
    scores = [row["base_score"] for row in answer["items"]]
    assert scores == sorted(scores, reverse=True)


def test_an_unknown_user_with_nothing_to_fall_back_to_is_404_and_counted(bundle: Bundle) -> None:
    with around(replace(bundle, base=None)) as service:
        status, answer = service.post({"user_id": "nobody"})
        counted = service.get("/v1/version")[1]["fallbacks"]
    assert status == 404
    assert "user 'nobody'" in answer["error"]
    assert "send candidates" in answer["error"]
    assert counted == {"unknown_user": 1}


def test_version_and_counts(published: Path) -> None:
    bundle = load_bundle(published)
    nan = StubModel(lambda X: X[:, 0] * float("nan"))
    broken = replace(bundle, uplift=Scorer(model=nan, plan=bundle.uplift.plan))  # type: ignore[arg-type]
    with around(broken) as service:
        for user in (100, 101, 7):
            assert service.post({"user_id": user, "candidates": SENT})[0] == 200
        status, answer = service.get("/v1/version")
    assert status == 200
    assert answer["version"] == bundle.version
    assert answer["policy"] == {"kind": "uplift"}
    assert answer["requests"] == 3
    assert answer["fallbacks"] == {"model_not_finite": 2, "unknown_user": 1}


def test_metrics_of_the_service_and_of_http_stand_on_one_page(service: Running) -> None:
    service.post({"user_id": 100, "candidates": SENT})
    connection = http.client.HTTPConnection(*service.address, timeout=20)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'causal_ranker_requests_total{role="current"}' in text
    assert 'causal_ranker_http_responses_total{path="/v1/rerank",status="200"}' in text


@pytest.mark.parametrize("module", ["msgspec", "prometheus_client", "starlette"])
def test_the_extra_is_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    service = Service(bundle)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"causal-ranker\[serve\]"):
        create_app(service)
