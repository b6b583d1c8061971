"""The commands on a registry of models."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving import registry as registry_module
from causal_ranker.serving.probe import probe
from causal_ranker.serving.registry import Registry
from tests.cli.calling import MESSAGE, Run
from tests.serving.shop import USER_IDS, build_shop


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Three versions, the second of which answers, and none verified by a child so far."""
    registry, contents = Registry(tmp_path / "shop"), build_shop().contents
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_module, "verify_bundle", lambda path, timeout_s: probe(path))
        for weight in (0.1, 0.2, 0.3):
            registry.publish(replace(contents, policy=BlendPolicy(weight)), promote=weight < 0.3)
    return registry


def test_the_versions_are_listed_and_the_one_that_answers_is_marked(
    run: Run, registry: Registry
) -> None:
    newest, current, first = (each.version for each in registry.versions())
    code, out, err = run("models", "list", registry.root)
    assert (code, err) == (0, "")
    assert re.findall(r"(\*?) +([0-9a-f]{12}) +20", out) == [
        ("", newest),
        ("*", current),
        ("", first),
    ]
    assert "2026-01-01 00:00 to" in out
    code, out, _ = run("models", "list", registry.root, "--json")
    told = json.loads(out)["versions"]
    assert [(each["version"], each["current"]) for each in told] == [
        (newest, False),
        (current, True),
        (first, False),
    ]
    assert told[0]["evaluation"] == {"uplift_at_10": {"base": 0.046, "uplift": 0.051}}


def test_a_damaged_version_is_listed_with_what_is_wrong(run: Run, registry: Registry) -> None:
    version = registry.versions()[0].version
    (registry.path_of(version) / "manifest.json").unlink()
    code, out, _ = run("models", "list", registry.root)
    assert code == 0
    assert f"{version}: " in out
    assert "No such file" in " ".join(out.split())


def test_promote_and_roll_back(run: Run, registry: Registry) -> None:
    newest, current, first = (each.version for each in registry.versions())
    assert run("models", "promote", registry.root, newest) == (0, f"current: {newest}\n", "")
    words = ("rerank", "--model", registry.root, "--user", USER_IDS[5], "--json")
    assert json.loads(run(*words)[1])["version"] == newest
    code, out, _ = run("models", "rollback", registry.root, "--json")
    assert (code, json.loads(out)) == (0, {"current": current})
    assert json.loads(run(*words)[1])["version"] == current
    assert run("models", "rollback", registry.root)[1] == f"current: {first}\n"
    code, out, err = run("models", "rollback", registry.root)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err


def test_each_check_is_printed(run: Run, registry: Registry) -> None:
    newest, current, _ = (each.version for each in registry.versions())
    code, out, err = run("models", "verify", registry.root)
    assert (code, err) == (0, "")
    assert current in out
    for check in ("files", "golden rows of uplift.txt", "random rows of base.txt"):
        assert re.search(rf"^ *{check} +\w", out, re.MULTILINE)
    (registry.path_of(newest) / "uplift.txt").write_text("tree")
    code, out, err = run("models", "verify", registry.root, newest, "--json")
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert "uplift.txt as it was published" in err


@pytest.mark.parametrize("command", ["list", "promote", "rollback", "verify"])
def test_what_is_no_registry_is_told_in_one_line(run: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    version = ["../../etc"] if command == "promote" else []
    code, out, err = run("models", command, tmp_path, *version)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert [place.name for place in tmp_path.iterdir()] == ["notes.txt"]


def test_a_model_from_another_registry_is_adopted_and_held(
    run: Run, registry: Registry, tmp_path: Path
) -> None:
    newest = registry.versions()[0].version
    code, out, err = run("models", "adopt", tmp_path / "shop-2", registry.path_of(newest))
    assert (code, out, err) == (0, f"adopted: {newest}\n", "")
    assert [each.current for each in Registry(tmp_path / "shop-2").versions()] == [False]
    words = ("models", "adopt", tmp_path / "shop-2", registry.path_of(newest), "--promote")
    code, out, _ = run(*words, "--json")
    assert json.loads(out) == {"adopted": newest, "promoted": True}
    assert Registry(tmp_path / "shop-2").current() == newest


def test_a_card_is_printed_and_written(run: Run, registry: Registry, tmp_path: Path) -> None:
    page = tmp_path / "card.html"
    code, out, err = run("models", "card", registry.root, "--html", page)
    assert (code, err) == (0, "")
    assert registry.current() in out
    assert "What it is not for" in page.read_text("utf-8")
    code, out, _ = run("models", "card", registry.root, "--json")
    assert json.loads(out)["meta"]["version"] == registry.current()
    code, _, err = run("models", "card", tmp_path / "nothing")
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
