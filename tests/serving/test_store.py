"""Every feature store says the same, bit by bit: in memory, in mapped files, and in Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import BundleError, SchemaError
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.assembly import FeaturePlan
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from causal_ranker.serving.manifest import MANIFEST, Manifest, sha256
from causal_ranker.serving.redis_keys import connect
from causal_ranker.serving.redis_push import push_features
from causal_ranker.serving.redis_store import RedisFeatureStore
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.store import FeatureStore
from causal_ranker.serving.tables import FeatureTable, PairTable
from tests.serving.redis_server import RedisServer, redis_server
from tests.serving.shop import Shop, part, train

ODD = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308])
# The bits of a NaN, too: one that is no NumPy NaN.
ODD_NAN = np.frombuffer(np.uint64(0xFFF8000000000123).tobytes(), dtype=np.float64)[0]


def odd_snapshot(*, text: bool) -> FeatureSnapshot:
    """Give every kind of value; users without pairs, items without anything."""
    rng = np.random.default_rng(5)
    users = np.array(["", "ü", "\udc80", "1", "a b", *(f"u{i}" for i in range(60))])
    items = np.array([-(2**63), 2**63 - 1, 0, -1, *range(10, 30)])
    if not text:
        users, items = items, users
    values = rng.choice(ODD, (users.size, 4))
    values[1, 2] = ODD_NAN
    has = rng.random((users.size, items.size)) < 0.2
    has[0], has[:, 1] = False, False
    rows, columns = np.nonzero(has)
    return FeatureSnapshot(
        users=FeatureTable(users, ("a", "b", "c", "d"), values),
        items=FeatureTable(items, ("e",), rng.choice(ODD, (items.size, 1))),
        pairs=PairTable.from_rows(
            rows,
            columns,
            names=("f", "g", "h"),
            values=rng.choice(ODD, (rows.size, 3)),
            default=[np.nan, 0.0, -1.5],
            n_users=users.size,
        ),
    )


def plain_rows(snapshot: FeatureSnapshot, user: Any, items: list[Any]) -> dict[str, bytes]:
    """Recompute what a store is to answer, one value at a time."""
    users, known = snapshot.users.ids.tolist(), snapshot.items.ids.tolist()
    row = users.index(user) if user in users else -1
    own = snapshot.users.values[row].tobytes() if row >= 0 else b"unknown"
    of_items, of_pairs = [], []
    for item in items:
        place = known.index(item) if item in known else -1
        of_items.append(
            snapshot.items.values[place]
            if place >= 0
            else np.full(len(snapshot.items.names), np.nan)
        )
        found = snapshot.pairs.default
        if row >= 0:
            for entry in range(snapshot.pairs.starts[row], snapshot.pairs.starts[row + 1]):
                if snapshot.pairs.items[entry] == place:
                    found = snapshot.pairs.values[entry]
        of_pairs.append(found)
    return {
        "user": own,
        "items": np.array(of_items).tobytes(),
        "pairs": np.array(of_pairs).tobytes(),
        "known": bytes(item in known for item in items),
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


def tiny(snapshot: FeatureSnapshot) -> tuple[FeatureSchema, Any]:
    """A model that reads one feature of each table."""
    schema = FeatureSchema((Feature("a", "user"), Feature("e", "item"), Feature("g", "pair")))
    X = np.random.default_rng(0).normal(size=(80, 3))
    return schema, part(train(X, X[:, 0], schema.names), schema, X[:5])


Opened = Callable[[FeatureSnapshot], FeatureStore]


@pytest.fixture(params=["in memory", "mapped", "redis"])
def opened(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> Opened:
    def bundle_of(snapshot: FeatureSnapshot) -> Bundle:
        contents = replace(
            shop.contents, snapshot=snapshot, base=None, uplift=tiny(snapshot)[1], candidates=None
        )
        return load_bundle(write_bundle(tmp_path / "model", contents=contents))

    def open_it(snapshot: FeatureSnapshot) -> FeatureStore:
        if request.param == "in memory":
            return snapshot
        bundle = bundle_of(snapshot)
        if request.param == "mapped":
            return bundle.snapshot
        url = request.getfixturevalue("server").url
        push_features(url, bundle=bundle)
        client = connect(url, timeout_s=5)
        return RedisFeatureStore(client, version=bundle.version, layout=bundle.snapshot.layout)

    return open_it


@pytest.mark.parametrize("text", [False, True])
def test_it_says_what_was_published(opened: Opened, text: bool) -> None:
    snapshot = odd_snapshot(text=text)
    store = opened(snapshot)
    assert store.layout.digest == snapshot.layout.digest
    items: list[Any] = snapshot.items.ids.tolist()
    strange: list[Any] = ["nobody", 987, "u1\0", "", "i0", "1", 1, 2**70]
    rng = np.random.default_rng(1)
    for user in [*snapshot.users.ids.tolist(), *strange]:
        asked = [*items, *(other for other in strange if other not in items)]
        asked = [asked[i] for i in rng.permutation(len(asked))[: rng.integers(len(asked) + 1)]]
        got, expected = store.read(user, asked), plain_rows(snapshot, user, asked)
        found = {
            "user": b"unknown" if got.user is None else got.user.tobytes(),
            "items": got.items.tobytes(),
            "pairs": got.pairs.tobytes(),
            "known": got.known.tobytes(),
        }
        # A NaN that stands for nothing may have any bits, as long as it is one.
        assert found["user"] == expected["user"]
        assert found["known"] == expected["known"]
        for name in ("items", "pairs"):
            ours, theirs = (np.frombuffer(each[name]) for each in (found, expected))
            np.testing.assert_array_equal(ours, theirs)
            np.testing.assert_array_equal(np.signbit(ours), np.signbit(theirs))
        matrices = [
            FeaturePlan(tiny(snapshot)[0], snapshot).matrix(rows)
            for rows in (got, snapshot.read(user, asked))
        ]
        assert matrices[0].tobytes() == matrices[1].tobytes()


def test_a_store_without_columns_or_rows(opened: Opened) -> None:
    def table(ids: Any, *names: str) -> FeatureTable:
        return FeatureTable(np.asarray(ids), names, np.ones((len(ids), len(names))))

    snapshot = FeatureSnapshot(
        users=table(["ann"], "a"),
        items=table([1, 2], "e"),
        pairs=PairTable.from_rows(
            [], [], names=("g",), values=np.empty((0, 1)), default=[2.0], n_users=1
        ),
    )
    store = opened(snapshot)
    rows = store.read("ann", [2, 3])
    assert rows.user is not None
    assert (rows.user.tolist(), rows.pairs.tolist()) == ([1.0], [[2.0], [2.0]])
    assert rows.known.tolist() == [True, False]
    empty = store.read("ann", [])
    assert (empty.items.shape, empty.pairs.shape, empty.known.shape) == ((0, 1), (0, 1), (0,))


def test_lists_are_the_same_from_every_store(
    bundle: Bundle, server: RedisServer, shop: Shop
) -> None:
    push_features(server.url, bundle=bundle)
    client = connect(server.url, timeout_s=5)
    store = RedisFeatureStore(client, version=bundle.version, layout=bundle.snapshot.layout)
    there = replace(bundle, store=store)
    sent = [("item-03", 0.2), ("item-07", 0.9), ("never-seen", 0.5)]
    for user in (*range(100, 140), 99, "105"):
        for candidates in (None, sent):
            mine, theirs = (rerank(each, user, candidates=candidates) for each in (bundle, there))
            assert mine.records() == theirs.records()
            assert mine.fallback == theirs.fallback
    assert bundle.counts.fallbacks == {"unknown_user": 8}  # both count into one


def test_a_store_of_another_layout_is_refused(bundle: Bundle) -> None:
    other = odd_snapshot(text=True)
    with pytest.raises(SchemaError, match="a feature store in the layout"):
        replace(bundle, store=other)


def test_a_layout_is_told_apart_from_every_other() -> None:
    one = odd_snapshot(text=True).layout
    others = [
        replace(one, users=("a", "b", "d", "c")),
        replace(one, users=("a", "b", "c"), items=("d", "e")),
        replace(one, pairs=("f", "g")),
        replace(one, default=np.array([np.nan, -0.0, -1.5])),
    ]
    assert len({each.digest for each in (one, *others)}) == 5
    assert replace(one, default=one.default.copy()).digest == one.digest


@pytest.mark.parametrize("name", ["users_ids", "users_index", "items_ids", "items_index"])
def test_a_changed_index_under_right_hashes_gives_nobody_another_users_features(
    shop: Shop, tmp_path: Path, name: str
) -> None:
    """Whoever recomputes the hashes is still refused, or has changed nothing that is read."""
    folder = write_bundle(tmp_path / "model", contents=shop.contents)
    snapshot, file = load_bundle(folder).snapshot, folder / f"{name}.npy"
    manifest, whole = Manifest.from_bytes((folder / MANIFEST).read_bytes()), file.read_bytes()
    rng = np.random.default_rng(len(name))
    refused = 0
    for _ in range(25):
        changed = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            changed[int(rng.integers(128, len(whole)))] = int(rng.integers(256))
        file.write_bytes(changed)
        sealed = replace(manifest, files={**manifest.files, file.name: sha256(bytes(changed))})
        (folder / MANIFEST).write_bytes(sealed.to_bytes())
        try:
            other = load_bundle(folder).snapshot
        except BundleError:
            refused += 1
            continue
        for user in snapshot.users.ids.tolist():
            mine, theirs = (
                each.read(user, snapshot.items.ids.tolist()) for each in (snapshot, other)
            )
            assert theirs.user is not None
            assert mine.user is not None
            np.testing.assert_array_equal(mine.user, theirs.user)
            np.testing.assert_array_equal(mine.items, theirs.items)
    assert refused >= 20  # others write a byte that stood there, or one that is not looked at
