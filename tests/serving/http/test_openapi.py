"""The OpenAPI document says what the service does, no more and no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from benchmarks._serving_schema import hammer
from causal_ranker.serving.app import create_app
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.http import reading
from causal_ranker.serving.http.keys import KeyRing, new_key
from causal_ranker.serving.http.openapi import openapi_document
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import EventsRequest
from tests.serving.fakes import MemoryLog
from tests.serving.http.fake import FakeService

PATIENT = ServeConfig(deadline_ms=20_000, explain_ms=20_000)


@pytest.mark.slow
def test_two_thousand_requests_from_the_document(published: Path, tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys.json")
    service = Service(load_bundle(published), config=PATIENT, log=MemoryLog())
    app = create_app(service, keys=KeyRing(tmp_path / "keys.json"))
    told = hammer(app, cases=2_000, headers={"Authorization": f"Bearer {key}"})
    assert told.failures == []
    assert told.server_errors == 0
    assert told.cases >= 2_000
    # what is right by the document is not all refused for other reasons
    for path in ("/v1/rerank", "/v1/events", "/v1/explain"):
        assert told.statuses[path, 200] > 10, told.statuses
        assert told.statuses[path, 400] > 100


def test_a_service_that_lies_or_fails_is_found_out() -> None:
    async def events(told: Any) -> Any:
        if len(told.events) > 1:
            raise KeyError("x")
        return {"accepted": "all"}

    told = hammer(create_app(FakeService(events=events)), cases=0)  # type: ignore[arg-type]
    lies = [failure for failure in told.failures if "accepted" in failure]
    assert lies
    assert told.server_errors > 0
    assert len(told.failures) == len(lies) + told.server_errors


def test_a_decoder_that_takes_what_the_document_forbids_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Lax:
        def decode(self, body: bytes) -> EventsRequest:
            return EventsRequest(user_id=1, events=[])

    monkeypatch.setitem(reading._DECODERS, EventsRequest, Lax())  # type: ignore[arg-type]
    told = hammer(create_app(FakeService()), cases=0)  # type: ignore[arg-type]
    assert len(told.failures) > 50
    assert told.server_errors == 0


def test_every_route_stands_in_the_document_and_the_other_way_round() -> None:
    app = create_app(FakeService())  # type: ignore[arg-type]
    routes = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route) and route.include_in_schema
        for method in (route.methods or ())
        if method != "HEAD"
    }
    paths = openapi_document(with_keys=False)["paths"]
    assert routes == {(path, method) for path, found in paths.items() for method in found}


def test_it_says_that_hosts_are_looked_at_only_where_they_are() -> None:
    for only_here in (False, True):
        paths = openapi_document(with_keys=False, only_here=only_here)["paths"]
        for found in paths.values():
            assert all(("421" in each["responses"]) == only_here for each in found.values())


def test_it_says_who_needs_a_key_only_where_keys_are_asked_for() -> None:
    without, with_keys = openapi_document(with_keys=False), openapi_document(with_keys=True)
    assert "401" not in str(without)
    assert "securitySchemes" not in without["components"]
    rerank = with_keys["paths"]["/v1/rerank"]["post"]
    assert rerank["security"] == [{"key": []}]
    assert rerank["responses"]["401"]["headers"]["WWW-Authenticate"]["required"]


def test_it_holds_no_shape_of_older_json_schema() -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            assert not isinstance(value.get("items"), list)  # before 2020-12, a tuple
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(openapi_document(with_keys=True))
