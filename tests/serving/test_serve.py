"""`serve`: what it refuses, what it says, and how it stops."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from causal_ranker.errors import BundleError, ConfigError, MissingExtraError
from causal_ranker.serving.http.keys import new_key
from causal_ranker.serving.registry import Registry
from causal_ranker.serving.serve import serve
from tests.recommenders.certificate import CERTIFICATE, KEY
from tests.serving.shop import Shop

ROOT = Path(__file__).parents[2]
BODY = {"user_id": 100, "candidates": [{"item_id": "item-03", "base_score": 0.5}]}


@dataclass
class Process:
    process: subprocess.Popen[bytes]
    log: Path
    port: int

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = self.connection()
        try:
            return _ask(connection, path, body, **headers)
        finally:
            connection.close()


def _ask(
    connection: http.client.HTTPConnection, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    method = "GET" if body is None else "POST"
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@contextmanager
def serving(
    folder: Path, *words: str | Path, program: Sequence[str] = ("-m", "causal_ranker")
) -> Iterator[Process]:
    """Run `causal-ranker serve` in a process of its own, on a free port of this machine only."""
    log = folder / "serve.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *program, "serve", "--port", "0", *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=stream,
            stderr=stream,
        )
    try:
        for _ in range(600):
            found = re.search(r"on https?://127\.0\.0\.1:(\d+)", log.read_text("utf-8"))
            if found:
                break
            assert process.poll() is None, log.read_text("utf-8")
            time.sleep(0.05)
        else:
            raise AssertionError(f"no port: {log.read_text('utf-8')}")
        yield Process(process, log, int(found[1]))
    finally:
        process.kill()
        process.wait(timeout=20)


def test_it_stops_without_losing_a_request(published: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = {"Authorization": f"Bearer {new_key(file)}"}
    words = ["--model", published, "--keys", file, "--log", tmp_path / "decisions"]
    with serving(tmp_path, *words) as server:
        assert server.ask("/readyz") == (200, {"status": "ok"})
        assert server.ask("/v1/rerank", BODY)[0] == 401
        statuses: list[int] = []
        ids: list[str] = []
        stopped = threading.Event()

        def ask_until_told_to_go() -> None:
            connection = server.connection()
            while not stopped.is_set():
                status, answer = _ask(connection, "/v1/rerank", BODY, **key)
                statuses.append(status)
                ids.append(answer["decision_id"])
                if connection.sock is None:  # it said "Connection: close"
                    return
            raise AssertionError("nobody said to go")

        threads = [threading.Thread(target=ask_until_told_to_go) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        told = []
        while time.monotonic() - began < 0.8:
            connection = server.connection()
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            told.append((answer.status, answer.headers["connection"], answer.read()))
            connection.close()
            time.sleep(0.05)
        assert (503, "close", b'{"error":"the service is stopping"}') in told
        assert server.process.wait(timeout=20) == 0
        assert time.monotonic() - began < 10
        stopped.set()
        for thread in threads:
            thread.join(timeout=20)
        assert set(statuses) == {200}
        assert len(statuses) > 20
        assert len(set(ids)) == len(ids)
        said = server.log.read_text("utf-8")
    assert "Traceback" not in said
    assert "GET" not in said  # no access log


def test_a_flood_of_connections_leaves_files_for_the_log(published: Path, tmp_path: Path) -> None:
    words = ["--model", published, "--log", tmp_path / "decisions"]
    with serving(tmp_path, *words) as server:
        assert server.ask("/v1/rerank", BODY)[1]["decision_id"]
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (120, 120))
        patient = server.connection()
        assert _ask(patient, "/v1/rerank", BODY)[0] == 200
        flood = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        flood[-1].settimeout(5)
        assert flood[-1].recv(99).startswith(b"HTTP/1.1 503 ")
        answers = [_ask(patient, "/v1/rerank", BODY) for _ in range(3)]
        time.sleep(1.2)  # the log syncs what it has
        answers += [_ask(patient, "/v1/rerank", BODY) for _ in range(3)]
        assert all(status == 200 and answer["decision_id"] for status, answer in answers)
        for connection in flood:
            connection.close()
        patient.close()
        assert server.ask("/readyz") == (200, {"status": "ok"})


_HANGING_DISK = """
import os, time
os.fdatasync = lambda descriptor: time.sleep(60)
from causal_ranker.cli import main
main()
"""


def test_a_disk_that_hangs_does_not_keep_it_from_ending(published: Path, tmp_path: Path) -> None:
    words = ["--model", published, "--log", tmp_path / "decisions"]
    with serving(tmp_path, *words, program=["-c", _HANGING_DISK]) as server:
        assert server.ask("/v1/rerank", BODY)[1]["decision_id"]
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0
        assert time.monotonic() - began < 10
        assert "its disk hangs" in server.log.read_text("utf-8")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Certificate and key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text(CERTIFICATE, "ascii")
    key.write_text(KEY, "ascii")
    return cert, key


def test_tls(published: Path, tmp_path: Path, files: tuple[Path, Path]) -> None:
    words = ["--model", published, "--tls-cert", files[0], "--tls-key", files[1]]
    with serving(tmp_path, *words) as server:
        context = ssl.create_default_context(cafile=str(files[0]))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", server.port, timeout=20, context=context
        )
        assert _ask(connection, "/v1/rerank", BODY)[0] == 200
        connection.close()
        with pytest.raises((http.client.HTTPException, OSError)):
            server.ask("/healthz")  # without TLS
        assert "on https://" in server.log.read_text("utf-8")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=20) == 0


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="got nothing"):
        serve(tmp_path / "absent")


def test_a_registry_in_which_nothing_is_current(shop: Shop, tmp_path: Path) -> None:
    Registry(tmp_path).publish(shop.contents, promote=False)
    done = subprocess.run(
        [sys.executable, "-m", "causal_ranker", "serve", "--port", "0", "--model", tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert "promote" in done.stderr.splitlines()[-1]


def test_an_address_that_is_taken(published: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigError, match="a free address"),
    ):
        serve(published, port=taken.getsockname()[1])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_an_address_of_others_needs_keys(published: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="keys for an address that others can reach"):
        serve(published, host=host)


def test_files_that_are_no_certificate(
    published: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, key = files
    for tls in ((key, cert), (cert, cert), (tmp_path / "absent", key)):
        with pytest.raises(ConfigError, match="its private key"):
            serve(published, tls=tls)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    def run(self: uvicorn.Server, sockets: list[socket.socket]) -> None:
        found.append((self.config, sockets[0].getsockname()[0]))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(uvicorn.Config, "configure_logging", lambda self: None)
    return found


def test_it_listens_on_this_machine_only_and_keeps_connections(
    published: Path, heard: list[Any]
) -> None:
    serve(published, port=0)
    ((config, host),) = heard
    assert _is_told_421(config.app)
    assert host == "127.0.0.1"
    assert config.timeout_keep_alive >= 60
    assert not config.access_log


def test_it_listens_for_others_when_told_to(published: Path, heard: list[Any]) -> None:
    serve(published, host="0.0.0.0", port=0, without_keys=True)
    ((config, host),) = heard
    assert host == "0.0.0.0"
    assert not _is_told_421(config.app)


def test_keys_stand_in_for_the_name_of_the_host(
    published: Path, heard: list[Any], tmp_path: Path
) -> None:
    new_key(tmp_path / "keys.json")
    serve(published, port=0, keys=tmp_path / "keys.json")
    assert not _is_told_421(heard[0][0].app)


def _is_told_421(app: Any) -> bool:
    paths = json.loads(bytes(asyncio.run(_openapi(app)).body))["paths"]
    return "421" in paths["/v1/users"]["get"]["responses"]


async def _openapi(app: Any) -> Any:
    (route,) = [each for each in app.routes if each.path == "/openapi.json"]
    return await route.endpoint(None)


@pytest.mark.parametrize("module", ["httptools", "uvicorn"])
def test_the_extra_is_named(published: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"causal-ranker\[serve\]"):
        serve(published)
