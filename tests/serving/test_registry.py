"""A registry: one whole version or another is in force, whatever is killed, damaged, read-only."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.errors import BundleError, CausalRankerError
from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving import bundle as bundle_module
from causal_ranker.serving import lock
from causal_ranker.serving import registry as registry_module
from causal_ranker.serving.bundle import load_bundle, write_bundle
from causal_ranker.serving.lock import locked
from causal_ranker.serving.manifest import MANIFEST, Manifest
from causal_ranker.serving.probe import probe
from causal_ranker.serving.registry import Registry
from tests.serving.publishing import INSIDE, blended, inside, publish
from tests.serving.shop import Shop

pytestmark = pytest.mark.usefixtures("verified_here")


@contextmanager
def smallest_file(size: int) -> Iterator[None]:
    """No file may grow larger, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("moment", ["full disk", "verify", "place", "promote"])
def test_a_failed_publish_leaves_the_old_version(
    registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    one = publish(registry, shop, 0.1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    contents = replace(shop.contents, policy=BlendPolicy(0.2))
    if moment == "verify":
        uplift = contents.uplift
        wrong = replace(uplift, golden_expected=uplift.golden_expected + 1e-6)
        contents = replace(contents, uplift=wrong)
    elif moment == "place":
        monkeypatch.setattr("causal_ranker.serving.registry.os.rename", full)
    elif moment == "promote":
        monkeypatch.setattr("causal_ranker.serving.replace.os.replace", full)
    with smallest_file(10_000 if moment == "full disk" else 1 << 30), pytest.raises(BundleError):
        registry.publish(contents)
    monkeypatch.undo()
    assert load_bundle(registry.root).version == one
    # A version that was whole, and could not be promoted, stays.
    assert len(registry.versions()) == (2 if moment == "promote" else 1)
    assert ".new" not in inside(registry)[1]


def test_what_killed_publishers_left_is_cleared_away(registry: Registry, shop: Shop) -> None:
    one = publish(registry, shop, 0.1)
    write_bundle(registry.root / "versions" / ".new", contents=shop.contents)
    (registry.root / ".current.json.new").write_text("{")
    assert [each.version for each in registry.versions()] == [one]
    two = publish(registry, shop, 0.2)
    assert inside(registry) == (INSIDE, {one, two})
    # killed before anything else, the lock alone is there
    shutil.rmtree(registry.root / "versions")
    (registry.root / "current.json").unlink()
    assert registry.versions() == []
    assert publish(registry, shop, 0.3) == load_bundle(registry.root).version


@pytest.mark.parametrize("moment", ["write_promotions", "shutil.rmtree"])
def test_rewriting_goes_on_where_it_was_interrupted(
    registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    one, two = publish(registry, shop, 0.1), publish(registry, shop, 0.4)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"causal_ranker.serving.registry.{moment}", stop)
    with pytest.raises(KeyboardInterrupt):
        registry.rewrite(blended(0.3))
    monkeypatch.undo()
    weight = 0.4 if moment == "write_promotions" else 0.2
    assert load_bundle(registry.root).policy == BlendPolicy(weight)
    registry.rewrite(blended(0.3))
    assert load_bundle(registry.root).policy == BlendPolicy(0.2)
    assert inside(registry)[1] == {one, registry.current()}
    assert registry.current() != two


def test_two_publishers_take_turns(
    registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside_now, most, failed = 0, 0, []

    def slow(path: Path, timeout_s: float) -> list[tuple[str, str]]:
        nonlocal inside_now, most
        inside_now += 1
        most = max(most, inside_now)
        told = probe(path)
        inside_now -= 1
        return told

    monkeypatch.setattr(registry_module, "verify_bundle", slow)

    def work(start: float) -> None:
        try:
            for number in range(3):
                publish(registry, shop, start + number / 10)
        except CausalRankerError as error:
            failed.append(error)

    both = [threading.Thread(target=work, args=(start,)) for start in (0.1, 0.5)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=60)
    assert failed == []
    assert most == 1
    assert len(registry.versions()) == 6
    told = json.loads((registry.root / "current.json").read_text())
    assert len(told["history"]) == 6
    assert load_bundle(registry.root).version == told["history"][-1]["version"]


def test_a_lock_that_is_never_given_back(
    registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = publish(registry, shop, 0.1), publish(registry, shop, 0.2)
    monkeypatch.setattr(lock, "_WAIT_S", 0.05)
    with locked(registry.root / ".causal-ranker.lock"):
        for ask in (
            lambda: publish(registry, shop, 0.3),
            lambda: registry.promote(one),
            registry.rollback,
        ):
            with pytest.raises(BundleError, match="another publisher that still holds it"):
                ask()
        assert load_bundle(registry.root).version == two  # readers wait for nobody
    assert registry.rollback() == one


def test_readers_see_one_version_or_another(registry: Registry, shop: Shop) -> None:
    policies = [BlendPolicy(0.1), BlendPolicy(0.2)]
    seen, failed, done = [], [], threading.Event()
    registry.publish(replace(shop.contents, policy=policies[0]))

    def read() -> None:
        while not done.is_set():
            try:
                seen.append(load_bundle(registry.root).policy)
                registry.versions()
            except BundleError as error:
                failed.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(12):
        registry.publish(replace(shop.contents, policy=policies[number % 2]))
    done.set()
    for reader in readers:
        reader.join(timeout=30)
    assert failed == []
    assert seen
    assert all(policy in policies for policy in seen)


def test_a_version_that_was_changed_is_not_promoted(registry: Registry, shop: Shop) -> None:
    one, two = publish(registry, shop, 0.1), publish(registry, shop, 0.2)
    with (registry.path_of(one) / "uplift.txt").open("a") as file:
        file.write("\n")
    for ask in (lambda: registry.promote(one), lambda: registry.verify(one), registry.rollback):
        with pytest.raises(BundleError, match=r"uplift\.txt as it was published"):
            ask()
    assert registry.current() == two
    assert [each.fault for each in registry.versions()] == [None, None]
    (registry.path_of(one) / MANIFEST).write_text("{")
    last = registry.versions()[-1]
    assert (last.version, last.created_at, last.training_window) == (one, None, None)
    assert "the manifest of a model bundle" in str(last.fault)


def test_a_version_that_goes_while_it_is_verified_is_not_promoted(
    registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = publish(registry, shop, 0.1), publish(registry, shop, 0.2)

    def slow(path: Path, timeout_s: float) -> list[tuple[str, str]]:
        told = probe(path)
        shutil.rmtree(path)
        return told

    monkeypatch.setattr(registry_module, "verify_bundle", slow)
    with pytest.raises(BundleError, match="a version of the registry"):
        registry.promote(one)
    assert registry.current() == two


def sealed_with(folder: Path, **changes: object) -> str:
    """Change the manifest and seal it again; the version that this makes."""
    manifest = Manifest.from_bytes((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(replace(manifest, **changes).to_bytes())  # type: ignore[arg-type]
    return bundle_module.version_of(folder)


def test_who_seals_a_version_again_has_made_another_one(registry: Registry, shop: Shop) -> None:
    version = publish(registry, shop, 0.1)
    folder = registry.path_of(version)
    content = b'{"kind": "blend", "weight": 0.9}\n'
    (folder / "policy.json").write_bytes(content)
    files = Manifest.from_bytes((folder / MANIFEST).read_bytes()).files
    other = sealed_with(folder, files={**files, "policy.json": bundle_module.sha256(content)})
    for path in (registry.root, folder):
        with pytest.raises(BundleError, match=f"of version {version} in .*; got that of .*{other}"):
            load_bundle(path)
    folder.rename(folder.with_name(other))  # what it is by now, if somebody wants it
    registry.promote(other)
    assert load_bundle(registry.root).policy == BlendPolicy(0.9)


def test_a_bundle_of_a_newer_version_is_not_promoted(registry: Registry, shop: Shop) -> None:
    version = publish(registry, shop, 0.1)
    folder = registry.path_of(version)
    copy = shutil.copytree(folder, folder.with_name("copy"))
    newer = sealed_with(copy, format_version=3, package_version="9.0")
    copy.rename(folder.with_name(newer))
    with pytest.raises(BundleError, match=r"format 2.*format 3, of package 9\.0"):
        registry.promote(newer)
    assert registry.current() == version
    assert "format 3" in str(registry.versions()[-1].fault)


def test_a_registry_of_a_newer_version_is_left_alone(registry: Registry, shop: Shop) -> None:
    one = publish(registry, shop, 0.1)
    told = json.loads((registry.root / "current.json").read_text())
    text = json.dumps({**told, "format_version": 2})
    (registry.root / "current.json").write_text(text)
    for ask in (
        registry.current,
        lambda: load_bundle(registry.root),
        lambda: publish(registry, shop, 0.2),
        lambda: registry.promote(one),
        registry.rollback,
    ):
        with pytest.raises(BundleError, match="registry of format 1 or older"):
            ask()
    assert (registry.root / "current.json").read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": "causal-ranker registry"}',
        '{"format": "causal-ranker registry", "format_version": 1, "history": []}',
        '{"format": "causal-ranker registry", "format_version": 1, "history": [3]}',
        '{"format": "causal-ranker registry", "format_version": 1, '
        '"history": [{"version": "../../etc", "since": ""}]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_record_names_no_version_until_one_is_promoted(
    registry: Registry, shop: Shop, text: str
) -> None:
    version = publish(registry, shop, 0.1)
    (registry.root / "current.json").write_text(text)
    for ask in (registry.current, lambda: load_bundle(registry.root), registry.rollback):
        with pytest.raises(BundleError, match=r"got a current\.json that was changed"):
            ask()
    assert [each.current for each in registry.versions()] == [False]
    registry.promote(version)
    assert load_bundle(registry.root).version == version


def test_a_damaged_version_is_not_rewritten_and_none_is_lost(
    registry: Registry, shop: Shop
) -> None:
    versions = {publish(registry, shop, weight) for weight in (0.4, 0.6, 0.8)}
    (registry.path_of(max(versions)) / "policy.json").write_text("{}")
    with pytest.raises(BundleError, match=r"policy\.json as it was published"):
        registry.rewrite(blended(0.3))
    assert {each.version for each in registry.versions()} >= versions
    assert registry.current() in versions


def test_a_registry_that_cannot_be_written_is_read(
    registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = publish(registry, shop, 0.1), publish(registry, shop, 0.2)
    opened = os.open

    def only_read(path: Any, flags: int, *words: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opened(path, flags, *words, **named)

    monkeypatch.setattr(os, "open", only_read)
    for ask in (
        lambda: publish(registry, shop, 0.3),
        lambda: registry.promote(one),
        registry.rollback,
    ):
        with pytest.raises(BundleError, match=r"can be written at .*Read-only file system"):
            ask()
    assert load_bundle(registry.root).version == two
    assert registry.verify(one)
    assert {each.version for each in registry.versions()} == {one, two}
    assert datetime.fromisoformat(str(registry.versions()[0].created_at)).tzinfo == UTC
