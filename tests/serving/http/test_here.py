"""Without keys, nobody asks under the name of another host."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from causal_ranker.serving.app import create_app
from tests.serving.http.fake import FakeService
from tests.serving.running import Running


@pytest.fixture(scope="module")
def here() -> Iterator[Running]:
    with Running(create_app(FakeService(), only_here=True)) as running:  # type: ignore[arg-type]
        yield running


def asked_as(running: Running, *hosts: str, path: str = "/v1/users") -> tuple[int, str]:
    connection = http.client.HTTPConnection(*running.address, timeout=20)
    connection.putrequest("GET", path, skip_host=True)
    for host in hosts:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000"]
)
def test_this_machine_may_be_asked_by_its_names(here: Running, host: str) -> None:
    assert asked_as(here, host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "evil.example:localhost"),
        *("127.0.0.1.evil.example", "192.0.2.1", "[2001:db8::1]", "::1", "", "[localhost]"),
        *("localhost:80:80", "localhost@evil.example", "evil.example[::1]"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/users", "/", "/healthz", "/nowhere"])
def test_and_by_no_other(here: Running, host: str, path: str) -> None:
    status, text = asked_as(here, host, path=path)
    assert status == 421
    assert "--keys" in json.loads(text)["error"]


def test_there_must_be_one(here: Running) -> None:
    assert asked_as(here, "localhost", "evil.example")[0] in (400, 421)
    assert asked_as(here)[0] in (400, 421)


def test_elsewhere_any_name_will_do() -> None:
    with Running(create_app(FakeService())) as running:  # type: ignore[arg-type]
        assert asked_as(running, "shop.example")[0] == 200
