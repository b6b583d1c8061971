"""The files of `deploy/`: linted, checked against schemas, and the serving image's steps run."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from causal_ranker.cli.app import app
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.registry import Registry
from tests.cli.calling import ROOT
from tests.serving.shop import build_shop

DEPLOY = ROOT / "deploy"
_DRAIN_S = ServeConfig().drain_s


def serve_options() -> set[str]:
    command: Any = typer.main.get_command(app)
    return {word for option in command.commands["serve"].params for word in option.opts}


def checked(program: str, *words: object) -> None:
    path = Path(sys.executable).with_name(program)
    done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_passes_the_linter() -> None:
    checked("hadolint", DEPLOY / "Dockerfile")


def test_the_image_starts_the_server_with_options_that_there_are() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    (command,) = re.findall(r"^CMD (\[.*--model.*\])$", text, re.MULTILINE)
    words = json.loads(command)
    options = {word for word in words if word.startswith("--")}
    assert options == {"--model", "--log", "--host", "--port", "--keys"}
    assert options <= serve_options()


def test_the_manifest_fits_kubernetes_and_the_server() -> None:
    file = DEPLOY / "kubernetes.yaml"
    checked("kubernetes-validate", "--strict", file)
    kinds = {each["kind"]: each for each in yaml.safe_load_all(file.read_text())}
    pod = kinds["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] > _DRAIN_S
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["resources"]["limits"]["memory"] == "600Mi"
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {"/models", "/keys", "/decisions"} <= mounts  # where the image's command looks


def test_the_unit_starts_the_server_with_options_that_there_are() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "causal-ranker.service")
    service = unit["Service"]
    words = shlex.split(service["ExecStart"])
    assert words[1] == "serve"
    assert {word for word in words if word.startswith("--")} <= serve_options()
    assert float(service["TimeoutStopSec"]) > _DRAIN_S


@pytest.mark.slow
def test_what_the_serving_image_installs_is_enough_to_serve(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    version = registry.publish(build_shop().contents)
    place = tmp_path / "image"
    subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=120)
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps"]
    listed = ["--constraint", "constraints.txt", "--requirement", "deploy/serving.txt"]
    for words in (listed, ["."]):
        subprocess.run([*pip, *words], cwd=ROOT, check=True, timeout=600)
    found = {each.name for each in place.glob("lib/python*/site-packages/*")}
    assert not found & {"econml", "causalml", "pandas", "duckdb", "sklearn", "torch"}

    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [
            *(place / "bin" / "causal-ranker", "serve", "--model", registry.root),
            *("--log", tmp_path / "decisions", "--port", "0"),
        ],
        cwd=tmp_path,
        env=alone,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        address = None
        for line in server.stderr:  # ends with the process, at the latest
            if said := re.search(r"serving model (\w+) on (http://\S+)", line):
                assert said[1] == version
                address = said[2]
                break
        assert address is not None
        body = {"user_id": 7, "k": 2, "candidates": [{"item_id": 1, "base_score": 0.8}]}
        request = urllib.request.Request(
            f"{address}/v1/rerank",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            told = json.load(answer)
        assert told["version"] == version
        assert [item["item_id"] for item in told["items"]] == [1]
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(timeout=30)
        assert server.stderr is not None
        server.stderr.close()
    assert server.returncode == 0
