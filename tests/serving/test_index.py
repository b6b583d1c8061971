"""The index of ids: every id at its row, no other anywhere, and no index that was tampered with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import SchemaError
from causal_ranker.serving.index import IdIndex, as_ids

numbers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=()), max_size=6).filter(
    lambda text: not text.endswith("\0")
)
# What a request may send: either type, numbers beyond 64 bits, NULs at the end, lone surrogates.
anything = numbers | texts | st.just(2**70) | st.text(max_size=3).map(lambda t: t + "\0")


def index_of(ids: list[Any]) -> IdIndex:
    return IdIndex.build(as_ids(np.array(ids, dtype=object if not ids else None)))


@settings(max_examples=50)
@given(
    ids=st.lists(numbers, unique=True, max_size=40) | st.lists(texts, unique=True, max_size=40),
    others=st.lists(anything, max_size=20),
)
def test_it_is_a_dictionary(ids: list[Any], others: list[Any]) -> None:
    index = index_of(ids)
    rows = {key: row for row, key in enumerate(ids)}
    asked = [*others, *reversed(ids)]
    assert index.rows(asked).tolist() == [rows.get(key, -1) for key in asked]
    assert index.rows([]).tolist() == []
    for key in asked:
        assert index.rows([key]).tolist() == [rows.get(key, -1)]
        assert index.row(key) == rows.get(key, -1)


def test_ids_of_another_type_are_other_ids() -> None:
    assert index_of([1, 2]).rows(["1", 2, None, 2.0]).tolist() == [-1, 1, -1, -1]
    assert index_of(["1", "2"]).rows([1, "2", np.str_("1")]).tolist() == [-1, 1, 0]
    assert index_of([1, 2]).rows([np.int64(2), np.int32(1)]).tolist() == [1, 0]
    assert [index_of([1, 2]).row(key) for key in ("1", np.int64(2), None)] == [-1, 1, -1]


@pytest.mark.parametrize(
    "ids",
    [
        np.arange(50_000),
        np.arange(50_000) << 40,
        -np.arange(50_000) * 2**20,
        np.array([f"user-{number:07d}" for number in range(50_000)]),
    ],
    ids=["counted", "high bits", "negative", "text"],
)
def test_an_id_is_found_in_a_few_steps(ids: np.ndarray[Any, Any]) -> None:
    index = IdIndex.build(ids)
    # Linear probing a quarter full at most: Knuth's 6.4 gives 1.17 steps for what is there.
    place = {int(row): where for where, row in enumerate(index.slots) if row >= 0}
    taken = index.slots >= 0
    longest = max(len(run) for run in "".join(np.where(taken, "x", " ")).split())
    assert len(place) == 50_000
    assert index.slots.size == 2**18
    assert longest < 40  # measured 8 to 12
    some = np.arange(0, 50_000, 97)
    assert [index.row(key) for key in ids[some].tolist()] == some.tolist()


def planted(slots: np.ndarray[Any, Any], how: str, rng: np.random.Generator) -> Any:
    slots = slots.copy()
    taken, free = np.flatnonzero(slots >= 0), np.flatnonzero(slots < 0)
    one, other = rng.choice(taken, 2, replace=False)
    if how == "swapped":
        slots[[one, other]] = slots[[other, one]]
    elif how == "lost":
        slots[one] = -1
    elif how == "twice":
        slots[rng.choice(free)] = slots[one]
    elif how == "instead":
        slots[one] = slots[other]
    elif how == "full":
        slots[free] = slots[one]
    elif how == "beyond":
        slots[one] = slots.size
    elif how == "below":
        slots[rng.choice(free)] = -2
    elif how == "short":
        slots = slots[: slots.size // 2]
    elif how == "odd":
        slots = slots[:-1]
    elif how == "wide":
        slots = slots.astype(np.int64)
    return slots


HOW = ["swapped", "lost", "twice", "instead", "full", "beyond", "below", "short", "odd", "wide"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("text", [False, True])
def test_an_index_that_was_changed_is_refused(how: str, text: bool) -> None:
    ids = np.array([f"u{i}" for i in range(64)]) if text else np.arange(64) * 3
    whole = IdIndex.build(ids).slots
    rng = np.random.default_rng(len(how))
    refused = 0
    for _ in range(20):
        slots = planted(whole, how, rng)
        try:
            index = IdIndex(ids, slots)
        except SchemaError:
            refused += 1
            continue
        # Two ids may change places and still be found: then nothing is wrong with the index.
        assert how == "swapped"
        assert index.rows(ids.tolist()).tolist() == list(range(64))
        assert index.rows(["nobody", 10**6]).tolist() == [-1, -1]
    assert refused >= (15 if how == "swapped" else 20)


def test_the_index_of_other_ids_is_refused() -> None:
    slots = IdIndex.build(np.arange(64)).slots
    with pytest.raises(SchemaError, match="finds each id once"):
        IdIndex(np.arange(64) + 1000, slots)
    with pytest.raises(SchemaError, match="finds each id once"):
        IdIndex(np.zeros(64, dtype=np.int64), slots)


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(SchemaError, match="each id once; got 2 repeated"):
        index_of([5, 7, 5, 5])


@pytest.mark.parametrize(
    "ids",
    [
        np.array(["a", "b\0"], dtype=object),
        np.array([2**63], dtype=np.uint64),
        np.array([True, False]),
        np.array([b"a"]),
    ],
)
def test_ids_that_would_change_are_refused(ids: Any) -> None:
    with pytest.raises(SchemaError, match="all integers or all strings"):
        as_ids(ids)


@settings(max_examples=20)
@given(ids=st.lists(numbers, unique=True, min_size=2, max_size=30), data=st.data())
def test_whatever_lies_at_a_place_no_id_gets_the_row_of_another(
    ids: list[int], data: st.DataObject
) -> None:
    """Past the checks, with any rows at the places and one free, an id gets its row or none."""
    index = index_of(ids)
    size = index.slots.size
    slots = data.draw(st.lists(st.integers(-1, len(ids) - 1), min_size=size, max_size=size))
    index.slots = np.array([*slots[:-1], -1], dtype=np.int32)
    found = index.rows(ids)
    assert all(row in (-1, place) for place, row in enumerate(found.tolist()))
