from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causal_ranker.coldstart.tables import ContentColumns, read_content, read_pairs
from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError


@pytest.fixture
def table(tmp_path: Path) -> str:
    pd.DataFrame(
        {
            "item_id": [3, 1, 2],
            "title": ["A night", None, "  "],
            "plot": ["of rain", "Snow", None],
            "genres": ["Drama| War", "", None],
            "tags": [["slow"], ["War", "old"], None],
            "year": [1990.0, np.nan, 2001.0],
            "picture": [[1.0, 2.0], None, [3.0, 4.0]],
        }
    ).to_parquet(tmp_path / "items.parquet")
    return str(tmp_path / "items.parquet")


def test_columns_become_the_parts_of_content(table: str) -> None:
    columns = ContentColumns(
        text=("title", "plot"), categories=("genres", "tags"), dense=("year", "picture")
    )
    ids, content = read_content(table, columns, name="items")
    assert list(ids.ids) == [3, 1, 2]
    assert content.parts["text"] == ["A night of rain", "Snow", None]
    # of several columns, equal words are told apart
    assert content.parts["categories"] == [
        ["genres=Drama", "genres=War", "tags=slow"],
        ["tags=War", "tags=old"],
        [],
    ]
    wanted = [[1990, 1, 2], [np.nan] * 3, [2001, 3, 4]]
    np.testing.assert_array_equal(content.parts["dense"], wanted)
    _, content = read_content(table, ContentColumns(categories=("genres",)), name="items")
    assert content.parts["categories"] == [["Drama", "War"], [], []]


def test_tables_that_cannot_be_content(table: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one column"):
        read_content(table, ContentColumns(), name="items")
    with pytest.raises(SchemaError, match="Rename 'genres' to 'genre'"):
        read_content(table, ContentColumns(categories=("genre",)), name="items")
    with pytest.raises(SchemaError, match="lists of numbers of one length, in 'title'"):
        read_content(table, ContentColumns(dense=("title",)), name="items")
    twice = pd.DataFrame({"item_id": [1, 1], "title": ["a", "b"]})
    twice.to_parquet(tmp_path / "twice.parquet")
    with pytest.raises(RowError, match="each id of item_id of items once"):
        read_content(str(tmp_path / "twice.parquet"), ContentColumns(text=("title",)), name="items")


def test_pairs_count_once(tmp_path: Path) -> None:
    path = tmp_path / "plays.csv"
    path.write_text("user_id,item_id,played_at\n1,7,a\n1,7,b\n2,7,c\n")
    assert read_pairs(str(path), name="plays").to_numpy().tolist() == [[1, 7], [2, 7]]
    path.write_text("user_id,item_id\n")
    with pytest.raises(EmptyError, match="rows in plays"):
        read_pairs(str(path), name="plays")
