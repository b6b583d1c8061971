"""The benchmark of the service: parts are found and dispatched, and each of them measures."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from benchmarks import PartedBenchmark, _server, load, serving
from benchmarks.__main__ import main
from benchmarks._asked import Questions
from benchmarks._load_client import POLICY
from benchmarks._server import Server, ask
from benchmarks._server import serving as served
from benchmarks._shop import CANDIDATES, draw_requests, publish_shop, shop_contents

PLANTED = """
def run(*, quick):
    return {"swap_failures": 3, "NAME": quick}
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Two parts instead of the real ones."""
    names = ["one", "two"]
    for name in names:
        (tmp_path / f"_serving_{name}.py").write_text(PLANTED.replace("NAME", name), "utf-8")
    monkeypatch.setattr(benchmarks, "__path__", [str(tmp_path)])
    importlib.invalidate_caches()
    yield names
    for name in names:
        sys.modules.pop(f"benchmarks._serving_{name}", None)


def test_parts_are_found_by_their_files() -> None:
    assert isinstance(load("serving"), PartedBenchmark)
    assert not isinstance(load("import_time"), PartedBenchmark)
    assert {"http_faults", "http_swaps", "load", "predict", "sigterm"} <= set(serving.parts())


def test_what_is_asked_is_measured_by_some_part() -> None:
    folder = Path(serving.__file__).parent
    text = "".join((folder / f"_serving_{name}.py").read_text("utf-8") for name in serving.parts())
    for figure in serving.LIMITS:
        named = "p99_ms_{rate}" if figure.startswith("p99_ms_") else figure
        assert f'"{named}"' in text, figure


def test_all_parts_run_or_one(planted: list[str]) -> None:
    assert serving.parts() == planted
    every = serving.run(quick=True)
    assert every.figures == {"swap_failures": 3, "one": True, "two": True}
    assert ("one", "swap_failures", 3, "at most 0") in every.rows
    assert ("two", "two", True, "") in every.rows
    alone = serving.run(quick=False, part="two")
    assert alone.figures == {"swap_failures": 3, "two": False}
    assert {row[0] for row in alone.rows} == {"two"}


def test_a_part_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def run(*, quick: bool, part: str | None = None) -> benchmarks.Result:
        asked.append((quick, part))
        return benchmarks.Result(("what", "value"), [], {"max_rps": 1.0})

    monkeypatch.setattr(serving, "run", run)
    assert main(["serving", "--part", "load", "--quick"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line == {"benchmark": "serving", "part": "load", "quick": True, "max_rps": 1.0}
    assert main(["serving"]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line == {"benchmark": "serving", "quick": False, "max_rps": 1.0}
    assert asked == [(True, "load"), (False, None)]


@pytest.mark.parametrize(
    ("name", "part", "told"),
    [("serving", "no_such", "sigterm"), ("import_time", "load", "It has none")],
)
def test_an_unknown_part_exits_with_2(
    name: str, part: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--part", part]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err


def test_requests_are_drawn_as_asked() -> None:
    first, second = draw_requests(2)
    assert draw_requests(2) == [first, second]
    body = json.loads(first.body())
    assert [each["item_id"] for each in body["candidates"]] == [i for i, _ in first.candidates]
    order = first.base_order()
    assert len(set(order)) == CANDIDATES
    score = dict(first.candidates)
    assert [score[item] for item in order] == sorted(score.values(), reverse=True)
    schema = shop_contents().uplift.schema
    assert len(schema.features) == 30
    assert shop_contents().uplift.text.count("\nTree=") == 300


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_shop(tmp_path_factory.mktemp("shop"))


@pytest.mark.slow
def test_a_wrong_answer_is_seen(model: Path, tmp_path: Path) -> None:
    """What the server says is compared item by item, or everything would be called well."""
    questions = Questions([model])
    patient = tmp_path / "serve.toml"
    patient.write_text("deadline_ms = 60000.0\n", "utf-8")
    with served(model, "--config", str(patient)) as server:
        plan = questions.at_rate(server, 100, seconds=0.2, seed=0)
        assert {answer.outcome for answer in ask(plan).answers} == {POLICY}
        for expected in plan.expected:
            for order in expected.by_version.values():
                order[-1], order[-2] = order[-2], order[-1]
        assert {answer.outcome for answer in ask(plan).answers} == {"wrong: order"}
        memory = server.memory()[0]
        assert 20 < memory.uss <= memory.pss <= memory.rss < 2000
        assert server.cpu_seconds() > 0.1


@pytest.mark.slow
def test_parts_measure() -> None:
    figures: dict[str, Any] = dict(serving.run(quick=True, part="predict").figures)
    figures |= serving.run(quick=True, part="load").figures
    assert figures["rerank_vs_predict"] > 1
    assert 0 < figures["p50_ms_100"] < figures["p99_ms_100"] <= figures["p99_ms_100_worst"]
    assert {"max_rps", "rss_mb", "cpu_ms_per_request"} <= set(figures)
    assert figures["failures"] == {}
    stopped: dict[str, Any] = dict(serving.run(quick=True, part="sigterm").figures)
    assert stopped["sigterm_in_flight"] > 0
    assert stopped["sigterm_lost"] == 0


@pytest.mark.slow
def test_faults_and_swaps_over_http() -> None:
    found: dict[str, Any] = dict(serving.run(quick=True, part="http_faults").figures)
    assert found["http_fault_ok_share"] == 1
    assert "fallback: deadline" in found["http_fault_outcomes"]
    found = dict(serving.run(quick=True, part="http_swaps").figures)
    assert found["http_swap_failures"] == 0
    assert min(found["http_swap_versions"]) > 0


@pytest.mark.slow
def test_a_server_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="expected a model folder"), served(tmp_path / "none"):
        pass


def test_a_server_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_server, "_STOP_S", 0.5)
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    code += "print('http://127.0.0.1:1', file=sys.stderr, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as one:
        server = Server(one)
        assert server.listens.wait(20)
        server.ask_to_stop()
        assert server.wait_for_end() == float("inf")
        assert one.returncode == -signal.SIGKILL
