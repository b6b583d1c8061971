"""The real server in a process of its own, its memory, and a client in another process."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from benchmarks._load_client import Plan, Told

__all__ = ["Memory", "Server", "ask", "put_load", "serving", "told_by"]

_START_S: Final = 60
_STOP_S: Final = 20
_ADDRESS: Final = re.compile(r"https?://([\w.]+):(\d+)")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory of one process in MB (10^6 bytes).

    Parameters
    ----------
    rss : float
        Resident, pages that it shares with other processes counted in full.
    pss : float
        Resident, each shared page divided by those who share it.
    uss : float
        Its own alone: what ending it would give back.
    """

    rss: float
    pss: float
    uss: float


class Server:
    """A server that was started; see `serving`.

    Parameters
    ----------
    process : Popen
        Its process, standard error a pipe.

    Attributes
    ----------
    host, port : str, int
        Where it listens, once `listens` is set by the line of its log that says so.
    last_words : deque of str
        The end of its log.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.host, self.port = "", 0
        self.last_words: deque[str] = deque(maxlen=50)
        self.listens = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """Wait until it answers ``GET /healthz``.

        Raises
        ------
        RuntimeError
            If it ends, or does not answer within a minute; the message ends with its log.
        """
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self.process.poll() is None:
            if self.listens.wait(0.02) and self._answers():
                return
            time.sleep(0.02)
        raise RuntimeError("the server did not start:\n" + "\n".join(self.last_words))

    def memory(self) -> list[Memory]:
        """Look at the memory of the process that answers, or of each worker where there are some.

        Returns
        -------
        list of Memory
            One for each; Linux only.
        """
        processes = [self.process.pid, *_children(self.process.pid)]
        return [_memory(pid) for pid in processes]

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far, its children's included."""
        processes = [self.process.pid, *_children(self.process.pid)]
        return sum(_cpu_seconds(pid) for pid in processes)

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def wait_for_end(self) -> float:
        """Wait for the end of the process.

        Returns
        -------
        float
            Seconds that it took, infinity where it had to be killed after 20.
        """
        start = time.monotonic()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_STOP_S)
            return float("inf")
        finally:
            self._reader.join(1)
        return time.monotonic() - start

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.last_words.append(line.rstrip())
            found = _ADDRESS.search(line)
            if found and not self.port:
                self.host, self.port = found[1], int(found[2])
                self.listens.set()

    def lists(self) -> int:
        """Ask how many lists it has been asked for.

        Returns
        -------
        int
            Since its model began to answer.
        """
        asked = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            asked.request("GET", "/v1/version")
            return int(msgspec.json.decode(asked.getresponse().read())["requests"])
        finally:
            asked.close()

    def _answers(self) -> bool:
        asked = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            asked.request("GET", "/healthz")
            return asked.getresponse().status == 200
        except OSError:
            return False
        finally:
            asked.close()


@contextmanager
def serving(
    model: Path, *options: str, program: Sequence[str] = ("causal_ranker",)
) -> Iterator[Server]:
    """Run ``causal-ranker serve`` on a free port of this machine.

    Parameters
    ----------
    model : Path
        The published bundle, or a registry of them.
    *options : str
        More of the command line.
    program : sequence of str
        The module that is run, and arguments before those of ``serve``.

    Yields
    ------
    Server
        The server, ready.

    Raises
    ------
    RuntimeError
        If it does not start.
    """
    command = [sys.executable, "-m", *program, "serve", "--model", str(model)]
    with subprocess.Popen(
        [*command, "--port", "0", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    ) as process:
        server = Server(process)
        try:
            server.wait_until_ready()
            yield server
        finally:
            if process.poll() is None:
                server.ask_to_stop()
                server.wait_for_end()


@contextmanager
def put_load(plan: Plan) -> Iterator[subprocess.Popen[bytes]]:
    """Run a plan's client in a process of its own.

    Parameters
    ----------
    plan : Plan
        What to ask.

    Yields
    ------
    Popen
        The client; `told_by` waits for what it saw.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan"
        path.write_bytes(msgspec.msgpack.encode(plan))
        command = [sys.executable, "-m", "benchmarks._load_client", str(path)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        ) as client:
            try:
                yield client
            finally:
                if client.poll() is None:
                    client.kill()


def told_by(client: subprocess.Popen[bytes], plan: Plan) -> Told:
    """Wait for a client to end.

    Parameters
    ----------
    client : Popen
        The client.
    plan : Plan
        Its plan, which says how long that may take.

    Returns
    -------
    Told
        What it saw.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    most = (plan.due[-1] if plan.due else plan.seconds) + 2 * plan.patience + 30
    content, _ = client.communicate(timeout=most)
    if client.returncode:
        raise RuntimeError(f"the client ended with exit code {client.returncode}")
    return msgspec.msgpack.decode(content, type=Told)


def ask(plan: Plan) -> Told:
    """Run a plan's client to its end, in a process of its own.

    Parameters
    ----------
    plan : Plan
        What to ask.

    Returns
    -------
    Told
        What it saw.
    """
    with put_load(plan) as client:
        return told_by(client, plan)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            own = [int(word) for word in (task / "children").read_text("ascii").split()]
        except OSError:  # a thread that has just ended
            continue
        found += [*own, *(each for child in own for each in _children(child))]
    return found


def _cpu_seconds(pid: int) -> float:
    # The name of the command comes second, in brackets, and may hold anything.
    words = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> Memory:
    told: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]:
        name, value = line.split(":")
        told[name] = int(value.split()[0])
    mb = 1024 / 1e6
    return Memory(
        rss=told["Rss"] * mb,
        pss=told["Pss"] * mb,
        uss=(told["Private_Clean"] + told["Private_Dirty"]) * mb,
    )
