"""Snapshot, schema and feature matrix, against dense tables."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import SchemaError
from causal_ranker.serving.assembly import FeaturePlan
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.csr import check_csr
from causal_ranker.serving.mapped import array_bytes
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.tables import FeatureTable, PairTable
from tests.serving.shop import BASE_SCHEMA, ITEM_IDS, UPLIFT_SCHEMA, USER_IDS, Shop


def test_the_matrix_equals_the_dense_tables(shop: Shop) -> None:
    snapshot = shop.contents.snapshot
    uplift, base = FeaturePlan(UPLIFT_SCHEMA, snapshot), FeaturePlan(BASE_SCHEMA, snapshot)
    rng = np.random.default_rng(0)
    for user in range(40):
        items = rng.permutation(12)[: rng.integers(1, 13)]
        rows = snapshot.read(int(USER_IDS[user]), ITEM_IDS[items].tolist())
        score, rank = rng.normal(size=items.size), np.arange(items.size) + 1
        np.testing.assert_array_equal(
            uplift.matrix(rows, base_score=score, base_rank=rank),
            shop.uplift_features(user, items, score, rank),
        )
        np.testing.assert_array_equal(base.matrix(rows), shop.base_features(user, items))


def test_the_matrix_is_the_callers_to_change(shop: Shop) -> None:
    plan = FeaturePlan(BASE_SCHEMA, shop.contents.snapshot)
    rows = shop.contents.snapshot.read(102, ITEM_IDS.tolist())
    first = plan.matrix(rows)
    first[:] = -1
    np.testing.assert_array_equal(plan.matrix(rows), shop.base_features(2, np.arange(12)))


pairs = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 6)), st.floats(-5, 5), max_size=20
)


@given(entries=pairs, wanted=st.lists(st.integers(-1, 6), max_size=9))
def test_pairs_are_found_and_the_rest_is_the_default(
    entries: dict[tuple[int, int], float], wanted: list[int]
) -> None:
    keys = np.array(list(entries), dtype=np.int64).reshape(-1, 2)
    table = PairTable.from_rows(
        keys[:, 0],
        keys[:, 1],
        names=("x",),
        values=np.array(list(entries.values())).reshape(-1, 1),
        default=[99.0],
        n_users=5,
    )
    for user in range(5):
        expected = [[entries.get((user, item), 99.0)] for item in wanted]
        got = table.lookup(user, np.array(wanted, dtype=np.int64))
        assert got.tolist() == expected


def test_a_pair_twice_is_refused() -> None:
    with pytest.raises(SchemaError, match="1 that do not rise"):
        PairTable.from_rows(
            [0, 1, 0], [2, 2, 2], names=("x",), values=np.ones((3, 1)), default=[0.0], n_users=2
        )


@given(
    ids=st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=8)
    | st.lists(st.text(st.characters(exclude_characters="\0"), max_size=5), unique=True, max_size=8)
)
def test_ids_survive_the_file_and_are_found(ids: list[Any]) -> None:
    table = FeatureTable(
        np.array(ids, dtype=object if not ids else None), ("x",), np.ones((len(ids), 1))
    )
    snapshot = FeatureSnapshot(
        users=table,
        items=table,
        pairs=PairTable(
            (), np.zeros(len(ids) + 1, int), np.empty(0, int), np.empty((0, 0)), np.empty(0)
        ),
    )
    again = FeatureSnapshot.from_arrays(
        {
            name: np.load(io.BytesIO(array_bytes(array)), allow_pickle=False)
            for name, array in snapshot.arrays().items()
        },
        description=snapshot.description(),
    )
    assert again.users.ids.tolist() == ids
    assert [again.users.row(key) for key in ids] == list(range(len(ids)))
    assert again.users.row("absent-user") == -1
    assert again.users.ids.dtype.kind in "iU"


def test_arrays_are_what_needs_no_pickle(shop: Shop) -> None:
    arrays = shop.contents.snapshot.arrays()
    assert {array.dtype.kind for array in arrays.values()} == {"i", "f", "U"}


def test_ids_from_a_command_line() -> None:
    numbers = FeatureTable(np.array([7, 8]), (), np.empty((2, 0)))
    words = FeatureTable(np.array(["7", "ann"], dtype=object), (), np.empty((2, 0)))
    assert (numbers.key("8"), numbers.key("ann")) == (8, "ann")
    assert (words.key("7"), words.key("ann")) == ("7", "ann")


@pytest.mark.parametrize(
    ("ids", "values", "message"),
    [
        ([1, 1], np.ones((2, 1)), "each id once"),
        ([1.5, 2.0], np.ones((2, 1)), "all integers or all strings"),
        (np.array([1, "a"], dtype=object), np.ones((2, 1)), "all integers or all strings"),
        ([[1, 2]], np.ones((2, 1)), "all integers or all strings"),
        ([1, 2], np.ones((2, 3)), r"values of shape \(2, 1\)"),
        ([1, 2], np.ones(2), r"values of shape \(2, 1\)"),
    ],
)
def test_tables_that_do_not_fit_are_refused(ids: Any, values: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        FeatureTable(np.asarray(ids), ("x",), values)


@pytest.mark.parametrize(
    ("starts", "items"),
    [
        ([], []),
        ([0.0, 1.0], [0]),
        ([1, 1], []),
        ([0, 2], [0]),
        ([0, 2, 1], [0]),
        ([0, 2], [1, 1]),
        ([0, 2], [1, 0]),
        ([0, 1], [-1]),
        ([[0, 1]], [0]),
    ],
)
def test_an_index_that_is_none_is_refused(starts: Any, items: Any) -> None:
    with pytest.raises(SchemaError):
        check_csr(starts, items)


def test_an_index_may_fall_between_users() -> None:
    starts, items = check_csr([0, 0, 2, 2, 3, 3], [4, 5, 0])
    assert (starts.tolist(), items.tolist()) == ([0, 0, 2, 2, 3, 3], [4, 5, 0])


def test_parts_of_different_sizes_are_refused() -> None:
    users = FeatureTable(np.arange(2), (), np.empty((2, 0)))
    nothing: dict[str, Any] = {"names": (), "values": np.empty((1, 0)), "default": []}
    with pytest.raises(SchemaError, match="a pair table of 2 users"):
        FeatureSnapshot(users, users, PairTable.from_rows([0], [0], n_users=3, **nothing))
    with pytest.raises(SchemaError, match="item rows below 2"):
        FeatureSnapshot(users, users, PairTable.from_rows([0], [2], n_users=2, **nothing))
    with pytest.raises(SchemaError, match="user rows from 0 to 0"):
        PairTable.from_rows([1], [0], n_users=1, **nothing)
    with pytest.raises(SchemaError, match="1 default values"):
        PairTable(("x",), np.zeros(1, int), np.empty(0, int), np.empty((0, 1)), np.empty(0))
    table = PairTable.from_rows([0], [0], n_users=2, **nothing)
    with pytest.raises(SchemaError, match=r"finite default.*'week'"):
        FeatureSnapshot(users, users, table, {"week": math.nan})
    source = CandidateSource.from_rows([0, 1], [0, 1], n_users=2)
    source.check(n_users=2, n_items=2)
    for sizes in ({"n_users": 3, "n_items": 2}, {"n_users": 2, "n_items": 1}):
        with pytest.raises(SchemaError, match="candidates of"):
            source.check(**sizes)


def test_levels_have_codes() -> None:
    genre = Feature("genre", "item", ("drama", "news"))
    assert (genre.code("drama"), genre.code("news")) == (0.0, 1.0)
    assert math.isnan(genre.code("opera"))
    assert Feature("hour", "moment", (22, 23)).code(23.0) == 1.0
    assert Feature("hour", "moment").code(23) == 23.0
    with pytest.raises(SchemaError, match="a number for 'hour'"):
        Feature("hour", "moment").code("late")


def test_a_schema_survives_json() -> None:
    assert FeatureSchema.from_dict(UPLIFT_SCHEMA.to_dict()) == UPLIFT_SCHEMA


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"features": [], "more": 1},
        {"features": [{"name": "a", "group": "user"}]},
        {"features": [{"name": "a", "group": "user", "levels": None, "unit": "cm"}]},
        {"features": [{"name": "a", "group": "moon", "levels": None}]},
        {"features": [{"name": "", "group": "user", "levels": None}]},
        {"features": [{"name": "a", "group": "user", "levels": ["x", "x"]}]},
        {"features": [{"name": "a", "group": "user", "levels": [1.5]}]},
        {"features": [{"name": "age", "group": "base", "levels": None}]},
        {"features": [{"name": "a", "group": g, "levels": None} for g in ("user", "item")]},
        {"features": [None]},
    ],
)
def test_a_schema_that_is_none_is_refused(description: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        FeatureSchema.from_dict(description)
