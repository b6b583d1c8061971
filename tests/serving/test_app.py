"""The HTTP service, asked over a real socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal_ranker.errors import BundleError, ConfigError, MissingExtraError
from causal_ranker.serving import app as app_module
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.app import create_app, serve
from causal_ranker.serving.bundle import Bundle, load_bundle
from causal_ranker.serving.model import Scorer
from tests.serving.running import Running
from tests.serving.shop import ITEM_IDS, StubModel

ROOT = Path(__file__).parents[2]
SENT = [{"item_id": "item-03", "base_score": 0.2}, {"item_id": "item-07", "base_score": 0.9}]


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Running]:
    with Running(create_app(load_bundle(published))) as running:
        yield running


def test_health(service: Running) -> None:
    assert service.get("/healthz") == (200, {"status": "ok"})


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
            "items": expected.records(),
            "fallback": expected.fallback,
            "version": bundle.version,
        }


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
    with Running(create_app(replace(bundle, base=None))) as service:
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
    with Running(create_app(broken)) as service:
        for user in (100, 101, 7):
            assert service.post({"user_id": user, "candidates": SENT})[0] == 200
        status, answer = service.get("/v1/version")
    assert status == 200
    assert answer["version"] == bundle.version
    assert answer["policy"] == {"kind": "uplift"}
    assert answer["requests"] == 3
    assert answer["fallbacks"] == {"model_not_finite": 2, "unknown_user": 1}


BAD = {
    "no json": (b"{", "JSON"),
    "nothing": (b"", "JSON"),
    "a list": (b"[]", "object"),
    "no user": (b"{}", "user_id"),
    "unknown field": (b'{"user_id": 100, "users": 1}', "users"),
    "unknown inner field": (
        b'{"user_id": 100, "candidates": [{"item_id": 1, "base_score": 1, "x": 1}]}',
        "`x`",
    ),
    "user of another type": (b'{"user_id": 1.5}', "int | str"),
    "user is true": (b'{"user_id": true}', "bool"),
    "null k": (b'{"user_id": 100, "k": "3"}', "int"),
    "k of 0": (b'{"user_id": 100, "k": 0}', "k of 1 or more"),
    "negative k": (b'{"user_id": 100, "k": -2}', "k of 1 or more"),
    "no candidates": (b'{"user_id": 100, "candidates": []}', "empty list"),
    "a score of 1e400": (
        b'{"user_id": 100, "candidates": [{"item_id": 1, "base_score": 1e400}]}',
        "out of range",
    ),
    "a score of NaN": (
        b'{"user_id": 100, "candidates": [{"item_id": 1, "base_score": NaN}]}',
        "malformed",
    ),
    "a score as text": (
        b'{"user_id": 100, "candidates": [{"item_id": 1, "base_score": "1"}]}',
        "float",
    ),
    "an item twice": (
        b'{"user_id": 100, "candidates": [{"item_id": 1, "base_score": 1}, '
        b'{"item_id": 1, "base_score": 2}]}',
        "repeated",
    ),
    "a lone surrogate": (b'{"user_id": "\\ud800", "candidates": []}', "JSON"),
    "deep nesting": (b'{"user_id": ' + b"[" * 100_000, "JSON"),
    "no utf-8": (b'{"user_id": "\xff"}', "JSON"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_requests_are_400_with_one_line(service: Running, name: str) -> None:
    body, message = BAD[name]
    status, answer = service.ask("POST", "/v1/rerank", body)
    assert status == 400
    assert list(answer) == ["error"]
    assert message in answer["error"]
    assert "\n" not in answer["error"]


def test_other_paths_and_methods_answer_in_json(service: Running) -> None:
    assert service.get("/")[0] == 404
    assert service.get("/v1/rerank") == (405, {"error": "Method Not Allowed"})
    assert service.get("/healthz")[0] == 200


def test_a_large_body_is_refused_before_it_is_read(service: Running) -> None:
    connection = http.client.HTTPConnection(*service.address, timeout=20)
    connection.putrequest("POST", "/v1/rerank")
    connection.putheader("Content-Length", str((1 << 20) + 1))
    connection.endheaders()  # and not one byte of the body
    assert connection.getresponse().status == 413
    connection.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["user_id", "candidates", "k", "item_id", "base_score", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
near_misses = st.fixed_dictionaries(
    {"user_id": st.sampled_from([100, 7, "100"]) | json_values},
    optional={
        "k": st.integers(-1, 3) | json_values,
        "candidates": st.lists(
            st.fixed_dictionaries(
                {
                    "item_id": st.sampled_from(ITEM_IDS.tolist()) | st.integers(),
                    "base_score": st.floats() | st.integers(),
                }
            )
            | json_values,
            max_size=4,
        ),
    },
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=near_misses | json_values)
def test_no_body_makes_the_service_fail(service: Running, body: Any) -> None:
    status, answer = service.ask("POST", "/v1/rerank", json.dumps(body).encode())
    assert status in (200, 400, 404)
    if status == 200:
        sent = [c["item_id"] for c in body["candidates"]] if body.get("candidates") else ITEM_IDS
        got = [row["item_id"] for row in answer["items"]]
        assert len(got) == min(len(sent), body.get("k") or len(sent))
        assert set(got) <= set(sent)
        assert len(set(got)) == len(got)
    else:
        assert list(answer) == ["error"]


def test_a_fault_of_ours_is_500_in_json(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object, **__: object) -> None:
        raise AssertionError("a secret")

    monkeypatch.setattr(app_module, "rerank", fault)
    with Running(create_app(bundle)) as service:
        status, answer = service.post({"user_id": 100})
        assert status == 500
        assert "secret" not in json.dumps(answer)
        assert service.get("/healthz")[0] == 200


@pytest.fixture
def process(published: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `serve` in a process of its own on a free port of this machine only."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = (
        "import sys; from causal_ranker.serving.app import serve; "
        "serve(sys.argv[1], port=int(sys.argv[2]))"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code, str(published), str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started, port
    finally:
        started.kill()
        started.communicate(timeout=10)


def test_serve_answers_and_stops(process: tuple[subprocess.Popen[str], int]) -> None:
    started, port = process
    for _ in range(300):
        assert started.poll() is None, started.communicate(timeout=10)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/healthz")
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    assert json.loads(connection.getresponse().read()) == {"status": "ok"}
    connection.close()
    with pytest.raises(ConfigError, match="a free address"):
        serve(started.args[-2], port=port)  # type: ignore[index]
    started.send_signal(signal.SIGTERM)
    assert started.wait(timeout=20) in (0, -signal.SIGTERM)


def test_serve_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="got nothing"):
        serve(tmp_path / "absent")


def test_serve_listens_on_this_machine_only(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def run(self: uvicorn.Server, sockets: list[socket.socket]) -> None:
        heard.extend(s.getsockname()[0] for s in sockets)

    monkeypatch.setattr(uvicorn.Server, "run", run)
    serve(published, port=0)
    assert heard == ["127.0.0.1"]


@pytest.mark.parametrize("module", ["msgspec", "starlette"])
def test_the_extra_is_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"causal-ranker\[serve\]"):
        create_app(bundle)
