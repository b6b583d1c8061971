"""The commands on a published model."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle, write_bundle
from tests.cli.calling import Run, environment, program
from tests.serving.shop import USER_IDS, build_shop, with_width

USER = int(USER_IDS[5])


def test_the_list_as_json_is_what_the_library_says(run: Run, model: Path) -> None:
    code, out, err = run("rerank", "--model", model, "--user", USER, "--k", "5", "--json")
    assert (code, err) == (0, "")
    bundle = load_bundle(model)
    said = json.loads(out)
    assert said == {
        "user_id": USER,
        "items": rerank(bundle, USER, k=5).records(),
        "fallback": None,
        "version": bundle.version,
    }
    assert [row[C.RANK] for row in said["items"]] == [1, 2, 3, 4, 5]


def test_the_list_has_intervals_where_the_model_has(run: Run, model: Path, tmp_path: Path) -> None:
    wide = write_bundle(tmp_path / "wide", contents=with_width(build_shop())[0])
    code, out, _ = run("rerank", "--model", wide, "--user", USER, "--k", "3")
    assert code == 0
    assert re.search(r"base score +uplift +from +to", out)
    assert "From and to: 95 % interval of the uplift." in " ".join(out.split())
    _, out, _ = run("rerank", "--model", wide, "--user", USER, "--json")
    items = json.loads(out)["items"]
    assert all(row[C.UPLIFT_LOW] < row[C.UPLIFT] < row[C.UPLIFT_HIGH] for row in items)
    _, out, _ = run("rerank", "--model", model, "--user", USER, "--json")
    assert C.UPLIFT_LOW not in json.loads(out)["items"][0]


def test_the_list_as_a_table_holds_both_ranks(run: Run, model: Path) -> None:
    code, out, _ = run("rerank", "--model", model, "--user", USER)
    assert code == 0
    assert re.search(r"item +base rank +new rank +base score +uplift", out)
    ranked = rerank(load_bundle(model), USER, k=10)
    shown = re.findall(r"(item-\d\d) +(\d+) +(\d+) ", out)
    assert shown == [
        (str(item), str(base), str(new))
        for item, base, new in zip(ranked.items, ranked.base_rank, ranked.rank, strict=True)
    ]


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for the line that names the port."""
    for _ in range(300):
        found = re.search(r"on http://127\.0\.0\.1:(\d+)", log.read_text("utf-8"))
        if found:
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"no port: {log.read_text('utf-8')}")


@pytest.mark.slow
def test_the_service_answers_and_stops(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            program("serve", "--model", model, "--port", "0"),
            env=environment(),
            stdout=stream,
            stderr=stream,
        )
    try:
        port = port_of(process, log)
        assert ask(port, "GET", "/healthz") == (200, {"status": "ok"})
        version = load_bundle(model).version
        assert ask(port, "GET", "/v1/version")[1]["version"] == version
        status, answer = ask(port, "POST", "/v1/rerank", {"user_id": USER, "k": 3})
        assert status == 200
        expected = rerank(load_bundle(model), USER, k=3).records()
        assert answer["items"] == [row | {"propensity": 1.0} for row in expected]
        # to the service an unknown user is no error: the base order, and a count
        given = [{"item_id": f"item-{i:02d}", "base_score": float(i)} for i in range(3)]
        asked = {"user_id": 9999, "candidates": given}
        answer = ask(port, "POST", "/v1/rerank", asked)[1]
        assert answer["fallback"] == "unknown_user"
        assert [row[C.ITEM] for row in answer["items"]] == ["item-02", "item-01", "item-00"]
        assert ask(port, "GET", "/v1/version")[1]["fallbacks"] == {"unknown_user": 1}
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert "Traceback" not in log.read_text("utf-8")
    finally:
        process.kill()
        process.wait(timeout=20)
