"""Few publishers are killed and few bundles spoilt; the benchmark does it by the hundred."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks._damage import KINDS, damaged, sealed_again
from benchmarks._serving_corrupt import corrupt
from benchmarks._serving_publish_kills import _state, publish_kills
from benchmarks._small_shop import small_contents
from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving.files import encode
from causal_ranker.serving.manifest import FORMAT_VERSION, Manifest
from causal_ranker.serving.registry import Registry


@pytest.mark.slow
def test_killed_publishers_leave_the_old_version_or_the_new_one(tmp_path: Path) -> None:
    told = publish_kills(tmp_path, kills=12)
    assert told["publish_kill_failures"] == 0
    assert told["publish_killed_in_time"] > 6
    assert int(str(told["publish_old"])) + int(str(told["publish_new"])) == 12
    assert int(str(told["publish_steps"])) > 100


def test_a_registry_that_does_not_open_would_be_counted(tmp_path: Path) -> None:
    contents = small_contents(trees=2)
    registry = Registry(tmp_path / "r")
    assert _state(registry, set(), old=None, new=contents) == "old"
    assert _state(registry, set(), old=BlendPolicy(0.1), new=contents) not in ("old", "new")
    version = registry.publish(contents)
    assert _state(registry, set(), old=BlendPolicy(0.1), new=contents) == "new"
    other = replace(contents, policy=BlendPolicy(0.7))
    assert _state(registry, {version}, old=contents.policy, new=other) == "old"
    assert _state(registry, {version}, old=BlendPolicy(0.1), new=other) not in ("old", "new")
    (registry.path_of(version) / "uplift.txt").write_text("gone")
    assert _state(registry, {version}, old=contents.policy, new=other) not in ("old", "new")


@pytest.mark.slow
def test_spoilt_bundles_harm_nobody(tmp_path: Path) -> None:
    told = corrupt(tmp_path, each=8)
    assert told["corrupt_served"] == 0
    refused, accepted = told["corrupt_sealed_refused"], told["corrupt_sealed_accepted"]
    assert isinstance(refused, dict)
    assert isinstance(accepted, dict)
    assert all(refused[kind] + accepted[kind] == 4 for kind in KINDS)
    assert sum(refused.values()) > 8


def test_damage_changes_one_file_and_seals_fit() -> None:
    contents = small_contents(trees=4)
    files = encode(contents)
    sealed = Manifest(FORMAT_VERSION, "0", "now", ("a", "b"), {}, {}).to_bytes()
    rng = np.random.default_rng(0)
    for kind in KINDS * 20:
        spoilt = damaged(files, kind, rng)
        changed = [name for name in files if files[name] != spoilt[name]]
        assert len(changed) == 1
        manifest = Manifest.from_bytes(sealed_again(spoilt, sealed)["manifest.json"])
        assert set(manifest.files) == set(files)
