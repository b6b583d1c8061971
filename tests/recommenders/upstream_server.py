"""A real server on a free port of this machine, that answers as each test tells it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.recommenders.certificate import CERTIFICATE, KEY

Script = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """One request, with its body read."""

    server: Server
    body: Any

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(self)
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):  # who asked has gone
            self.server.script(self)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self, content: Any, *, status: int = 200, length: int | None = None) -> None:
        """Send JSON, or bytes as they are; `length` may lie about how many."""
        sent = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent) if length is None else length))
        self.end_headers()
        self.wfile.write(sent)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    script: Script
    asked: list[Asked]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who asked may hang up, or refuse our certificate."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/candidates"


@contextmanager
def serving(script: Script, *, certificate: Path | None = None) -> Iterator[Server]:
    """Serve until the end of the block; by TLS where there is a file for the certificate."""
    with Server(("127.0.0.1", 0), Asked) as server:
        server.script, server.asked = script, []
        if certificate is not None:
            certificate.write_text(CERTIFICATE + KEY)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
