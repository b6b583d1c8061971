from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, kstest

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats import hashing
from causal_ranker.stats.hashing import fold_of, uniform_hash, uniform_stream

MASK = (1 << 64) - 1
GOLDEN_INTEGERS = [
    0.12888578576379295,
    0.323004767229918,
    0.8094152169381054,
    0.43204916263216986,
    0.16151873544448947,
]
GOLDEN_STRINGS = [0.7505780967941779, 0.6548301510929652, 0.7692211740649557, 0.4328497554562055]
GOLDEN_FOLDS = [0, 1, 4, 3, 2, 4, 3, 0, 4, 0, 4, 0]


def plain_hash(value: int | str, salt: str) -> float:
    """The same recipe in Python's own integers."""

    def mixed(x: int) -> int:
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        return x ^ (x >> 31)

    if isinstance(value, str):
        key = blake2b(salt.encode(), digest_size=32).digest()
        word = int.from_bytes(blake2b(value.encode(), digest_size=8, key=key).digest(), "little")
    else:
        key8 = int.from_bytes(blake2b(salt.encode(), digest_size=8).digest(), "little")
        word = mixed(mixed((value + 0x9E3779B97F4A7C15) & MASK) ^ key8)
    return (word >> 11) / 2**53


def test_golden_values_never_change() -> None:
    # folds and assignments already handed out hang on these numbers
    np.testing.assert_array_equal(
        uniform_hash([0, 1, 2, -1, 2**62], salt="golden"), GOLDEN_INTEGERS
    )
    np.testing.assert_array_equal(
        uniform_hash(["", "a", "user 7", "é"], salt="golden"), GOLDEN_STRINGS
    )
    assert fold_of(range(12), 5, salt="golden").tolist() == GOLDEN_FOLDS  # type: ignore[arg-type]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20), st.text())
def test_integers_follow_the_recipe(ids: list[int], salt: str) -> None:
    expected = [plain_hash(value, salt) for value in ids]
    np.testing.assert_array_equal(uniform_hash(ids, salt=salt), expected)


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(texts, min_size=1, max_size=20), texts)
def test_strings_follow_the_recipe(ids: list[str], salt: str) -> None:
    column = np.array(ids, dtype=object)
    expected = [plain_hash(value, salt) for value in ids]
    np.testing.assert_array_equal(uniform_hash(column, salt=salt), expected)


@pytest.mark.parametrize(
    "same",
    [
        np.array([3, 200, 7], dtype=np.uint8),
        np.array([3, 200, 7], dtype=np.int32),
        np.array([3, 200, 7], dtype=np.uint64),
        np.array([3, 200, 7], dtype=object),
        pd.Series([3, 200, 7]),
    ],
)
def test_the_width_of_integers_does_not_matter(same: Any) -> None:
    np.testing.assert_array_equal(uniform_hash(same, salt="s"), uniform_hash([3, 200, 7], salt="s"))


@pytest.mark.parametrize(
    "same",
    [
        np.array(["a", "bc", "a"], dtype=object),
        np.array(["a", "bc", "a"], dtype=np.dtypes.StringDType()),
        pd.Series(["a", "bc", "a"]),
    ],
)
def test_the_container_of_strings_does_not_matter(same: Any) -> None:
    np.testing.assert_array_equal(
        uniform_hash(same, salt="s"), uniform_hash(["a", "bc", "a"], salt="s")
    )


@pytest.mark.parametrize("kind", ["counting", "spaced", "strings"])
def test_numbers_are_uniform_and_salts_independent(kind: str) -> None:
    n = 40_000
    ids: Any = {
        "counting": np.arange(n),
        "spaced": np.arange(n) * 2**32,
        "strings": [f"household-{i}" for i in range(n)],
    }[kind]
    a, b = uniform_hash(ids, salt="fold-1"), uniform_hash(ids, salt="fold-2")
    assert np.unique(a).size == n
    for u in (a, b):
        assert 0 <= u.min() < u.max() < 1
        assert kstest(u, "uniform").pvalue > 1e-3
        low_bits = np.bincount((u * 2**20).astype(int) % 16, minlength=16)
        assert ((low_bits - n / 16) ** 2 / (n / 16)).sum() < 37.7  # chi2(15) at .001
    table = np.histogram2d(a, b, bins=10, range=[[0, 1], [0, 1]])[0]
    assert chi2_contingency(table).pvalue > 1e-3
    # neighbouring ids are as unrelated as any
    neighbours = np.histogram2d(a[:-1], a[1:], bins=10, range=[[0, 1], [0, 1]])[0]
    assert chi2_contingency(neighbours).pvalue > 1e-3


def test_folds_are_sticky_even_and_all_of_a_user() -> None:
    users = np.random.default_rng(0).integers(0, 3000, 20_000)
    folds = fold_of(users, 5, salt="crossfit")
    assert folds.dtype == np.int64
    for user in users[:50]:
        assert np.unique(folds[users == user]).size == 1
    counts = np.bincount(fold_of(np.arange(50_000), 5, salt="crossfit"), minlength=5)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 18.5  # chi2(4) at .001
    # a user's fold does not depend on who else is in the table
    assert fold_of(users[:1], 5, salt="crossfit")[0] == folds[0]


@given(st.integers(1, 10**6))
def test_every_fold_is_in_range(folds: int) -> None:
    found = fold_of(np.arange(200), folds, salt="x")
    assert 0 <= found.min() <= found.max() < folds


def test_no_ids_give_no_numbers() -> None:
    assert uniform_hash(np.array([], dtype=np.int64), salt="s").shape == (0,)
    assert uniform_hash(np.array([], dtype=str), salt="s").shape == (0,)


@pytest.mark.parametrize(
    ("ids", "error"),
    [
        ([1.0, 2.0], SchemaError),
        ([[1], [2]], SchemaError),
        ([True, False], SchemaError),
        (np.array(["a", None], dtype=object), RowError),
        (np.array(["a", 1], dtype=object), RowError),
        (np.array([1, "a"], dtype=object), RowError),
        (pd.Series(["a", None]), RowError),
    ],
)
def test_impossible_ids_are_refused(ids: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="id"):
        uniform_hash(ids, salt="s")


def test_folds_are_checked() -> None:
    with pytest.raises(ConfigError, match="n_folds"):
        fold_of([1], 0, salt="s")


def test_a_stream_is_uniform_and_its_numbers_are_independent() -> None:
    drawn = uniform_stream(np.arange(2_000), np.arange(50), salt="s")
    assert drawn.shape == (2_000, 50)
    assert 0 < drawn.min() < drawn.max() < 1
    assert kstest(drawn.ravel(), "uniform").pvalue > 1e-3
    # neighbours in counter and in id: a correlation of 100,000 pairs is within 4 / sqrt(100,000)
    for one, other in ((drawn[:, 1:], drawn[:, :-1]), (drawn[1:], drawn[:-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.0127
    assert np.unique(drawn).size == drawn.size


def test_a_stream_depends_on_id_counter_and_salt_alone() -> None:
    whole = uniform_stream(["a", "b"], [0, 1, 1 << 40], salt="s")
    np.testing.assert_array_equal(uniform_stream(["b"], [1 << 40], salt="s")[0, 0], whole[1, 2])
    assert (uniform_stream(["a", "b"], [0, 1, 1 << 40], salt="t") != whole).all()
    # frozen: decisions of the past have to be repeatable
    assert uniform_stream([5], [0, 7], salt="explore-0").tolist() == [
        [0.734707799465487, 0.29459738890080345]
    ]
    assert uniform_stream(["d"], [0], salt="explore-0").tolist() == [[0.47483304395386805]]


def test_the_largest_number_of_a_stream_stays_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = np.array([2**64 - 1], dtype=np.uint64)
    monkeypatch.setattr(hashing, "_mixed", lambda _: largest)
    assert uniform_stream([1], [0], salt="s")[0] < 1
    monkeypatch.setattr(hashing, "_mixed", lambda _: largest * 0)
    assert uniform_stream([1], [0], salt="s")[0] > 0
