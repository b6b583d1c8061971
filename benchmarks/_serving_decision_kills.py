"""``kill -9`` at random moments under load: what was acknowledged is in the next log, once.

The server is killed again and again while four clients ask for lists and tell views and plays, each
time at another moment; then a process that only writes decisions, far faster than a server does.
What they were promised is looked for in the tables: a decision by the id in its answer, views and
plays by the answer to `/v1/events`. The log is compacted between some of the kills and in the end.
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from benchmarks._server import Server, serving
from benchmarks._small_shop import small_contents
from causal_ranker.columns import Columns as C
from causal_ranker.serving.decisions.compact import compact
from causal_ranker.serving.registry import Registry

__all__ = ["Promised", "lost_or_twice", "run", "write_until_killed"]

_KILLS: Final = 50
_LONGEST_S: Final = 1.0
_CLIENTS: Final = 4
_SEGMENT_BYTES: Final = 500_000
_SHOWN: Final = 5
_SETTINGS: Final = f"""
[log]
segment_seconds = 0.5
[exploration]
slots = {_SHOWN}
holdout_share = 0.1
[exploration.draw]
kind = "plackett_luce"
temperature = 0.3
"""


class Promised:
    """What was acknowledged.

    Attributes
    ----------
    decisions, views, plays : set of str
        Ids of decisions, of impressions that were viewed, and of plays.
    """

    def __init__(self) -> None:
        self.decisions: set[str] = set()
        self.views: set[str] = set()
        self.plays: set[str] = set()


def run(*, quick: bool) -> dict[str, object]:
    """Kill, compact, count.

    Parameters
    ----------
    quick : bool
        Two kills of each instead of fifty.

    Returns
    -------
    dict
        ``decisions_lost``: acknowledged decisions, views and plays that are missing after
        compaction, and rows that are there twice; and how many were acknowledged, by whom.
    """
    kills = 2 if quick else _KILLS
    moments = random.Random(7)
    by_server, by_writer = Promised(), Promised()
    with tempfile.TemporaryDirectory() as folder:
        models, settings = Path(folder) / "models", Path(folder) / "serve.toml"
        Registry(models).publish(small_contents())
        settings.write_text(_SETTINGS, "utf-8")

        def serve(log: Path, after_s: float) -> None:
            options = ["--log", str(log), "--config", str(settings)]
            with serving(models, *options) as server:
                _ask_until_killed(server, after_s, by_server)

        def write(log: Path, after_s: float) -> None:
            write_until_killed(log, after_s, by_writer)

        found = [
            _kills(Path(folder) / "served", serve, kills, moments, by_server),
            _kills(Path(folder) / "written", write, kills, moments, by_writer),
        ]
    return {
        "decisions_lost": sum(lost + twice for lost, twice in found),
        "decisions_twice": sum(twice for _, twice in found),
        "decision_kills": kills,
        "served_decisions": len(by_server.decisions),
        "served_views": len(by_server.views),
        "served_plays": len(by_server.plays),
        "written_decisions": len(by_writer.decisions),
        "written_plays": len(by_writer.plays),
    }


def _kills(
    folder: Path,
    attempt: Callable[[Path, float], None],
    kills: int,
    moments: random.Random,
    promised: Promised,
) -> tuple[int, int]:
    log, out = folder / "log", folder / "out"
    log.mkdir(parents=True)
    for kill in range(kills):
        attempt(log, moments.uniform(0, _LONGEST_S))
        if kill % 10 == 5:
            compact(log, out=out)
    compact(log, out=out)
    return lost_or_twice(out, promised)


def lost_or_twice(out: Path, promised: Promised) -> tuple[int, int]:
    """Compare what was acknowledged with compacted tables.

    Parameters
    ----------
    out : Path
        The tables.
    promised : Promised
        What was acknowledged.

    Returns
    -------
    lost, twice : int
        Decisions, views and plays that are missing, and rows of impressions, candidates and plays
        whose key is there already.
    """
    slots: Counter[str] = Counter()
    pairs: Counter[tuple[object, ...]] = Counter()
    plays: Counter[str] = Counter()
    decisions: set[str] = set()
    viewed: set[str] = set()
    for rows in _columns(out / "impressions", C.IMPRESSION, C.VIEWABLE):
        slots.update(rows[C.IMPRESSION])
        viewed.update(
            name for name, seen in zip(rows[C.IMPRESSION], rows[C.VIEWABLE], strict=True) if seen
        )
    for name in ("candidates", "candidates_without_propensity"):
        for rows in _columns(out / name, C.ASSIGNMENT_UNIT, C.ITEM):
            pairs.update(zip(rows[C.ASSIGNMENT_UNIT], rows[C.ITEM], strict=True))
            decisions.update(rows[C.ASSIGNMENT_UNIT])
    for rows in _columns(out / "plays", C.PLAY):
        plays.update(name.partition("/play-")[2] for name in rows[C.PLAY])
    lost = promised.decisions - decisions, promised.views - viewed, promised.plays - plays.keys()
    twice = sum(count - 1 for keys in (slots, pairs, plays) for count in keys.values())
    return sum(map(len, lost)), twice


def _columns(folder: Path, *names: str) -> Iterator[dict[str, list[Any]]]:
    for file in folder.glob("*.parquet"):
        rows = pq.ParquetFile(file).read(list(names))
        yield {name: rows[name].to_pylist() for name in names}


def write_until_killed(log: Path, after_s: float, promised: Promised) -> None:
    """Kill a process that writes decisions.

    Parameters
    ----------
    log : Path
        Where it writes.
    after_s : float
        Seconds from its first promise on.
    promised : Promised
        Takes what it promised.
    """
    command = [sys.executable, "-m", "benchmarks._decision_child", str(log), str(_SEGMENT_BYTES)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdout is not None
        # The pipe is read all the time, or it would wait for us.
        for number, line in enumerate(process.stdout):
            if number == 0:
                threading.Timer(after_s, process.kill).start()
            kind, _, name = line.strip().partition(" ")
            if line.endswith("\n"):
                (promised.decisions if kind == "decision" else promised.plays).add(name)


def _ask_until_killed(server: Server, after_s: float, promised: Promised) -> None:
    clients = [
        threading.Thread(target=_ask, args=(server, random.Random(number), promised))
        for number in range(_CLIENTS)
    ]
    for client in clients:
        client.start()
    time.sleep(after_s)
    server.process.kill()
    for client in clients:
        client.join()


def _ask(server: Server, chance: random.Random, promised: Promised) -> None:
    """Ask for lists and tell what came of them, until nobody answers."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    try:
        while True:
            offered = [
                {"item_id": item, "base_score": chance.random()}
                for item in chance.sample(range(30), 20)
            ]
            asked = {"user_id": chance.randrange(50), "candidates": offered, "k": _SHOWN}
            answer = _post(connection, "/v1/rerank", asked)
            name = answer["decision_id"]
            if name is None:
                continue
            promised.decisions.add(name)
            slot, now = chance.randrange(_SHOWN), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            item = answer["items"][slot]["item_id"]
            events = [
                {"type": "view", "item_id": item, "at": now},
                {"type": "play", "item_id": item, "at": now, "play_id": f"of {name}"},
            ]
            _post(connection, "/v1/events", {"decision_id": name, "events": events})
            promised.views.add(f"{name}-{slot + 1}")
            promised.plays.add(f"of {name}")
    except (OSError, http.client.HTTPException):  # it was killed
        return
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, path: str, body: object) -> Any:
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {content[:200]!r}")
    return json.loads(content)
