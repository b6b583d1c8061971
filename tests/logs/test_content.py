"""Equal rows have an equal hash, however they lie; any other row has another."""

from __future__ import annotations

from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.logs import content as room
from causal_ranker.logs.content import content_of
from causal_ranker.logs.sources import connect, read_table


def rows(n: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user_id": rng.integers(0, 9, n),
            "item_id": [f"item {each}" for each in rng.integers(0, 9, n)],
            "t0": pd.to_datetime(rng.integers(1, 9, n), unit="h", utc=True),
            "score": rng.normal(size=n).round(1),
            "shown": rng.random(n) < 0.5,
            "note": [None if each else "a" for each in rng.random(n) < 0.3],
        }
    )


def digest(frame: pd.DataFrame) -> str:
    return content_of(ibis.memtable(frame)).digest


def test_neither_order_nor_files_nor_widths_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, engine = rows(), connect()
    told = content_of(ibis.memtable(table))
    assert told.rows == 50
    assert digest(table.sample(frac=1, random_state=1)) == told.digest
    assert digest(table[sorted(table.columns)]) == told.digest
    assert digest(table.astype({"user_id": "int32"})) == told.digest
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(3):
        table[part::3].to_parquet(folder / f"{part}.parquet", coerce_timestamps="us", index=False)
    table.to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.setattr(room, "_ROWS", 7)
    for path in (folder, tmp_path / "rows.csv"):
        assert content_of(read_table(path, engine, name="rows")) == told


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("user_id", 99),
        ("item_id", "new"),
        ("t0", pd.Timestamp("2025-01-06 00:00:00.000001", tz="UTC")),
        ("score", 0.05),
        ("note", "b"),
        ("note", None),
    ],
)
def test_each_value_counts(column: str, other: object) -> None:
    table = rows()
    changed = table.copy()
    changed.loc[table["note"].first_valid_index(), column] = other
    assert digest(changed) != digest(table)
    flipped = table.assign(shown=table["shown"] ^ (table.index == 3))
    assert digest(flipped) != digest(table)


def test_what_stands_together_counts_and_how_often() -> None:
    table = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    swapped = pd.DataFrame({"a": [1, 2], "b": [4, 3]})
    twice = pd.concat([table, table])
    thrice = pd.concat([table, table, table])
    renamed = table.rename(columns={"b": "c"})
    exchanged = table.rename(columns={"a": "b", "b": "a"})
    found = [digest(each) for each in (table, swapped, twice, thrice, renamed, exchanged)]
    assert len(set(found)) == 6


def test_missing_is_no_value_and_zeros_are_one() -> None:
    def of(values: list[float | None]) -> str:
        return content_of(ibis.memtable({"x": values}, schema={"x": "float64"})).digest

    assert of([0.0, None]) != of([0.0, 0.0])
    assert of([0.0, float("nan")]) != of([0.0, 0.0])
    assert of([0.0]) == of([-0.0])
    text = [content_of(ibis.memtable({"x": ["5"]})), content_of(ibis.memtable({"x": [5]}))]
    assert text[0] != text[1]


def test_lists_and_empty_tables_have_one_too() -> None:
    one, other = (ibis.memtable({"x": [[1.0, 2.0], values]}) for values in ([3.0], [4.0]))
    assert content_of(one).digest != content_of(other).digest
    empty = content_of(ibis.memtable(rows().head(0)))
    assert empty.rows == 0
    assert empty.digest != digest(rows())


def test_the_definition_does_not_move() -> None:
    """Records of last year are compared with those of today: another digest needs another name."""
    table = pd.DataFrame({"user_id": [1, 2], "name": ["a", None], "score": [0.5, -1.0]})
    assert digest(table) == "409592e583b57820c3a046bc250d9c53"
