"""A server that stops while a request is on its way says so, and makes no noise about it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading

import pytest
import uvicorn

from causal_ranker.serving.app import create_app
from causal_ranker.serving.http.patience import PatientProtocol
from causal_ranker.serving.http.server import DrainingServer
from tests.serving.http.fake import FakeService

HALF = (
    b"POST /v1/rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 10\r\n\r\n12345"
)


def test_an_unfinished_body_is_told_and_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("causal_ranker.serving.http.server._LINGER_S", 0.05)
    monkeypatch.setattr("causal_ranker.serving.http.server._IN_FLIGHT_S", 0.2)
    app = create_app(FakeService())  # type: ignore[arg-type]
    config = uvicorn.Config(
        app, http=PatientProtocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    started = threading.Event()
    server = DrainingServer(app, config, started=started.set)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert started.wait(20)
        with socket.create_connection(listener.getsockname(), timeout=20) as client:
            client.sendall(HALF)
            threading.Event().wait(0.2)  # it is being read
            server.should_exit = True
            answer = b""
            while piece := client.recv(65_536):
                answer += piece
        thread.join(20)
    assert not thread.is_alive()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "the service is stopping"}
    assert [each for each in caplog.records if each.exc_info] == []


def test_otherwise_a_cancelled_request_stays_cancelled() -> None:
    app = create_app(FakeService())  # type: ignore[arg-type]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/rerank",
        "headers": [(b"content-type", b"application/json")],
        "query_string": b"",
    }

    async def run() -> None:
        async def never() -> None:
            await asyncio.Event().wait()

        async def send(_: object) -> None:
            raise AssertionError("it is not answered")

        task = asyncio.create_task(app(scope, never, send))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
