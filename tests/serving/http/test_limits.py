"""What a client sends is bounded: in bytes, in items, and in time."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from causal_ranker.errors import SchemaError
from causal_ranker.serving.app import create_app
from causal_ranker.serving.http import patience, reading
from causal_ranker.serving.http.patience import PatientProtocol
from causal_ranker.serving.http.reading import read
from causal_ranker.serving.wire import EventsRequest, RerankRequest
from tests.serving.http.fake import FakeService
from tests.serving.running import Running

MIB = 1 << 20


class Hasty(PatientProtocol):
    request_s = 0.4


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(create_app(FakeService()), http=Hasty) as started:  # type: ignore[arg-type]
        yield started


def rerank_body(n: int, *, item: str = "%d") -> bytes:
    rows = ",".join('{"item_id":"' + item % i + '","base_score":1}' for i in range(n))
    return f'{{"user_id":1,"candidates":[{rows}]}}'.encode()


def events_body(n: int) -> bytes:
    row = '{"type":"play","item_id":1,"at":"2026-01-01T00:00:00Z"}'
    return f'{{"user_id":1,"events":[{",".join([row] * n)}]}}'.encode()


@pytest.mark.parametrize("item", ["%d", "{{{%d}"])
def test_a_thousand_candidates_and_not_one_more(item: str) -> None:
    found = read(RerankRequest, rerank_body(1000, item=item))
    assert found.candidates is not None
    assert [c.item_id for c in found.candidates] == [item % i for i in range(1000)]
    for n in (1001, 1004, 1005, 3000):
        with pytest.raises(SchemaError, match=r"expected candidates of length 1000 or less"):
            read(RerankRequest, rerank_body(n, item=item))


def test_a_thousand_events_and_not_one_more() -> None:
    assert len(read(EventsRequest, events_body(1000)).events) == 1000
    for n in (1001, 1005, 3000):
        with pytest.raises(SchemaError, match="expected events of length 1000 or less"):
            read(EventsRequest, events_body(n))


def peak(body: bytes) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(SchemaError):
            read(RerankRequest, body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_too_many_candidates_are_refused_before_they_are_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = rerank_body(100_000)
    peak(body)  # imports and caches
    assert peak(body) < 300_000
    # without the guard all of them are built first
    monkeypatch.setattr(reading, "_FEW_BRACES", 10**9)
    assert peak(body) > 5_000_000


def test_a_body_of_a_mebibyte_and_not_a_byte_more(running: Running) -> None:
    start = b'{"user_id": 1, "candidates": [{"item_id": 1, "base_score": 2}]'
    fits = start + b" " * (MIB - len(start) - 1) + b"}"
    assert running.ask("POST", "/v1/rerank", fits)[0] == 200
    status, answer = running.ask("POST", "/v1/rerank", fits + b" ")
    assert status == 413
    assert "at most 1048576 bytes" in answer["error"]


def test_a_body_that_says_it_is_too_large_is_refused_unread(running: Running) -> None:
    connection = http.client.HTTPConnection(*running.address, timeout=20)
    connection.putrequest("POST", "/v1/rerank")
    connection.putheader("Content-Length", str(MIB + 1))
    connection.endheaders()  # and not one byte of the body
    answer = connection.getresponse()
    assert (answer.status, list(json.loads(answer.read()))) == (413, ["error"])
    connection.close()


def test_a_body_in_chunks_is_counted(running: Running) -> None:
    connection = http.client.HTTPConnection(*running.address, timeout=20)
    chunks = (b" " * 65_536 for _ in range(17))
    connection.request("POST", "/v1/rerank", chunks, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (None, 200),
        ("none, from a browser", 415),
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_a_form_of_another_site_is_no_request(
    running: Running, kind: str | None, status: int
) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    if kind and "browser" in kind:
        headers = {"Origin": "https://example.com"}
    body = rerank_body(2)
    assert running.ask("POST", "/v1/rerank", body, headers)[0] == status


def raw(running: Running) -> socket.socket:
    return socket.create_connection(running.address, timeout=10)


def until_closed(sock: socket.socket) -> bytes:
    content = b""
    while piece := sock.recv(65_536):
        content += piece
    return content


HEAD = b"POST /v1/rerank HTTP/1.1\r\nHost: x\r\n"
SLOW = {
    "says nothing": b"",
    "half a head": HEAD,
    "no body": HEAD + b"Content-Length: 10\r\n\r\n",
    "half a body": HEAD + b"Content-Length: 10\r\n\r\n12345",
    "chunks without end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_slow_clients_are_hung_up_on(running: Running, sent: bytes) -> None:
    with raw(running) as sock:
        sock.sendall(sent)
        began = time.monotonic()
        answer = until_closed(sock)
        assert 0.2 < time.monotonic() - began < 5
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {
        "error": "expected a whole request within 0.4 s"
    }


def test_a_client_that_idles_between_requests_may(running: Running) -> None:
    connection = http.client.HTTPConnection(*running.address, timeout=20)
    for pause in (0.0, 0.7, 0.7):
        time.sleep(pause)
        connection.request("POST", "/v1/rerank", rerank_body(2))
        answer = connection.getresponse()
        assert (answer.status, len(json.loads(answer.read())["items"])) == (200, 2)
    connection.close()


def test_a_head_without_end_is_hung_up_on() -> None:
    app = create_app(FakeService())  # type: ignore[arg-type]
    with Running(app) as patient, raw(patient) as sock:
        sock.sendall(HEAD + b"".join(b"X-%d: %s\r\n" % (i, b"a" * 1000) for i in range(60)))
        sock.sendall(b"Content-Length: 0\r\n\r\n")
        assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")  # long, and no JSON
        sock.sendall(HEAD + b"X: " + b"a" * 65_536)
        assert until_closed(sock).startswith(b"HTTP/1.1 431 ")


def test_a_client_that_leaves_makes_no_noise(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with raw(running) as sock:
        sock.sendall(SLOW["half a body"])
    time.sleep(0.2)
    assert running.get("/healthz") == (200, {"status": "ok"})
    assert [record for record in caplog.records if record.levelno >= 30] == []


def counted(running: Running) -> dict[str, float]:
    connection = http.client.HTTPConnection(*running.address, timeout=20)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    text = answer.read().decode()
    connection.close()
    lines = re.findall(r"^causal_ranker_http_responses_total(\{.*\}) (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in lines}


def test_refused_requests_are_counted(running: Running) -> None:
    before = counted(running)
    asked: list[tuple[str, str, bytes | None, int]] = [
        ("POST", "/v1/rerank", b"{", 400),
        ("POST", "/v1/rerank", b'{"user_id": 1}', 404),
        ("POST", "/v1/rerank", b" " * (MIB + 1), 413),
        ("GET", "/v1/events", None, 405),
        ("GET", "/wp-login.php", None, 404),
        ("GET", "/also-invented", None, 404),
    ]
    for method, path, body, status in asked:
        assert running.ask(method, path, body)[0] == status
    after: dict[str, Any] = counted(running)
    rises = {key: after[key] - before.get(key, 0) for key in after}
    assert {key: rise for key, rise in rises.items() if rise and "metrics" not in key} == {
        '{path="/v1/rerank",status="400"}': 1,
        '{path="/v1/rerank",status="404"}': 1,
        '{path="/v1/rerank",status="413"}': 1,
        '{path="/v1/events",status="405"}': 1,
        '{path="other",status="404"}': 2,
    }


def test_connections_beyond_the_limit_of_open_files_are_turned_away(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience.resource, "getrlimit", lambda _: (6, 6))
    held = [http.client.HTTPConnection(*running.address, timeout=20) for _ in range(3)]
    for connection in held:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
    with socket.create_connection(running.address, timeout=20) as beyond:
        said = b"".join(iter(lambda: beyond.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 503 ")
    assert said.endswith(b'{"error":"expected fewer connections at a time"}')
    held[0].request("GET", "/healthz")  # those that there are go on
    assert held[0].getresponse().read()
    for connection in held:
        connection.close()
    time.sleep(0.1)
    assert running.get("/healthz")[0] == 200


@pytest.mark.parametrize(
    ("limit", "most"), [(256, 128), (1024, 768), (2**20, 2**20 - 256), (-1, float("inf"))]
)
def test_some_files_are_left_for_the_log(
    monkeypatch: pytest.MonkeyPatch, limit: int, most: float
) -> None:
    monkeypatch.setattr(patience.resource, "getrlimit", lambda _: (limit, limit))
    assert patience._most_connections() == most
