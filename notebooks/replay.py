"""What notebooks 6 and 8 need beside the package: a world that can be replayed, and a server."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.ope.fixed import FixedLists
from causal_ranker.serving.decisions.record import EventRecord, event_id
from causal_ranker.worlds.logs import TruthColumns as T
from causal_ranker.worlds.logs import WorldLogs

__all__ = ["Server", "Week", "certain", "first_slots", "replayed", "wide"]


def first_slots(scores: np.ndarray, slots: int) -> np.ndarray:
    """The list by falling scores, as places among the candidates."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :slots]


def certain(scores: np.ndarray, slots: int) -> np.ndarray:
    """Chances of lists that are not drawn."""
    lists = FixedLists(first_slots(scores, slots), candidates=scores.shape[1])
    return lists.slot_chances(slots)


def wide(table: pd.DataFrame, column: str, candidates: int) -> np.ndarray:
    """A row per request, a column per candidate."""
    return table[column].to_numpy(dtype=float).reshape(-1, candidates)


def replayed(table: pd.DataFrame, lists: np.ndarray, candidates: int) -> np.ndarray:
    """Show lists, and see what is played of the candidates, shown or not."""
    slot = np.zeros((len(lists), candidates))
    np.put_along_axis(slot, lists, np.arange(1.0, lists.shape[1] + 1)[None, :], axis=1)
    noticed = (slot > 0) & (slot <= wide(table, T.EXAMINED_TO, candidates))
    return np.where(noticed, wide(table, T.Y_EXAMINED, candidates), wide(table, T.Y0, candidates))


@dataclass(frozen=True)
class Week:
    """A week's requests, one row each; and the truth about their candidates."""

    start: datetime
    user: np.ndarray  # (requests,)
    t0: np.ndarray  # (requests,), milliseconds
    item: np.ndarray  # (requests, candidates), as all below
    base: np.ndarray
    alone: np.ndarray  # played without being shown
    noticed: np.ndarray  # played where the member notices it
    looks_to: np.ndarray  # last slot that is noticed
    chance_alone: np.ndarray
    effect: np.ndarray  # of an impression that is noticed
    examines: np.ndarray  # (requests, slots): chance that a slot is noticed

    @classmethod
    def of(cls, whole: WorldLogs, number: int, *, candidates: int, slots: int) -> "Week":
        """Cut one week out of the world."""
        start = whole.log_end - timedelta(days=21 - 7 * number)
        later: WorldLogs = whole.split(last_days=21 - 7 * number)[1] if number else whole
        mine = (later.candidates[C.T0] < start + timedelta(days=7)).to_numpy()
        rows, truth = later.candidates[mine], later.truth[mine]

        def wide(table: pd.DataFrame, column: str) -> np.ndarray:
            return table[column].to_numpy().reshape(-1, candidates)

        seconds = rows[C.T0].to_numpy("datetime64[ms]").astype(np.int64)
        depth = wide(truth, T.SCROLL)[:, :1] ** np.arange(slots)
        return cls(
            start=start,
            user=wide(rows, C.USER)[:, 0],
            t0=seconds[::candidates],
            item=wide(rows, C.ITEM),
            base=wide(rows, C.BASE_SCORE),
            alone=wide(truth, T.Y0),
            noticed=wide(truth, T.Y_EXAMINED),
            looks_to=wide(truth, T.EXAMINED_TO),
            chance_alone=wide(truth, T.Y0_PROBABILITY),
            effect=wide(truth, T.EFFECT_IF_EXAMINED),
            examines=wide(truth, T.ATTENTION)[:, :1] * depth,
        )

    def played(self, lists: np.ndarray) -> np.ndarray:
        """Show lists, and see what is played of the candidates, shown or not."""
        slot = np.zeros(self.item.shape, dtype=np.int64)
        np.put_along_axis(slot, lists, np.arange(1, lists.shape[1] + 1)[None, :], axis=1)
        return np.where((slot > 0) & (slot <= self.looks_to), self.noticed, self.alone)

    def caused(self, chances: np.ndarray) -> float:
        """True plays caused per 100 slots, by the chance of each candidate to be in each slot."""
        brings = self.effect[:, :, None] * self.examines[:, None, :]
        return 100 * float((chances * brings).sum(axis=(1, 2)).mean()) / self.examines.shape[1]

    def played_of_shown(self, chances: np.ndarray) -> float:
        """True plays of the items shown, per list, whoever would have played them anyway."""
        brings = self.chance_alone[:, :, None] + self.effect[:, :, None] * self.examines[:, None, :]
        return float((chances * brings).sum(axis=(1, 2)).mean())

    def some(self, rows: np.ndarray) -> "Week":
        """Keep some of the requests."""
        kept = {
            name: values[rows] if isinstance(values, np.ndarray) else values
            for name, values in vars(self).items()
        }
        return Week(**kept)

    def events(self, lists: np.ndarray, ids: np.ndarray) -> list[EventRecord]:
        """Show lists, and tell of the plays as an app would, some hours later."""
        request, place = np.nonzero(self.played(lists))
        hours = np.random.default_rng(int(self.t0[0])).uniform(0.1, 23, len(request))
        moments = self.t0[request] + (hours * 3_600_000).astype(np.int64)
        found = []
        for number, (row, column, moment) in enumerate(zip(request, place, moments, strict=True)):
            user, item, at = int(self.user[row]), int(self.item[row, column]), int(moment)
            name = f"{ids[row]}-{number}"
            found.append(
                EventRecord(
                    event_id=event_id("play", item, at_ms=at, user_id=user, play_id=name),
                    kind="play",
                    item_id=item,
                    at_ms=at,
                    received_ms=at,
                    user_id=user,
                    play_id=name,
                )
            )
        return found


class Server:
    """`causal-ranker serve` in a process of its own, on 127.0.0.1 and a free port."""

    def __init__(self, model: Path, *, log: Path, config: Path) -> None:
        command = [sys.executable, "-m", "causal_ranker", "serve", "--model", str(model)]
        command += ["--log", str(log), "--config", str(config), "--port", "0"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._said: list[str] = []
        self._ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if "http://127.0.0.1:" in line:
                self._ready.set()

    def __enter__(self) -> "Server":
        if not self._ready.wait(400):
            self.__exit__()
            raise RuntimeError(f"the server did not start: {''.join(self._said)}")
        line = next(each for each in self._said if "http://127.0.0.1:" in each)
        self.url = "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split()[0]
        return self

    def ask(self, path: str, body: dict) -> dict:
        """Send JSON, and read JSON."""
        headers = {"Content-Type": "application/json"}
        request = Request(self.url + path, json.dumps(body).encode(), headers)
        with urlopen(request, timeout=60) as answer:  # our own server, on this machine
            return json.load(answer)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # it goes on until what was asked is answered and logged
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
