"""The README's three uses run as they stand, on the tables of a small world.

Two things are given from outside, as they would be by whoever has tables of this size: a learner
that is quick, and lists as long as the slates.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from causal_ranker import CausalRanker
from causal_ranker.serving import registry as registry_module
from causal_ranker.serving.probe import probe
from tests.cli.calling import ROOT, environment, program, small_world

TABLES = ("impressions", "plays", "candidates", "users", "items")
QUICK = {"k": 4, "learner": "dr"}
USER, ITEMS = 7, (42, 13)  # those of the README


def use(title: str, kind: str) -> str:
    """Return the first block of a kind under one of the three uses."""
    text = (ROOT / "README.md").read_text("utf-8").split("\n## Three uses\n")[1].split("\n## ")[0]
    found = re.search(rf"\*\*{title}.*?```{kind}\n(.*?)```", text, re.DOTALL)
    assert found, f"no block of {kind} under '{title}'"
    return found[1]


def call(folder: Path, *words: str) -> str:
    done = subprocess.run(
        program(*words),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the README names; its hold-out begins six days before their end."""
    folder = tmp_path_factory.mktemp("uses")
    logs = small_world(users=60, items=50, days=41)
    for name in TABLES:
        getattr(logs, name).to_parquet(folder / f"{name}.parquet")
    pd.DataFrame({"item_id": [3, 13, 42, 5], "base_score": [0.9, 0.7, 0.6, 0.5]}).to_csv(
        folder / "offer.csv", index=False
    )
    return folder


@pytest.fixture(scope="module")
def home(folder: Path) -> Path:
    """Run the block that wraps a recommender, whose one method is the caller's to write."""
    candidates = pd.read_parquet(folder / "candidates.parquet")
    scores = candidates.groupby(["user_id", "item_id"], as_index=False).base_score.mean()
    scores = scores.sort_values("base_score", ascending=False, kind="stable")

    def of_table(self: Any, users: Any, *, at: Any, k: int | None = None) -> pd.DataFrame:
        mine = scores[scores.user_id.isin(list(users))]
        return mine if k is None else mine.groupby("user_id").head(k)

    names: dict[str, Any] = {"CausalRanker": functools.partial(CausalRanker, **QUICK)}
    described, then = use("Put it on top of your recommender", "python").split("\n\n\n")
    exec(described, names)
    names["Mine"].candidates = of_table
    with pytest.MonkeyPatch.context() as patch:
        # by the same checks, without a process of its own: that is tested where it belongs
        patch.setattr(registry_module, "verify_bundle", lambda path, timeout_s: probe(path))
        patch.chdir(folder)
        exec(then, names)
    return folder / "models" / "home"


@contextmanager
def served(folder: Path, words: list[str]) -> Iterator[str]:
    """Serve as the README does, on a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    assert words[-2:] == ["--port", "8000"]
    command = program(*words[:-1], port)
    with subprocess.Popen(command, cwd=folder, env=environment()) as server:
        try:
            for _ in range(1200):
                try:
                    with urllib.request.urlopen(f"http://localhost:{port}/readyz", timeout=5):
                        break
                except OSError:
                    assert server.poll() is None
                    time.sleep(0.1)
            yield f"http://localhost:{port}"
        finally:
            server.terminate()


@pytest.mark.slow
def test_it_can_be_asked_whether_reranking_would_pay(folder: Path) -> None:
    command = use("Ask whether re-ranking would pay", "sh").replace("\\\n", " ")
    first, *words = shlex.split(command)
    assert first == "causal-ranker"
    call(folder, *words, *(word for key in QUICK for word in (f"--{key}", str(QUICK[key]))))
    told = json.loads((folder / "runs" / "evaluate" / "report.json").read_text("utf-8"))
    assert told["verdict"]
    assert "Can this be false?" in [section["title"] for section in told["sections"]]


@pytest.mark.slow
def test_it_stands_on_top_of_a_recommender_and_is_served(home: Path, folder: Path) -> None:
    rerank, serve, curl = re.findall(
        r"^(?:causal-ranker|curl) .*?(?=^\S|\Z)", use("Serve it", "sh"), re.DOTALL | re.MULTILINE
    )
    words = shlex.split(rerank)[1:]
    assert words[words.index("--user") + 1] == str(USER)
    assert home.is_dir()
    assert "42" in call(folder, *words)
    url, body = re.search(r"localhost:8000(\S+)", curl), re.search(r"-d '(.*)'", curl, re.DOTALL)
    assert url
    assert body
    assert json.loads(body[1])["user_id"] == USER
    with served(folder, shlex.split(serve)[1:]) as address:
        asked = urllib.request.Request(
            address + url[1],
            data=body[1].encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            listed = json.loads(answer.read())
    assert sorted(row["item_id"] for row in listed["items"]) == sorted(ITEMS)
    assert list((folder / "decisions").iterdir())
