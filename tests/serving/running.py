"""A uvicorn server in a thread, on a free port of this machine."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

import uvicorn

from causal_ranker.serving.http.patience import PatientProtocol


class Running:
    """Starts on entry and stops on exit; both waits are bounded."""

    def __init__(self, app: Any, *, http: type[PatientProtocol] = PatientProtocol) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="on", http=http, ws="none"
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        for _ in range(1500):
            if self._server.started:
                return self
            if not self._thread.is_alive():
                break
            time.sleep(0.02)
        raise TimeoutError("uvicorn did not start")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=20)
        self._listener.close()
        assert not self._thread.is_alive()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()
        return host, port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.headers["content-type"] == "application/json"
            return answer.status, json.loads(content)
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, Any]:
        return self.ask("GET", path)

    def post(self, body: Any) -> tuple[int, Any]:
        return self.ask("POST", "/v1/rerank", json.dumps(body).encode())
