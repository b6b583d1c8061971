"""Every kind of source gives the same table, and every broken one a clear error."""

from __future__ import annotations

import errno
import gc
import gzip
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from ibis.backends.duckdb import Backend

from causal_ranker.errors import ConfigError, DataError, SchemaError
from causal_ranker.logs.sources import connect, read_table

ROWS = 40


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "play_id": range(ROWS),
            "user_id": [f"u{i % 7}" for i in range(ROWS)],
            "played_at": pd.date_range("2017-03-12 06:00", periods=ROWS, freq="h", tz="UTC"),
            "seconds": [None if i % 5 == 0 else i / 2 for i in range(ROWS)],
        }
    )


def rows_of(table: ibis.Table) -> list[dict[str, Any]]:
    return table.order_by("play_id").to_pyarrow().to_pylist()


def expected() -> list[dict[str, Any]]:
    start = datetime(2017, 3, 12, 6, tzinfo=UTC).timestamp()
    return [
        {
            "play_id": i,
            "user_id": f"u{i % 7}",
            "played_at": datetime.fromtimestamp(start + 3600 * i, tz=UTC),
            "seconds": None if i % 5 == 0 else i / 2,
        }
        for i in range(ROWS)
    ]


def _parquet(path: Path) -> str:
    frame().to_parquet(path / "plays.parquet")
    return str(path / "plays.parquet")


def _parquet_glob(path: Path) -> str:
    frame()[:15].to_parquet(path / "a.parquet")
    frame()[15:].to_parquet(path / "b.parquet")
    return str(path / "*.parquet")


def _folder(path: Path) -> Path:
    for day, rows in frame().groupby(frame()["played_at"].dt.date.astype(str)):
        (path / "log" / str(day)).mkdir(parents=True)
        rows.to_parquet(path / "log" / str(day) / "plays.parquet")
    return path / "log"


def _csv(path: Path) -> Path:
    frame().to_csv(path / "plays.csv", index=False)
    return path / "plays.csv"


def _csv_gz(path: Path) -> Path:
    frame().to_csv(path / "plays.csv.gz", index=False)
    return path / "plays.csv.gz"


def _csv_zst(path: Path) -> Path:
    (path / "plays.csv.zst").write_bytes(_zstd(frame().to_csv(index=False)))
    return path / "plays.csv.zst"


def _zstd(text: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text.encode())
    return sink.getvalue().to_pybytes()


SOURCES = {
    "parquet": _parquet,
    "parquet glob": _parquet_glob,
    "folder": _folder,
    "csv": _csv,
    "csv.gz": _csv_gz,
    "csv.zst": _csv_zst,
    "pandas": lambda _: frame(),
    "pandas nanoseconds": lambda _: frame().astype({"played_at": "datetime64[ns, UTC]"}),
    "pandas other zone": lambda _: frame().assign(
        played_at=frame()["played_at"].dt.tz_convert("America/New_York")
    ),
    "pandas category": lambda _: frame().astype({"user_id": "category"}),
    "polars": lambda _: pl.from_pandas(frame()),
    "polars lazy": lambda _: pl.from_pandas(frame()).lazy(),
    "polars lazy nanoseconds": lambda _: (
        pl.from_pandas(frame()).lazy().with_columns(pl.col("played_at").dt.cast_time_unit("ns"))
    ),
    "arrow": lambda _: pa.Table.from_pandas(frame(), preserve_index=False),
    "arrow dataset": lambda path: pads.dataset(_parquet(path)),
    "memtable": lambda _: ibis.memtable(frame()),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_rows(kind: str, tmp_path: Path, connection: Backend) -> None:
    table = read_table(SOURCES[kind](tmp_path), connection, name="plays")
    gc.collect()  # the frame is gone; the rows must not be
    assert rows_of(table) == expected()
    assert table["played_at"].type().timezone is not None


def test_an_ibis_table_stays_on_its_own_engine(connection: Backend) -> None:
    other = connect(threads=1)
    table = other.create_table("plays", frame())
    assert read_table(table, connection, name="plays") is table


def test_the_engine_draws_no_bar_across_ours() -> None:
    [[drawn]] = connect().raw_sql("SELECT current_setting('enable_progress_bar')").fetchall()
    assert drawn is False


def test_a_lazy_frame_is_streamed_to_a_file_that_goes_with_the_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delattr(pl.LazyFrame, "collect")
    own = connect(threads=1)
    table = read_table(pl.from_pandas(frame()).lazy(), own, name="plays")
    assert rows_of(table) == expected()
    assert len(list(tmp_path.glob("*/frame.parquet"))) == 1
    del own, table
    gc.collect()
    assert list(tmp_path.glob("*/frame.parquet")) == []


@pytest.mark.parametrize("kind", ["pandas", "arrow", "dataset"])
@pytest.mark.parametrize("codes", [[3, 1, 3], [0.5, 2.0, 0.5]])
def test_a_dictionary_of_numbers_names_something_unless_it_is_an_id(
    kind: str, codes: list[float], connection: Backend
) -> None:
    items = pd.DataFrame(
        {
            "item_id": pd.Categorical([7, 8, 9]),
            "genre": pd.Categorical(codes),
            "year": [1999, 2001, 2003],
        }
    )
    arrow = pa.Table.from_pandas(items)
    source = {"pandas": items, "arrow": arrow, "dataset": pads.dataset(arrow)}[kind]
    found = read_table(source, connection, name="items").order_by("item_id").to_pyarrow()
    assert found["genre"].to_pylist() == [str(code) for code in codes]
    assert found["item_id"].to_pylist() == [7, 8, 9]
    assert found["year"].to_pylist() == [1999, 2001, 2003]


def test_two_tables_of_one_name_do_not_mix(tmp_path: Path, connection: Backend) -> None:
    train = read_table(_parquet(tmp_path), connection, name="plays")
    read_table(frame()[:3], connection, name="plays")
    (tmp_path / "second").mkdir()
    frame()[:5].to_parquet(tmp_path / "second" / "plays.parquet")
    holdout = read_table(tmp_path / "second" / "plays.parquet", connection, name="plays")
    assert train.count().to_pyarrow().as_py() == ROWS
    assert holdout.count().to_pyarrow().as_py() == 5


def test_the_callers_frame_is_untouched(connection: Backend) -> None:
    mine = frame()
    read_table(mine, connection, name="plays")
    pd.testing.assert_frame_equal(mine, frame())


def _truncated_parquet(path: Path) -> Path:
    whole = Path(_parquet(path)).read_bytes()
    (path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    return path / "cut.parquet"


def _one_truncated_of_two(path: Path) -> str:
    _truncated_parquet(path).rename(path / "z.parquet")  # the first file alone gives the schema
    return str(path / "*.parquet")


def _truncated_gzip(path: Path) -> Path:
    # Cut inside the last value, where what is left still looks like a table.
    text = frame().assign(seconds=12345.678).to_csv(index=False).strip()
    whole = gzip.compress(text.encode(), compresslevel=0)
    (path / "cut.csv.gz").write_bytes(whole[:-12])
    return path / "cut.csv.gz"


def _truncated_zstd(path: Path) -> Path:
    # Cut where the last whole block ends in a number: DuckDB gives 354,757 of 360,000 rows.
    whole = _zstd(pd.concat([frame()] * 9000).assign(seconds=12345.678).to_csv(index=False))
    (path / "cut.csv.zst").write_bytes(whole[:-12])
    return path / "cut.csv.zst"


def _linked_folder(path: Path) -> Path:
    _folder(path)
    (path / "shared").mkdir()
    frame().to_parquet(path / "shared" / "more.parquet")
    (path / "log" / "link").symlink_to(path / "shared")
    return path / "log"


def _broken_csv_row(path: Path) -> Path:
    # Far below the rows from which the engine guesses the types.
    text = pd.concat([frame()] * 2000).to_csv(index=False)
    (path / "broken.csv").write_text(text + '99,"u1,2017-01-01')
    return path / "broken.csv"


def _not_parquet(path: Path) -> Path:
    (path / "words.parquet").write_text("not a table")
    return path / "words.parquet"


def _empty_folder(path: Path) -> Path:
    (path / "none").mkdir()
    return path / "none"


BROKEN = {
    "missing": lambda path: path / "nowhere.parquet",
    "glob without a match": lambda path: str(path / "*.parquet"),
    "truncated parquet": _truncated_parquet,
    "one truncated of two": _one_truncated_of_two,
    "truncated gzip": _truncated_gzip,
    "truncated zstd": _truncated_zstd,
    "a link to a folder": _linked_folder,
    "a link to a folder under a glob": lambda path: f"{_linked_folder(path)}/**/*.parquet",
    "broken csv row": _broken_csv_row,
    "not parquet": _not_parquet,
    "unknown suffix": lambda path: _parquet(path) and (path / "plays.parquet").rename(path / "p.x"),
    "empty folder": _empty_folder,
    "a list": lambda _: [1, 2, 3],
    "a pandas series": lambda _: frame()["play_id"],
    "a polars series": lambda _: pl.from_pandas(frame())["play_id"],
    "a polars query that fails": lambda _: pl.LazyFrame({"a": [1]}).select("play_id"),
    "mixed types": lambda _: pd.DataFrame({"user_id": [1, "two"]}, dtype=object),
    "mixed types in a memtable": lambda _: ibis.memtable(
        pd.DataFrame({"user_id": ["one", 2]}, dtype=object)
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_every_broken_source_is_told_in_one_line(
    kind: str, tmp_path: Path, connection: Backend
) -> None:
    with pytest.raises(DataError) as caught:
        read_table(BROKEN[kind](tmp_path), connection, name="plays")
    message = str(caught.value)
    assert "plays" in message
    assert "\n" not in message


def test_a_glob_by_levels_goes_through_links(tmp_path: Path, connection: Backend) -> None:
    folder = _linked_folder(tmp_path)
    table = read_table(f"{folder}/*/*.parquet", connection, name="plays")
    assert table.count().execute() == 2 * ROWS


def test_a_folder_that_cannot_be_listed_is_told(
    tmp_path: Path, connection: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder(tmp_path)
    scan = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) != folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", scandir)
    with pytest.raises(DataError, match="Permission denied"):
        read_table(folder, connection, name="plays")


@pytest.mark.parametrize("hidden", [".old", "_temporary", "_temporary/0"])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_hidden_files_of_a_folder_are_no_rows(
    hidden: str, ending: str, tmp_path: Path, connection: Backend
) -> None:
    for each in ("", "_day=1", hidden):
        (tmp_path / each).mkdir(exist_ok=True, parents=True)
        for name in ("part", "_part", ".part"):
            getattr(frame(), f"to_{ending}")(tmp_path / each / f"{name}.{ending}", index=False)
    assert read_table(tmp_path, connection, name="plays").count().execute() == 2 * ROWS


def test_mixed_types_name_the_column(connection: Backend) -> None:
    mixed = pd.DataFrame({"user_id": [1, "two"]}, dtype=object)
    with pytest.raises(SchemaError, match="user_id"):
        read_table(mixed, connection, name="plays")


def test_the_session_clock_is_utc_and_settings_hold() -> None:
    own = connect(threads=2, memory_limit="512MiB")
    names = ("TimeZone", "threads", "memory_limit", "temp_directory")
    query = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    row = dict(zip(names, own.raw_sql(query).fetchone(), strict=True))
    assert row["TimeZone"] == "UTC"
    assert row["threads"] == 2
    assert row["memory_limit"] == "512.0 MiB"
    assert "causal_ranker_" in row["temp_directory"]


@pytest.mark.parametrize("settings", [{"threads": 0}, {"memory_limit": "much"}])
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="threads"):
        connect(**settings)


def test_a_database_that_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "words.db").write_text("not a database, but long enough to look like a file\n" * 99)
    with pytest.raises(ConfigError, match=r"words\.db"):
        connect(database=tmp_path / "words.db")
