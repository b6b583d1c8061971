"""The client that puts load on servers, against servers that do as they are told."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks import _server
from benchmarks._load_client import (
    LATE,
    LOST,
    POLICY,
    REFUSED,
    Expected,
    Plan,
    Told,
    drive,
    outcome_of,
)

EXPECTED = Expected(base=[1, 2, 3], by_version={"a": [3, 2, 1], "b": [2, 1, 3]})


def body(
    items: list[int],
    version: str = "a",
    fallback: str | None = None,
    decision_id: str | None = None,
) -> bytes:
    rows = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
    told = {"version": version, "fallback": fallback, "decision_id": decision_id}
    return json.dumps({"items": rows, **told}).encode()


@pytest.mark.parametrize(
    ("status", "content", "outcome"),
    [
        (200, body([3, 2, 1]), (POLICY, "a", False)),
        (200, body([2, 1, 3], "b", decision_id="d"), (POLICY, "b", True)),
        (200, body([2, 1, 3], "a"), ("wrong: order", "a", False)),
        (200, body([3, 2]), ("wrong: order", "a", False)),
        (200, body([3, 2, 1], "c"), ("wrong: version", "c", False)),
        (200, body([1, 2, 3], "a", "deadline", "d"), ("fallback: deadline", "a", True)),
        (200, body([3, 2, 1], "a", "deadline"), ("wrong: base order", "a", False)),
        (200, b'{"items"', ("wrong: no list", "", False)),
        (503, body([3, 2, 1]), ("status: 503", "", False)),
    ],
)
def test_answers_are_judged(status: int, content: bytes, outcome: tuple[str, str, bool]) -> None:
    assert outcome_of(status, content, EXPECTED) == outcome


Reply = Callable[[socket.socket], bool]  # False: the connection ends


def well(connection: socket.socket) -> bool:
    content = body([3, 2, 1])
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    # In two pieces, so that the client has to put them together.
    connection.sendall(head + content[:5])
    time.sleep(0.001)
    connection.sendall(content[5:])
    return True


@contextmanager
def listening(reply: Reply) -> Iterator[int]:
    """Answer each request by a function, a thread for each connection."""

    def serve(connection: socket.socket) -> None:
        with connection:
            while connection.recv(1 << 16):
                if not reply(connection):
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(5)


def plan(
    port: int,
    *,
    due: list[float] | None = None,
    seconds: float = 0.0,
    connections: int = 4,
    patience: float = 10.0,
) -> Plan:
    return Plan(
        host="127.0.0.1",
        port=port,
        bodies=[b"{}"],
        expected=[EXPECTED],
        due=due or [],
        seconds=seconds,
        connections=connections,
        patience=patience,
    )


def outcomes(told: Told) -> Counter[str]:
    return Counter(answer.outcome for answer in told.answers)


def test_every_request_of_a_stall_is_charged_for_it() -> None:
    """A client that waits for its answers would count one slow request, not thirty."""
    door, calls = threading.Lock(), []

    def reply(connection: socket.socket) -> bool:
        with door:  # one at a time
            calls.append(0)
            if len(calls) == 20:
                time.sleep(0.3)
        return well(connection)

    due = np.arange(100) * 0.01
    with listening(reply) as port:
        told = drive(plan(port, due=due.tolist()))
    assert outcomes(told) == {POLICY: 100}
    assert sorted(answer.due - told.began for answer in told.answers) == pytest.approx(due)
    waited = np.array([answer.done - answer.due for answer in told.answers])
    assert waited.max() >= 0.3
    assert (waited > 0.1).sum() >= 18  # those that were due in the first 0.2 s of the stall


def test_without_times_each_connection_asks_again() -> None:
    with listening(well) as port:
        told = drive(plan(port, seconds=0.3, connections=3))
    assert set(outcomes(told)) == {POLICY}
    assert len(told.answers) > 20
    at_once = [sum(a.sent <= b.sent < a.done for a in told.answers) for b in told.answers]
    assert max(at_once) <= 3


def test_a_connection_that_ends_loses_its_request_only() -> None:
    calls: list[int] = []

    def reply(connection: socket.socket) -> bool:
        calls.append(0)
        return len(calls) != 5 and well(connection)

    with listening(reply) as port:
        told = drive(plan(port, due=[0.01 * place for place in range(20)], connections=1))
    assert outcomes(told) == {POLICY: 19, LOST: 1}


def test_patience_ends() -> None:
    with listening(lambda _: True) as port:
        told = drive(plan(port, due=[0.0, 0.01], patience=0.2))
    assert outcomes(told) == {LATE: 2}
    assert all(answer.done - answer.sent >= 0.2 for answer in told.answers)


def test_refused_where_nobody_listens_any_more() -> None:
    told: list[Told] = []
    asked_once = threading.Event()

    def reply(connection: socket.socket) -> bool:
        asked_once.set()
        well(connection)
        return False

    with listening(reply) as port:
        asked = plan(port, due=[0.0, *np.linspace(0.5, 0.6, 12).tolist()], connections=1)
        client = threading.Thread(target=lambda: told.append(drive(asked)))
        client.start()
        assert asked_once.wait(10)
    client.join(10)
    # The connection that was open ends with its first answer.
    assert outcomes(told[0]) == {POLICY: 1, REFUSED: 12}


def test_a_client_in_its_own_process_tells_the_same() -> None:
    with listening(well) as port:
        told = _server.ask(plan(port, due=[0.01 * place for place in range(30)]))
    assert outcomes(told) == {POLICY: 30}
