"""Versions of a registry are published, promoted, rolled back and rewritten, and no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.errors import BundleError
from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving import bundle as bundle_module
from causal_ranker.serving import promotions
from causal_ranker.serving.bundle import load_bundle, write_bundle
from causal_ranker.serving.manifest import MANIFEST
from causal_ranker.serving.registry import Registry, check_target
from tests.serving.publishing import INSIDE, blended, inside, publish
from tests.serving.shop import WINDOW, Shop

pytestmark = pytest.mark.usefixtures("verified_here")


def test_versions_come_and_go(registry: Registry, shop: Shop) -> None:
    assert registry.stamp() is None
    one = publish(registry, shop, 0.1)
    stamps = [registry.stamp()]
    two = publish(registry, shop, 0.2)
    stamps.append(registry.stamp())
    three = publish(registry, shop, 0.3, promote=False)
    assert registry.stamp() == stamps[-1]
    assert registry.current() == two
    assert load_bundle(registry.root).policy == BlendPolicy(0.2)
    assert load_bundle(registry.path_of(three)).version == three
    listed = registry.versions()
    assert [each.version for each in listed] == [three, two, one]
    assert [each.current for each in listed] == [False, True, False]
    assert listed[0].training_window == tuple(moment.isoformat() for moment in WINDOW)
    assert listed[0].evaluation == shop.contents.evaluation
    assert inside(registry) == (INSIDE, {one, two, three})

    registry.promote(three)
    assert load_bundle(registry.root).policy == BlendPolicy(0.3)
    stamps.append(registry.stamp())
    registry.promote(three)  # again: nothing to roll back to itself
    assert registry.rollback() == two
    assert registry.rollback() == one
    stamps.append(registry.stamp())
    assert len(set(stamps)) == len(stamps)
    assert load_bundle(registry.root).policy == BlendPolicy(0.1)
    with pytest.raises(BundleError, match=f"answered before the current one; got only {one}"):
        registry.rollback()
    assert registry.current() == one


def test_the_same_content_is_the_same_version(
    registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 3, 1, tzinfo=tz)

    monkeypatch.setattr(bundle_module, "datetime", Stopped)
    one = publish(registry, shop, 0.1)
    two = publish(registry, shop, 0.2)
    assert publish(registry, shop, 0.1) == one
    assert registry.current() == one
    assert inside(registry)[1] == {one, two}
    (registry.path_of(two) / "uplift.txt").write_text("gone")
    with pytest.raises(BundleError, match=r"uplift\.txt as it was published"):
        publish(registry, shop, 0.2)
    assert registry.current() == one


def test_where_nothing_was_published_nothing_is_made(registry: Registry, tmp_path: Path) -> None:
    for ask in (
        registry.current,
        registry.versions,
        registry.rollback,
        lambda: registry.promote("0" * 12),
        lambda: registry.verify("0" * 12),
    ):
        with pytest.raises(BundleError, match=r"a registry of models at .*; got nothing"):
            ask()
    assert not registry.root.exists()
    (tmp_path / "mine").write_text("x")
    with pytest.raises(BundleError, match="got something else"):
        Registry(tmp_path).rollback()
    assert [place.name for place in tmp_path.iterdir()] == ["mine"]


def test_published_and_not_promoted(registry: Registry, shop: Shop) -> None:
    version = publish(registry, shop, 0.1, promote=False)
    assert [(each.version, each.current) for each in registry.versions()] == [(version, False)]
    for ask in (registry.current, lambda: load_bundle(registry.root), registry.rollback):
        with pytest.raises(BundleError, match="got none that was promoted"):
            ask()
    registry.promote(version)
    assert load_bundle(registry.root).version == version


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../shop", "../../etc", "/etc", "0" * 12, "0" * 11, "A" * 12, "\uff10" * 12],
)
def test_a_version_leads_out_of_no_folder(registry: Registry, shop: Shop, name: str) -> None:
    version = publish(registry, shop, 0.1)
    for ask in (registry.path_of, registry.promote, registry.verify):
        with pytest.raises(BundleError, match="a version of the registry"):
            ask(name)
    assert registry.current() == version


@pytest.mark.parametrize("kind", ["file", "folder", "foreign manifest", "a bundle", "a dead link"])
def test_other_peoples_things_are_not_overwritten(shop: Shop, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "thesis"
    if kind == "file":
        target.write_text("years of work")
    elif kind == "a bundle":
        write_bundle(target, contents=shop.contents)
    elif kind == "a dead link":
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.mkdir()
        (target / ("chapter1.tex" if kind == "folder" else MANIFEST)).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    for ask in (check_target, lambda path: Registry(path).publish(shop.contents)):
        with pytest.raises(BundleError, match="nothing was overwritten"):
            ask(target)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_new_parents_and_a_run_record_are_fine(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "empty", tmp_path / "a" / "b"):
        registry = Registry(root)
        publish(registry, shop, 0.1)
        (root / "run.json").write_text("{}")
        publish(registry, shop, 0.2)
        assert load_bundle(root).policy == BlendPolicy(0.2)
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError, match="can be written"):
        publish(Registry(tmp_path / "file" / "model"), shop, 0.1)


def test_a_relative_path_stays_where_it_was(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = Registry("models")
    monkeypatch.chdir("/")
    publish(registry, shop, 0.1)
    assert load_bundle(tmp_path / "models").policy == BlendPolicy(0.1)


def test_versions_are_rewritten_and_keep_their_place(registry: Registry, shop: Shop) -> None:
    one, two, three = (publish(registry, shop, weight) for weight in (0.1, 0.4, 0.6))
    registry.promote(two)
    before = {each.version: each for each in registry.versions()}
    assert registry.rewrite(blended(0.9)) == {}
    assert {each.version for each in registry.versions()} == {one, two, three}
    moved = registry.rewrite(blended(0.3))
    assert set(moved) == {two, three}
    assert inside(registry) == (INSIDE, {one, moved[two], moved[three]})
    assert load_bundle(registry.root).policy == BlendPolicy(0.2)
    assert registry.current() == moved[two]
    after = {each.version: each for each in registry.versions()}
    assert after[moved[two]] == replace(before[two], version=moved[two])
    assert registry.rollback() == moved[three]
    assert registry.rollback() == moved[two]
    assert registry.rollback() == one
    # a change that changes nothing takes nothing away
    assert registry.rewrite(lambda parts: parts) == {}
    assert len(registry.versions()) == 3


def test_what_can_be_rolled_back_has_an_end(
    registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotions, "_KEPT", 2)
    versions = [publish(registry, shop, weight) for weight in (0.1, 0.2, 0.3)]
    assert registry.rollback() == versions[1]
    with pytest.raises(BundleError, match="answered before"):
        registry.rollback()


def test_a_version_from_another_registry_is_the_same_version(
    registry: Registry, shop: Shop, tmp_path: Path
) -> None:
    trial = Registry(tmp_path / "trial")
    tried = publish(trial, shop, 0.3)
    here = publish(registry, shop, 0.1)

    assert registry.adopt(trial.root) == tried
    assert registry.current() == here  # held until somebody promotes it
    one, other = (load_bundle(each.path_of(tried)) for each in (trial, registry))
    assert (one.manifest, one.policy) == (other.manifest, other.policy)
    assert registry.adopt(trial.path_of(tried), promote=True) == tried
    assert registry.current() == tried
    assert len(registry.versions()) == 2


def test_a_changed_version_is_not_adopted(registry: Registry, shop: Shop, tmp_path: Path) -> None:
    trial = Registry(tmp_path / "trial")
    tried = publish(trial, shop, 0.3)
    here = publish(registry, shop, 0.1)
    (trial.path_of(tried) / "policy.json").write_bytes(b"{}")

    with pytest.raises(BundleError, match=r"policy\.json as it was published"):
        registry.adopt(trial.root, promote=True)
    assert [each.version for each in registry.versions()] == [here]
    assert inside(registry)[1] == {here}
