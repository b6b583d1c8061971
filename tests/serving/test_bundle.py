"""Writing and loading: every change of a byte is noticed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import BundleError, ConfigError, SchemaError
from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving import bundle as bundle_module
from causal_ranker.serving.bundle import load_bundle, write_bundle
from causal_ranker.serving.manifest import MANIFEST, Manifest
from causal_ranker.serving.schema import Feature, FeatureSchema
from tests.serving.shop import UPLIFT_SCHEMA, Shop, few_candidates

FILES = {
    "manifest.json",
    "uplift.txt",
    "uplift_golden.npz",
    "base.txt",
    "base_golden.npz",
    "policy.json",
    "schema.json",
    "snapshot.npz",
    "moment.json",
    "candidates.npz",
}


@pytest.fixture
def folder(shop: Shop, tmp_path: Path) -> Path:
    """A bundle with every kind of file, for a test to damage."""
    return written(shop, tmp_path / "shop", candidates=few_candidates(), policy=BlendPolicy(0.25))


def written(shop: Shop, path: Path, **changes: Any) -> Path:
    return write_bundle(path, contents=replace(shop.contents, **changes))


def test_a_bundle_comes_back_as_it_went(shop: Shop, folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == FILES
    assert [file.name for file in folder.parent.iterdir()] == ["shop"]
    bundle = load_bundle(folder)
    assert bundle.policy == BlendPolicy(0.25)
    assert len(bundle.version) == 12
    manifest = bundle.manifest
    assert manifest.format_version == 1
    assert manifest.training_window == ("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00")
    assert manifest.evaluation == shop.contents.evaluation
    assert set(manifest.files) == FILES - {MANIFEST}
    age = abs(datetime.now(UTC) - datetime.fromisoformat(manifest.created_at))
    assert age.total_seconds() < 600
    sent, came = shop.contents.snapshot, bundle.snapshot
    np.testing.assert_array_equal(sent.users.values, came.users.values)
    np.testing.assert_array_equal(sent.pairs.values, came.pairs.values)
    assert dict(sent.moment) == dict(came.moment)


def test_the_version_follows_the_content(shop: Shop, folder: Path, tmp_path: Path) -> None:
    again = load_bundle(shutil.copytree(folder, tmp_path / "copy"))
    assert again.version == load_bundle(folder).version
    other = write_bundle(tmp_path / "other", contents=shop.contents)
    assert load_bundle(other).version != again.version


def test_files_can_be_read_by_others(folder: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask


def damaged(content: bytes, how: str, rng: np.random.Generator) -> bytes:
    if how == "truncated":
        return content[: int(rng.integers(len(content)))]
    if how == "longer":
        return content + b"\n"
    place, bit = int(rng.integers(len(content))), int(rng.integers(8))
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("how", ["bit flip", "truncated", "longer"])
def test_a_changed_file_is_refused(folder: Path, name: str, how: str) -> None:
    rng = np.random.default_rng([len(name), len(how)])
    file = folder / name
    whole = file.read_bytes()
    for _ in range(1 if how == "longer" else 40):
        file.write_bytes(damaged(whole, how, rng))
        with pytest.raises(BundleError) as caught:
            load_bundle(folder)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    file.write_bytes(whole)
    load_bundle(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"the file {name} of a model bundle in .*No such file"):
        load_bundle(folder)


def test_files_of_two_bundles_do_not_mix(shop: Shop, folder: Path, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other", contents=shop.contents)
    shutil.copy(other / "policy.json", folder / "policy.json")
    with pytest.raises(BundleError, match=r"policy\.json as it was published"):
        load_bundle(folder)


def test_what_is_no_bundle_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"a model folder at .*; got nothing"):
        load_bundle(tmp_path / "absent")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(BundleError, match="got a file"):
        load_bundle(file)
    with pytest.raises(BundleError, match=r"the file manifest\.json"):
        load_bundle(tmp_path)
    for text in ("", "[]", "{}", "{", "1" * 5000, "[" * 100_000):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(BundleError, match="the manifest of a model bundle"):
            load_bundle(tmp_path)


def rewrite(folder: Path, **changes: object) -> None:
    """Change the manifest and seal it again, as another version of the package would."""
    manifest = Manifest.from_bytes((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(replace(manifest, **changes).to_bytes())  # type: ignore[arg-type]


def test_a_newer_format_is_refused(folder: Path) -> None:
    rewrite(folder, format_version=2, package_version="9.0")
    with pytest.raises(BundleError, match=r"format 1 or older.*format 2, of package 9\.0.*newer"):
        load_bundle(folder)


def test_a_manifest_that_lists_too_little_or_strange_files(folder: Path) -> None:
    sealed, files = (folder / MANIFEST).read_bytes(), load_bundle(folder).manifest.files
    rewrite(folder, files={k: v for k, v in files.items() if k != "schema.json"})
    with pytest.raises(BundleError, match=r"schema\.json"):
        load_bundle(folder)
    (folder / MANIFEST).write_bytes(sealed)
    rewrite(folder, files={**files, "../shop/policy.json": files["policy.json"]})
    with pytest.raises(BundleError, match="outside of the folder"):
        load_bundle(folder)
    (folder / MANIFEST).write_bytes(sealed)
    rewrite(folder, training_window=("2026",))
    with pytest.raises(BundleError, match="the keys of format 1"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("policy.json", b'{"kind": "magic"}', "a policy of kind"),
        ("policy.json", b"{", "policy.json"),
        ("schema.json", b'{"uplift": {"features": []}, "base": null}', "at least one feature"),
        ("schema.json", b"null", "schema.json"),
        ("snapshot.npz", b"PK", "snapshot.npz"),
        ("moment.json", b"{}", "the moment feature 'week'"),
        ("moment.json", b'{"week": null, "device": "tv"}', "snapshot.npz with moment.json"),
        ("uplift.txt", b"tree\nversion=v4\n", "uplift.txt"),
        ("uplift.txt", b"\xff\xfe", "uplift model's files"),
        ("candidates.npz", b"PK", "candidates.npz"),
    ],
)
def test_wrong_content_under_a_right_hash_is_a_bundle_error(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    files = Manifest.from_bytes((folder / MANIFEST).read_bytes()).files
    rewrite(folder, files={**files, name: bundle_module.sha256(content)})
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)


def test_golden_rows_catch_another_model(shop: Shop, tmp_path: Path) -> None:
    uplift = shop.contents.uplift
    changes = (
        {"golden_expected": uplift.golden_expected + 1e-6},
        {"golden_features": -uplift.golden_features},
    )
    for number, change in enumerate(changes):
        folder = written(shop, tmp_path / f"{number}", uplift=replace(uplift, **change))
        with pytest.raises(BundleError, match=r"golden predictions of uplift\.txt"):
            load_bundle(folder)
    for features, expected in ((np.empty((0, 9)), np.empty(0)), (np.ones((1, 9)), [np.nan])):
        part = replace(uplift, golden_features=features, golden_expected=np.array(expected))
        folder = written(shop, tmp_path / f"{len(features)} rows", uplift=part)
        with pytest.raises(BundleError, match="at least one golden row"):
            load_bundle(folder)


def test_a_schema_in_another_order_is_refused(shop: Shop, tmp_path: Path) -> None:
    swapped = FeatureSchema(UPLIFT_SCHEMA.features[::-1])
    folder = written(shop, tmp_path / "m", uplift=replace(shop.contents.uplift, schema=swapped))
    with pytest.raises(BundleError, match=r"9 features of the schema in uplift\.txt"):
        load_bundle(folder)


def test_a_base_model_may_not_read_itself(shop: Shop, tmp_path: Path) -> None:
    contents = replace(shop.contents, base=shop.contents.uplift)
    with pytest.raises(SchemaError, match="come from the base model"):
        write_bundle(tmp_path / "m", contents=contents)


def test_a_feature_the_snapshot_lacks_is_named(shop: Shop, tmp_path: Path) -> None:
    features = (*UPLIFT_SCHEMA.features[:-1], Feature("device", "user"))
    part = replace(shop.contents.uplift, schema=FeatureSchema(features))
    folder = written(shop, tmp_path / "m", uplift=part)
    with pytest.raises(BundleError, match="the user feature 'device'"):
        load_bundle(folder)


def test_the_evaluation_and_the_window_are_checked(shop: Shop, tmp_path: Path) -> None:
    for value in (float("nan"), np.ones(2), datetime.now(UTC)):
        with pytest.raises(ConfigError, match="evaluation summary"):
            write_bundle(tmp_path / "m", contents=replace(shop.contents, evaluation={"a": value}))
    naive = (datetime(2026, 1, 1), datetime(2026, 2, 1))
    with pytest.raises(ConfigError, match="time zone"):
        write_bundle(tmp_path / "m", contents=replace(shop.contents, training_window=naive))


def test_a_folder_of_its_own_in_new_parents(shop: Shop, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "a" / "b", contents=shop.contents)
    assert load_bundle(folder).policy == shop.contents.policy
    with pytest.raises(BundleError, match="a place to write a model"):
        write_bundle(folder, contents=replace(shop.contents, policy=BlendPolicy(0.5)))
    assert load_bundle(folder).policy == shop.contents.policy
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError, match="a place to write a model"):
        write_bundle(tmp_path / "file" / "model", contents=shop.contents)


def test_policy_and_schema_are_plain_json(folder: Path) -> None:
    assert json.loads((folder / "policy.json").read_text()) == {"kind": "blend", "weight": 0.25}
    schema = json.loads((folder / "schema.json").read_text())
    assert FeatureSchema.from_dict(schema["uplift"]) == UPLIFT_SCHEMA
