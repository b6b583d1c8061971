"""An upstream over HTTP, against a real server that fails in every way that servers do."""

from __future__ import annotations

import copy
import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.errors import (
    ConfigError,
    NotFittedError,
    RowError,
    SchemaError,
    UpstreamError,
)
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.http import HttpRecommender
from causal_ranker.recommenders.upstream import UpstreamConfig
from tests.fresh import loaded_by
from tests.recommenders.certificate import CERTIFICATE
from tests.recommenders.contract import RecommenderContract
from tests.recommenders.upstream_server import Asked, Server, serving

AT = datetime(2026, 3, 1, tzinfo=UTC)
LISTS: dict[Any, Any] = {
    7: [("b", 0.5), ("a", 0.9), ("c", 0.5)],
    9: [("a", 0.1), ("d", 0.1)],
    8: [("a", -2)],
    "7": [(1, 3.0)],
}
KEY = "k3y-that-is-secret"
QUICK: dict[str, Any] = {"timeout_s": 5.0, "retries": 0}


def lists_of(users: list[Any], lists: dict[Any, Any] = LISTS) -> Any:
    """Write answers as the contract says, in another order than asked, and with more than it."""
    return {
        "answers": [
            {
                "user_id": user,
                "candidates": [{"item_id": i, "base_score": s, "why": "new"} for i, s in mine],
            }
            for user, mine in lists.items()
            if user in users
        ],
        "model": "of tonight",
    }


def right(asked: Asked) -> None:
    asked.answer(lists_of(asked.body["users"]))


def says(content: Any, **how: Any) -> Callable[[Asked], None]:
    return lambda asked: asked.answer(content, **how)


@contextmanager
def asking(
    script: Callable[[Asked], None], **settings: Any
) -> Iterator[tuple[HttpRecommender, Server]]:
    with serving(script) as server:
        config = UpstreamConfig(**QUICK | settings)
        yield HttpRecommender(server.url, config=config), server


class TestHttp(RecommenderContract):
    script: Callable[[Asked], None] = staticmethod(right)

    @pytest.fixture
    def recommender(self) -> Iterator[BaseRecommender]:
        with asking(self.script) as (made, _):
            yield made

    @pytest.fixture
    def users(self) -> list[Any]:
        return [9, 7, 8]

    @pytest.fixture
    def at(self) -> datetime:
        return AT


class TestOneUserARequest(TestHttp):
    @pytest.fixture
    def recommender(self) -> Iterator[BaseRecommender]:
        with asking(right, users_per_request=1) as (made, _):
            yield made


def test_numbers_and_text_are_different_users() -> None:
    with asking(right) as (made, _):
        answer = made.candidates([9, "7", 7], at=AT, k=1)
        assert answer.to_numpy().tolist() == [[9, "a", 0.1], ["7", 1, 3.0], [7, "a", 0.9]]


def chunked(asked: Asked) -> None:
    asked.protocol_version = "HTTP/1.1"
    content = json.dumps(lists_of(asked.body["users"])).encode()
    asked.send_response(200)
    asked.send_header("Transfer-Encoding", "chunked")
    asked.end_headers()
    for start in range(0, len(content), 50):
        part = content[start : start + 50]
        asked.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    asked.wfile.write(b"0\r\n\r\n")


class TestInChunks(TestHttp):
    script = staticmethod(chunked)


def test_the_question_is_the_one_of_the_contract() -> None:
    with asking(right, users_per_request=2) as (made, server):
        moment = datetime(2026, 3, 1, 2, tzinfo=timezone(timedelta(hours=2)))
        made.candidates([7, "x", 9], at=moment, k=5)
        made.candidates([7], at=AT)
        made.candidates([], at=AT)
        when = "2026-03-01T00:00:00+00:00"
        assert [asked.body for asked in server.asked] == [
            {"users": [7, "x"], "at": when, "k": 5},
            {"users": [9], "at": when, "k": 5},
            {"users": [7], "at": when, "k": None},
        ]
        first = server.asked[0]
        assert (first.command, first.path) == ("POST", "/v1/candidates")
        assert first.headers["Content-Type"] == "application/json"
        assert first.headers["Host"] == f"127.0.0.1:{server.server_port}"


def test_threads_may_share_it() -> None:
    with asking(right) as (made, _):
        found: list[Any] = []
        threads = [
            threading.Thread(
                target=lambda user=user: found.append(made.candidates([user], at=AT)["user_id"][0])
            )
            for user in [7, 9, 8] * 5
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [7] * 5 + [8] * 5 + [9] * 5


def slow_to_answer(asked: Asked) -> None:
    time.sleep(0.6)
    right(asked)


def slow_to_end(asked: Asked) -> None:
    """Give a byte now and then: a time-out for each byte would never come."""
    asked.send_response(200)
    asked.send_header("Content-Length", "1000")
    asked.end_headers()
    for _ in range(30):
        asked.wfile.write(b" ")
        asked.wfile.flush()
        time.sleep(0.05)


def slow_headers(asked: Asked) -> None:
    asked.wfile.write(b"HTTP/1.0 200 OK\r\n")
    for number in range(30):
        asked.wfile.write(b"X-%d: y\r\n" % number)
        asked.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("script", [slow_to_answer, slow_to_end, slow_headers])
def test_a_slow_service_is_left_in_time(script: Any) -> None:
    # Left to their end, they would be an answer, one that was cut off, and one without a body.
    with (
        asking(script, timeout_s=0.2) as (made, _),
        pytest.raises(UpstreamError, match=r"within 0\.2 s; got none in time\."),
    ):
        made.candidates([7], at=AT)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        made = HttpRecommender(f"http://127.0.0.1:{port}", config=UpstreamConfig(**QUICK))
        with pytest.raises(UpstreamError, match="ConnectionRefusedError"):
            made.candidates([7], at=AT)


def hang_up(asked: Asked) -> None:
    asked.close_connection = True


def cut_off(asked: Asked) -> None:
    asked.answer(lists_of([7]), length=10_000)


def cut_off_in_chunks(asked: Asked) -> None:
    asked.protocol_version = "HTTP/1.1"
    asked.send_response(200)
    asked.send_header("Transfer-Encoding", "chunked")
    asked.end_headers()
    asked.wfile.write(b"ff\r\n{}")
    asked.close_connection = True


PASSING = [
    (hang_up, "RemoteDisconnected"),
    (cut_off, "an answer that was cut off, .* of 10000 bytes"),
    (cut_off_in_chunks, "an answer that was cut off"),
    (says(b"no", status=500), "status 500: 'no'"),
    (says(b"no", status=503), "status 503"),
    (says(b"no", status=429), "status 429"),
    (lambda asked: asked.wfile.write(b"\x16\x03\x01\x00 what?\r\n\r\n"), "BadStatusLine"),
]


@pytest.mark.parametrize(("script", "message"), PASSING)
def test_what_may_pass_is_tried_again_and_no_more_often_than_allowed(
    script: Any, message: str
) -> None:
    with asking(script, retries=2, pause_s=0.01) as (made, server):
        with pytest.raises(UpstreamError, match=f"{message}.*, at the last of 3 tries"):
            made.candidates([7], at=AT)
        assert len(server.asked) == 3


@pytest.mark.parametrize(("script", "message"), PASSING)
def test_what_passed_is_forgotten(script: Any, message: str) -> None:
    def recovers(asked: Asked) -> None:
        right(asked) if len(asked.server.asked) > 1 else script(asked)

    with asking(recovers, retries=1, pause_s=0.01) as (made, server):
        assert len(made.candidates([7], at=AT)) == 3
        assert len(server.asked) == 2


def test_pauses_grow() -> None:
    with asking(says(b"", status=500), retries=3, pause_s=0.05) as (made, _):
        begin = time.monotonic()
        with pytest.raises(UpstreamError):
            made.candidates([7], at=AT)
        assert time.monotonic() - begin >= 0.05 + 0.1 + 0.2


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (says(b"no such key", status=403), UpstreamError, "status 403: 'no such key'"),
        (says(b"", status=302), UpstreamError, "status 302"),
        (says(b"", status=204), UpstreamError, "status 204"),
        (says(b"<html>hello"), UpstreamError, "expected JSON from .*'<html>hello'"),
        (says(b""), UpstreamError, "expected JSON"),
        (says(b"\xff\xfe{}"), UpstreamError, "expected JSON"),
        (says(b"[" * 100_000), UpstreamError, "expected JSON"),
        (says(b'{"answers": [{"user_id": 7, "candi'), UpstreamError, "expected JSON"),
        (says(b'{"answers": NaN}'), UpstreamError, "NaN is no JSON"),
        (says(b'{"answers": -Infinity}'), UpstreamError, "-Infinity is no JSON"),
        (says(b"9" * 5_000), UpstreamError, "expected JSON"),
        (says(b" " * 2_001), UpstreamError, "at most 2000 bytes .*got 2001 of them"),
        (says([]), SchemaError, r"\{answers: .*TypeError"),
        (says({"answer": []}), SchemaError, "KeyError 'answers'"),
        (says({"answers": [{"user_id": 7}]}), SchemaError, "KeyError 'candidates'"),
        (says({"answers": [{"user_id": 7, "candidates": 3}]}), SchemaError, "TypeError"),
        (says(lists_of([7], {7: [("a", "1")]})), SchemaError, "numbers in base_score"),
        (says(lists_of([7], {7: [("a", True), ("b", 1)]})), SchemaError, "numbers in base_score"),
        (says(lists_of([7], {7: [("a", None), ("b", 1)]})), RowError, "finite base scores"),
        (
            says(b'{"answers":[{"user_id":7,"candidates":[{"item_id":1,"base_score":1e400}]}]}'),
            RowError,
            "finite base scores.*inf",
        ),
        (says(lists_of([9])), RowError, "users who were asked for.*user_id 9"),
        (says(lists_of(["7"])), RowError, r"such as 7 \(int\).*user_id '7'"),
        (says(lists_of([7], {7: [("a", 1), ("a", 2)]})), RowError, "each user and item once"),
        (says(lists_of([7], {7: [(1.5, 1)]})), RowError, r"item_id .*1\.5 \(float\)"),
        (says(lists_of([7], {7: [([1], 1)]})), RowError, r"item_id .*\(list\)"),
        (says(lists_of([7], {7: [("\ud800", 1)]})), RowError, "Unicode"),
        (
            says(lists_of([7], {7: [(item, 1) for item in range(21)]})),
            RowError,
            "at most 20 candidates per user; got 21 for user 7",
        ),
    ],
)
def test_answers_that_break_the_contract_are_refused_at_once(
    script: Any, error: Any, message: str
) -> None:
    settings = {"retries": 3, "most_bytes": 2_000, "most_candidates": 20}
    if isinstance(error, type) and "JSON" in message:
        settings["most_bytes"] = 200_000
    with asking(script, **settings) as (made, server):
        with pytest.raises(error, match=message):
            made.candidates([7], at=AT)
        assert len(server.asked) == 1


def endless(asked: Asked) -> None:
    """Neither a length nor an end."""
    asked.send_response(200)
    asked.end_headers()
    while True:
        asked.wfile.write(b" " * 10_000)


def test_an_endless_answer_is_left() -> None:
    with (
        asking(endless, most_bytes=50_000) as (made, _),
        pytest.raises(UpstreamError, match=r"at most 50000 bytes .*got more"),
    ):
        made.candidates([7], at=AT)


@pytest.mark.parametrize(
    "script",
    [
        lambda asked: asked.answer(dict(asked.headers), status=403),
        lambda asked: asked.answer(dict(asked.headers), status=500),
        lambda asked: asked.answer(dict(asked.headers)),
        lambda asked: asked.answer(asked.headers["Authorization"].split()[1].encode()),
        lambda asked: asked.wfile.write(asked.headers["Authorization"].encode() + b"\r\n\r\n"),
    ],
)
def test_keys_are_sent_and_never_told(script: Any) -> None:
    with serving(script) as server:
        made = HttpRecommender(
            f"{server.url}?token={KEY}",
            headers={"Authorization": f"Bearer {KEY}", "X-Key": KEY},
            config=UpstreamConfig(**QUICK),
        )
        with pytest.raises((UpstreamError, SchemaError)) as caught:
            made.candidates([7], at=AT)
        (asked,) = server.asked
        assert asked.headers["Authorization"] == f"Bearer {KEY}"
        assert asked.headers["X-Key"] == KEY
        assert asked.path == f"/v1/candidates?token={KEY}"
        told = "".join(traceback.format_exception(caught.value)) + repr((made, copy.deepcopy(made)))
        assert "127.0.0.1" in told
        assert KEY not in told


def test_a_redirection_is_not_followed() -> None:
    with serving(right) as elsewhere:

        def redirect(asked: Asked) -> None:
            asked.send_response(307)
            asked.send_header("Location", elsewhere.url)
            asked.end_headers()

        with asking(redirect) as (made, _), pytest.raises(UpstreamError, match="status 307"):
            made.candidates([7], at=AT)
        assert elsewhere.asked == []


def test_certificates_are_verified(tmp_path: Path) -> None:
    with serving(right, certificate=tmp_path / "server.pem") as server:
        url = server.url.replace("http:", "https:")
        stranger = HttpRecommender(url, config=UpstreamConfig(**QUICK | {"retries": 3}))
        with pytest.raises(UpstreamError, match=r"good for 127\.0\.0\.1; got self-signed"):
            stranger.candidates([7], at=AT)
        trusted = tmp_path / "trusted.pem"
        trusted.write_text(CERTIFICATE)
        config = UpstreamConfig(**QUICK, ca_file=trusted)
        made = HttpRecommender(url, headers={"X-Key": KEY}, config=config)
        for each in (made, copy.deepcopy(made)):
            assert len(each.candidates([7], at=AT)) == 3
        # The certificate is not one for this name.
        other = HttpRecommender(url.replace("127.0.0.1", "localhost"), config=config)
        with pytest.raises(UpstreamError, match="good for localhost; got Hostname mismatch"):
            other.candidates([7], at=AT)
        assert len(server.asked) == 2
        assert {asked.headers["X-Key"] for asked in server.asked} == {KEY}


def test_plain_http_where_tls_is_spoken_is_no_answer(tmp_path: Path) -> None:
    with serving(right, certificate=tmp_path / "server.pem") as server:
        made = HttpRecommender(server.url, config=UpstreamConfig(**QUICK))
        with pytest.raises(UpstreamError):
            made.candidates([7], at=AT)


@pytest.mark.parametrize(
    ("url", "settings", "message"),
    [
        ("ftp://host/", {}, "an address such as https"),
        ("host:8000", {}, "an address such as https"),
        ("https://", {}, "an address such as https"),
        ("https://host:99999/", {}, "an address such as https"),
        ("https://me:pass@host/", {}, "without user and password"),
        ("https://host/a b", {}, "an address such as https"),
        ("https://host/\r\nX: y", {}, "an address such as https"),
        (None, {}, "an address such as https"),
        ("http://10.0.0.1/", {"headers": {"X-Key": KEY}}, "https for headers that leave"),
        ("https://host/", {"headers": {"X-Key": f"{KEY}\r\nX: y"}}, "printable ASCII.*X-Key"),
        ("https://host/", {"headers": {"X-Key": 3}}, "printable ASCII.*X-Key"),
        ("https://host/", {"headers": {"X Key": "y"}}, "got 'X Key'"),
        ("https://host/", {"headers": {"content-length": "3"}}, "got 'content-length'"),
        ("https://host/", {"trained_until": datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_what_cannot_be_asked_is_refused(url: Any, settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        HttpRecommender(url, **settings)
    assert KEY not in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_a_service_that_cannot_look_back_is_not_asked_to() -> None:
    with serving(right) as server:
        made = HttpRecommender(server.url, trained_until=AT)
        assert len(made.candidates([7], at=AT)) == 3
        with pytest.raises(NotFittedError, match="whose future the model has seen"):
            made.candidates([7], at=AT - timedelta(microseconds=1))
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timeout_s": 0}, "timeout_s = 0"),
        ({"retries": 11}, "retries = 11"),
        ({"verify": False}, "verify = False"),
    ],
)
def test_bounds_have_bounds_and_verification_has_no_switch(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UpstreamConfig(**settings)


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in (empty, tmp_path / "none.pem"):
        with pytest.raises(ConfigError, match=f"certificates as PEM in .*{path.name}"):
            HttpRecommender("https://host/", config=UpstreamConfig(ca_file=path))


IMPORTS = """
from causal_ranker.recommenders.http import HttpRecommender
HttpRecommender("https://host/", headers={"X-Key": "secret"})
"""


def test_a_server_may_use_it() -> None:
    loaded = loaded_by(IMPORTS)
    heavy = ["duckdb", "httpx", "ibis", "implicit", "lightgbm", "matplotlib", "scipy", "sklearn"]
    assert "http.client" in loaded
    assert [name for name in heavy if name in loaded] == []
