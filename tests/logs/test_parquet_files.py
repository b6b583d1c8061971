"""Parquet files that differ: nothing is left out, and no clock is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset as pads
import pytest
from ibis.backends.duckdb import Backend

from causal_ranker.errors import DataError, RowError, SchemaError
from causal_ranker.logs.contract import check_plays
from causal_ranker.logs.sources import read_table

AWARE = pd.Timestamp("2024-01-01", tz="UTC")
NAIVE = pd.Timestamp("2024-01-01")


def write(folder: Path, *files: dict[str, list[Any]], partitions: bool = False) -> Path:
    for number, columns in enumerate(files):
        part = folder / f"date=2024-01-0{number + 1}" if partitions else folder
        part.mkdir(exist_ok=True, parents=True)
        pd.DataFrame(columns).to_parquet(part / f"{number}.parquet")
    return folder


@pytest.mark.parametrize("partitions", [False, True])
@pytest.mark.parametrize("clocks", [(AWARE, NAIVE), (NAIVE, AWARE), (AWARE, AWARE, NAIVE)])
def test_files_of_two_clocks_are_refused(
    clocks: tuple[pd.Timestamp, ...], partitions: bool, tmp_path: Path, connection: Backend
) -> None:
    """DuckDB would read the naive ones as UTC."""
    folder = write(tmp_path, *({"played_at": [clock]} for clock in clocks), partitions=partitions)
    for source in (folder, str(folder / "**" / "*.parquet")):
        with pytest.raises(SchemaError, match=r"'played_at'.*with a time zone in .*\.parquet"):
            read_table(source, connection, name="plays")


def test_an_arrow_dataset_of_two_clocks_is_refused(tmp_path: Path, connection: Backend) -> None:
    """Arrow reads the naive ones as UTC, as the first file gives the schema."""
    folder = write(tmp_path, {"t0": [AWARE], "n": [1]}, {"n": [2]}, {"t0": [NAIVE], "n": [3]})
    dataset = pads.dataset(folder, format="parquet")
    with pytest.raises(SchemaError, match=r"'t0'.*timestamp.* in .*2\.parquet"):
        read_table(dataset, connection, name="plays")
    one = pads.dataset(folder / "1.parquet", schema=dataset.schema, format="parquet")
    assert read_table(one, connection, name="plays").count().execute() == 1


@pytest.mark.parametrize(
    ("first", "second"), [([1], ["2"]), (["1"], [2]), ([True], [2]), ([AWARE], ["2024"])]
)
def test_types_that_do_not_meet_are_refused(
    first: list[Any], second: list[Any], tmp_path: Path, connection: Backend
) -> None:
    write(tmp_path, {"user_id": first}, {"user_id": first}, {"user_id": second})
    with pytest.raises(SchemaError, match=r"'user_id' in all files of plays.*2\.parquet"):
        read_table(tmp_path, connection, name="plays")


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_one_file_lacks_is_null_there(
    first: int, tmp_path: Path, connection: Backend
) -> None:
    files = [{"play_id": [1]}, {"seconds": [-5], "play_id": [2]}]
    write(tmp_path, files[first], files[1 - first])
    rows = read_table(tmp_path, connection, name="plays").order_by("play_id").to_pyarrow()
    assert rows.select(["play_id", "seconds"]).to_pylist() == [
        {"play_id": 1, "seconds": None},
        {"play_id": 2, "seconds": -5},
    ]


def test_a_column_of_later_files_is_checked(tmp_path: Path, connection: Backend) -> None:
    keys = {"user_id": [1], "item_id": [1], "played_at": [AWARE]}
    write(tmp_path, {"play_id": [1], **keys}, {"play_id": [2], **keys, "seconds": [-5]})
    with pytest.raises(RowError, match="'seconds' of plays; got 1 of 2"):
        check_plays(read_table(tmp_path, connection, name="plays"))


@pytest.mark.parametrize("first", [0, 1])
def test_a_file_without_any_value_agrees_with_every_type(
    first: int, tmp_path: Path, connection: Backend
) -> None:
    files = [{"clicked_at": [None]}, {"clicked_at": [AWARE]}]
    write(tmp_path, files[first], files[1 - first])
    found = read_table(tmp_path, connection, name="impressions")["clicked_at"].execute()
    assert found.dropna().tolist() == [AWARE]
    assert len(found) == 2


def test_whole_numbers_and_fractions_meet_as_fractions(tmp_path: Path, connection: Backend) -> None:
    """By the first file alone, 1.5 would be read as 2."""
    write(tmp_path, {"seconds": [1]}, {"seconds": [1.5]})
    found = read_table(tmp_path, connection, name="plays")["seconds"].execute()
    assert sorted(found) == [1.0, 1.5]


MIXED = {
    "parquet and parq": (["a.parquet", "b.parq", "c.PQ"], None),
    "csv and csv.gz": (["a.csv", "b.csv.gz", "c.CSV"], None),
    "parquet and csv": (["a.parquet", "b.csv"], "1 CSV and 1 Parquet"),
    "csv and tsv": (["a.csv", "b.tsv", "c.tsv"], "1 CSV and 2 TSV"),
}


@pytest.mark.parametrize("pattern", ["", "*"])
@pytest.mark.parametrize("kind", MIXED)
def test_every_file_of_a_folder_is_read_or_told(
    kind: str, pattern: str, tmp_path: Path, connection: Backend
) -> None:
    names, told = MIXED[kind]
    for number, name in enumerate(names):
        rows = pd.DataFrame({"play_id": [number], "seconds": [1]})
        if ".p" in name.lower():
            rows.to_parquet(tmp_path / name)
        else:
            separator = "\t" if ".tsv" in name else ","
            rows.to_csv(tmp_path / name, index=False, sep=separator)
    source = str(tmp_path / pattern) if pattern else tmp_path
    if told is None:
        table = read_table(source, connection, name="plays")
        assert sorted(table["play_id"].execute()) == list(range(len(names)))
    else:
        with pytest.raises(DataError, match=f"one kind for plays; got {told}"):
            read_table(source, connection, name="plays")


def test_other_files_of_a_folder_are_left_alone_and_of_a_glob_told(
    tmp_path: Path, connection: Backend
) -> None:
    write(tmp_path, {"play_id": [1]})
    (tmp_path / "_SUCCESS").touch()
    assert read_table(tmp_path, connection, name="plays").count().execute() == 1
    with pytest.raises(DataError, match="1 other files at"):
        read_table(str(tmp_path / "*"), connection, name="plays")


def test_signs_of_globs_may_stand_in_names(tmp_path: Path, connection: Backend) -> None:
    folder = write(tmp_path / "[1]", {"play_id": [1]}, {"play_id": [2.5]})
    for source, rows in ((folder, 2), (folder / "0.parquet", 1)):
        assert read_table(source, connection, name="plays").count().execute() == rows
