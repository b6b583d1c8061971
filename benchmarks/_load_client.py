"""A client that puts load on a server: one thread, one `select`, no allocation to speak of.

It runs in a process of its own (``python -m benchmarks._load_client PLAN``, answers on standard
output), so that measuring takes nothing from the server but its share of the processor. Requests
are due at times that were drawn beforehand, whether earlier ones have been answered or not, and
latency counts from the moment a request was **due**: a server that stands still for a second is
charged for every request of that second, not for the one that noticed (no coordinated omission).
Without such times each connection asks again as soon as it is answered.

`select`, because it waits for microseconds where `epoll`, and so asyncio, rounds up to whole
milliseconds.
"""

from __future__ import annotations

import gc
import re
import select
import signal
import socket
import sys
from collections import deque
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

__all__ = ["POLICY", "REFUSED", "Answer", "Expected", "Plan", "Told", "drive", "outcome_of"]

#: Outcomes of a request; any other is "fallback: reason", "status: code" or "wrong: what".
POLICY: Final = "policy"
LOST: Final = "lost"
LATE: Final = "late"
REFUSED: Final = "refused"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


class Expected(msgspec.Struct):
    """What the answer to one body has to be.

    Parameters
    ----------
    base : list of int
        Items in base order, which a list that fell back has.
    by_version : dict of str to list of int
        Items in the policy's order, by the version that may answer.
    """

    base: list[int]
    by_version: dict[str, list[int]]


class Plan(msgspec.Struct, kw_only=True):
    """What to ask, when, and what to expect.

    Parameters
    ----------
    host, port : str, int
        The server.
    bodies : list of bytes
        Bodies of ``POST /v1/rerank``, asked in turn.
    expected : list of Expected
        What to expect of each.
    due : list of float
        Seconds after the start at which requests are due, rising; empty: as soon as answered.
    seconds : float
        Without `due`: how long to ask for.
    connections : int
        The most there are; requests that find none wait, and their time counts.
    patience : float
        Seconds after which an answer is waited for no longer.
    """

    host: str
    port: int
    bodies: list[bytes]
    expected: list[Expected]
    due: list[float] = []
    seconds: float = 0.0
    connections: int
    patience: float = 10.0


class Answer(msgspec.Struct, array_like=True):
    """What became of one request; times of the machine's monotonic clock, in seconds.

    Parameters
    ----------
    due, sent, done : float
        When it had to be sent, was sent, and was answered in full (or given up).
    outcome : str
        "policy": 200 with the items in the order of the version that the answer names;
        "fallback: reason" with the base order; "wrong: what", "status: code"; "lost" (the
        connection ended first), "late" (beyond patience), "refused" (no connection to be had).
    version : str
        The version that the answer names; empty without one.
    opened : float
        When its connection was opened.
    logged : bool
        Whether the answer names a decision, which is then safe in the log.
    """

    due: float
    sent: float
    done: float
    outcome: str
    version: str = ""
    opened: float = 0.0
    logged: bool = False


class Told(msgspec.Struct):
    """What the client saw.

    Parameters
    ----------
    began : float
        The moment that `Plan.due` counts from, of the machine's monotonic clock.
    answers : list of Answer
        In the order of being answered.
    """

    began: float
    answers: list[Answer]


class _Item(msgspec.Struct):
    item_id: int


class _List(msgspec.Struct):
    items: list[_Item]
    version: str = ""
    fallback: str | None = None
    decision_id: str | None = None


_decode = msgspec.json.Decoder(_List).decode


def outcome_of(status: int, content: bytes, expected: Expected) -> tuple[str, str, bool]:
    """Judge one answer.

    Parameters
    ----------
    status : int
        Its HTTP status.
    content : bytes
        Its body.
    expected : Expected
        What it has to be.

    Returns
    -------
    tuple of (str, str, bool)
        The outcome, the version that the answer names, and whether it names a decision.
    """
    if status != 200:
        return f"status: {status}", "", False
    try:
        told = _decode(content)
    except msgspec.DecodeError:
        return "wrong: no list", "", False
    items = [item.item_id for item in told.items]
    if told.fallback is not None:
        outcome = f"fallback: {told.fallback}" if items == expected.base else "wrong: base order"
    elif told.version not in expected.by_version:
        outcome = "wrong: version"
    else:
        good = items == expected.by_version[told.version]
        outcome = POLICY if good else "wrong: order"
    return outcome, told.version, told.decision_id is not None


class _Connection:
    """A kept-alive connection with at most one request on it."""

    def __init__(self, plan: Plan) -> None:
        self.socket = socket.create_connection((plan.host, plan.port), timeout=plan.patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.opened = monotonic()
        self.received = bytearray()
        self.place = -1  # of the body that was asked for
        self.due = self.sent = 0.0

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> bool:
        """Take what has come; False at the end of the connection."""
        try:
            content = self.socket.recv(1 << 18)
        except OSError:
            return False
        self.received += content
        return bool(content)

    def answer(self) -> tuple[int, bytes, bool] | None:
        """Return status, body and whether the connection ends, once all of it is here."""
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return None
        header = bytes(self.received[: head + 2])
        length = _LENGTH.search(header)
        if length is None:
            raise RuntimeError(f"expected an answer with its length; got {header!r}")
        end = head + 4 + int(length[1])
        if len(self.received) < end:
            return None
        content = bytes(self.received[head + 4 : end])
        self.received.clear()
        return int(header[9:12]), content, _CLOSES.search(header) is not None


class _Drive:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.messages = [_message(plan, body) for body in plan.bodies]
        self.idle: list[_Connection] = []
        self.busy: list[_Connection] = []
        self.waiting: deque[float] = deque()
        self.asked = 0
        self.ended = False
        self.answers: list[Answer] = []

    def end(self) -> None:
        """Ask nothing more."""
        self.ended = True

    def run(self) -> Told:
        plan = self.plan
        self.idle = [_Connection(plan) for _ in range(min(plan.connections, 8))]
        began = monotonic() + 0.05
        due = deque(began + each for each in plan.due)
        end = began + (plan.due[-1] if plan.due else plan.seconds)
        if not due:
            due.extend([began] * plan.connections)
        while due or self.waiting or self.busy:
            now = monotonic()
            if self.ended:
                due.clear()
            while due and due[0] <= now:
                self.waiting.append(due.popleft())
            self._send(now)
            self._give_up(now)
            wait = max(0.0, due[0] - monotonic()) if due else 0.05
            ready, _, _ = select.select([*self.busy, *self.idle], [], [], min(wait, 0.05))
            for connection in ready:
                again = self._read(connection)
                if again and not plan.due and not self.ended and monotonic() < end:
                    due.append(monotonic())
        for connection in self.idle:
            connection.socket.close()
        return Told(began, self.answers)

    def _send(self, now: float) -> None:
        while self.waiting and (self.idle or len(self.busy) < self.plan.connections):
            due = self.waiting.popleft()
            place = self.asked % len(self.messages)
            self.asked += 1
            try:
                connection = self.idle.pop() if self.idle else _Connection(self.plan)
            except OSError:
                self.answers.append(Answer(due, now, monotonic(), REFUSED))
                continue
            connection.place, connection.due, connection.sent = place, due, monotonic()
            try:
                connection.socket.sendall(self.messages[place])
            except OSError:
                self._over(connection, LOST)
                connection.socket.close()
                continue
            self.busy.append(connection)

    def _read(self, connection: _Connection) -> bool:
        """Read from a connection; True if that ended a request."""
        if not connection.receive():
            return self._drop(connection, LOST)
        if connection.place < 0:  # nothing was asked
            return self._drop(connection, "")
        whole = connection.answer()
        if whole is None:
            return False
        done = monotonic()
        status, content, closes = whole
        expected = self.plan.expected[connection.place]
        outcome, version, logged = outcome_of(status, content, expected)
        self._over(connection, outcome, done=done, version=version, logged=logged)
        self.busy.remove(connection)
        if closes:
            connection.socket.close()
        else:
            self.idle.append(connection)
        return True

    def _give_up(self, now: float) -> None:
        for connection in self.busy[:]:
            if now - connection.sent > self.plan.patience:
                self._drop(connection, LATE)

    def _drop(self, connection: _Connection, outcome: str) -> bool:
        connection.socket.close()
        if connection.place < 0:
            self.idle.remove(connection)
            return False
        self.busy.remove(connection)
        self._over(connection, outcome)
        return True

    def _over(
        self,
        connection: _Connection,
        outcome: str,
        *,
        done: float | None = None,
        version: str = "",
        logged: bool = False,
    ) -> None:
        self.answers.append(
            Answer(
                due=connection.due,
                sent=connection.sent,
                done=monotonic() if done is None else done,
                outcome=outcome,
                version=version,
                opened=connection.opened,
                logged=logged,
            )
        )
        connection.place = -1


def _message(plan: Plan, body: bytes) -> bytes:
    head = (
        f"POST /v1/rerank HTTP/1.1\r\nhost: {plan.host}:{plan.port}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(plan: Plan, *, until: signal.Signals | None = None) -> Told:
    """Run a plan in this process.

    Parameters
    ----------
    plan : Plan
        The plan.
    until : Signals, optional
        A signal at which nothing more is asked; what was asked is waited for.

    Returns
    -------
    Told
        What became of each request.

    Raises
    ------
    OSError
        If the server cannot be reached at the start.
    """
    run = _Drive(plan)
    if until is not None:
        signal.signal(until, lambda *_: run.end())
    gc.collect()
    gc.disable()  # a run is short, and a collection would be charged to the server
    try:
        return run.run()
    finally:
        gc.enable()


if __name__ == "__main__":
    plan = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    sys.stdout.buffer.write(msgspec.msgpack.encode(drive(plan, until=signal.SIGTERM)))
