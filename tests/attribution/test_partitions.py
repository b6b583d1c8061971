from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from ibis.backends.duckdb import Backend

from causal_ranker.attribution import partitions
from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.partitions import (
    attribute_days,
    days_of,
    days_reached,
    impressions_since,
    partition_path,
    plays_since,
)
from causal_ranker.errors import ConfigError, DataError
from causal_ranker.logs.sources import connect, read_table

START = datetime(2024, 3, 9, tzinfo=UTC)
DAYS = [date(2024, 3, 9) + timedelta(days=i) for i in range(5)]


def frames(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)

    def log(key: str, clock: str, rows: int) -> pd.DataFrame:
        hours = pd.to_timedelta(rng.integers(0, 120, rows), unit="h")
        table = pd.DataFrame({key: np.arange(rows), clock: START + hours})
        table["user_id"], table["item_id"] = rng.integers(0, 9, rows), rng.integers(0, 4, rows)
        return table

    return log("impression_id", "t0", 400), log("play_id", "played_at", 200)


def write(
    shown: pd.DataFrame, played: pd.DataFrame, connection: Backend, **settings: Any
) -> list[Path]:
    tables = (
        read_table(shown, connection, name="impressions"),
        read_table(played, connection, name="plays"),
    )
    return attribute_days(*tables, **settings)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.parquet")}


CONFIGS = [
    AttributionConfig(window_hours=30),
    AttributionConfig(window_hours=30, touch="linear"),
    AttributionConfig(window_hours=30, touch="time_decay", exposures="first"),
    AttributionConfig(window_hours=30, most_impressions_a_day=10),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_days_together_are_the_whole(
    config: AttributionConfig, tmp_path: Path, connection: Backend
) -> None:
    shown, played = frames()
    paths = write(shown, played, connection, days=DAYS, folder=tmp_path, config=config)
    assert paths == [partition_path(tmp_path, day) for day in DAYS]
    parts = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    whole = attribute(
        read_table(shown, connection, name="impressions"),
        read_table(played, connection, name="plays"),
        config=config,
    ).to_pandas()
    key = ["play_id", "impression_id"]
    pd.testing.assert_frame_equal(
        parts.drop(columns="date", errors="ignore").sort_values(key, ignore_index=True),
        whole.sort_values(key, ignore_index=True),
    )


def test_a_day_run_again_has_the_same_bytes(tmp_path: Path, connection: Backend) -> None:
    shown, played = frames()
    write(shown, played, connection, days=DAYS, folder=tmp_path, config=CONFIGS[1])
    before = contents(tmp_path)
    again = shown.sample(frac=1, random_state=1), played.sample(frac=1, random_state=2)
    write(*again, connection, days=DAYS[2:4], folder=tmp_path, config=CONFIGS[1])
    assert contents(tmp_path) == before


@pytest.mark.parametrize("touch", ["last", "linear"])
def test_how_the_engine_cuts_the_rows_does_not_show(touch: Any, tmp_path: Path) -> None:
    found = []
    for threads in (1, 2):
        engine = connect(threads=threads)

        def log(key: str, clock: str, rows: int, engine: Backend = engine) -> ibis.Table:
            engine.raw_sql(
                f"CREATE TABLE {key} AS SELECT range AS {key}, range % 500 AS user_id, "
                f"range % 7 AS item_id, timestamptz '2024-03-09 00:00:00+00' + "
                f"to_milliseconds(range * {80_000_000 // rows}) AS {clock} FROM range({rows})"
            )
            return engine.table(key)

        (path,) = attribute_days(
            log("impression_id", "t0", 1_500),
            log("play_id", "played_at", 150_000),  # more than the engine hands over at once
            days=[DAYS[0]],
            folder=tmp_path / str(threads),
            config=AttributionConfig(touch=touch),
        )
        assert pq.read_metadata(path).num_row_groups > 1
        found.append(path.read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("size", [1, 7, 200])
def test_how_an_engine_hands_over_the_rows_does_not_show(
    size: int, tmp_path: Path, connection: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of DuckDB all batches but the last are whole; other engines may differ."""
    monkeypatch.setattr(partitions, "_GROUP", 16)
    whole = ibis.Table.to_pyarrow_batches
    settings: dict[str, Any] = {"days": DAYS[:1], "config": CONFIGS[1]}
    (usual,) = write(*frames(), connection, folder=tmp_path / "usual", **settings)
    monkeypatch.setattr(
        ibis.Table, "to_pyarrow_batches", lambda table, chunk_size: whole(table, chunk_size=size)
    )
    (other,) = write(*frames(), connection, folder=tmp_path / "other", **settings)
    assert pq.read_metadata(usual).num_row_groups > 2
    assert usual.read_bytes() == other.read_bytes()


def test_late_events_change_the_days_they_reach_and_no_other(
    tmp_path: Path, connection: Backend
) -> None:
    shown, played = frames()
    write(shown, played, connection, days=DAYS, folder=tmp_path, config=CONFIGS[1])
    before = contents(tmp_path)
    late = START + timedelta(hours=50)  # the third day
    played.loc[len(played)] = [999, late, 1, 1]
    assert days_reached(plays=[late], config=CONFIGS[1]) == {DAYS[2]}
    write(shown, played, connection, days=DAYS, folder=tmp_path, config=CONFIGS[1])
    after = contents(tmp_path)
    changed = {path for path in after if after[path] != before[path]}
    assert changed == {partition_path(tmp_path, DAYS[2]).relative_to(tmp_path)}

    # an impression of the second day's evening, whose 30 hours reach into the third and fourth
    moment = START + timedelta(hours=47)
    more = [[900 + i, moment, user, item] for i, (user, item) in enumerate(np.ndindex(9, 4))]
    shown = pd.concat([shown, pd.DataFrame(more, columns=shown.columns)], ignore_index=True)
    reached = days_reached(impressions=[moment], config=CONFIGS[1])
    assert reached == {DAYS[1], DAYS[2], DAYS[3]}
    write(shown, played, connection, days=DAYS, folder=tmp_path, config=CONFIGS[1])
    now = contents(tmp_path)
    changed = {path for path in now if now[path] != after[path]}
    allowed = {partition_path(tmp_path, day).relative_to(tmp_path) for day in reached}
    assert changed
    assert changed <= allowed


def test_the_end_of_a_window_is_excluded() -> None:
    config = AttributionConfig(window_hours=24)
    assert days_reached(impressions=[START], config=config) == {DAYS[0]}
    later = START + timedelta(microseconds=1)
    assert days_reached(impressions=[later], config=config) == {DAYS[0], DAYS[1]}
    with pytest.raises(ConfigError, match="first late impression"):
        days_reached(impressions=[START], config=AttributionConfig(click_window_hours=1))


def test_one_impression_more_may_take_the_credit_of_its_whole_day(
    tmp_path: Path, connection: Backend
) -> None:
    config = AttributionConfig(window_hours=30, most_impressions_a_day=1)
    evening = START + timedelta(hours=23)
    shown = pd.DataFrame({"impression_id": [1], "t0": [evening], "user_id": [1], "item_id": [1]})
    played = pd.DataFrame(
        {"play_id": [1], "played_at": [evening + timedelta(hours=29)], "user_id": 1, "item_id": 1}
    )
    write(shown, played, connection, days=DAYS, folder=tmp_path, config=config)
    before = contents(tmp_path)
    shown.loc[1] = [2, START, 1, 1]
    write(shown, played, connection, days=DAYS, folder=tmp_path, config=config)
    after = contents(tmp_path)
    assert [path.parent.name for path in after if after[path] != before[path]] == [
        f"date={DAYS[2]}"
    ]
    assert days_reached(impressions=[START], config=config) == set(DAYS[:3])


@pytest.mark.parametrize("failing", ["write", "rename"])
def test_a_failure_between_partitions_leaves_old_or_new(
    failing: str, tmp_path: Path, connection: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, played = frames()
    write(shown, played, connection, days=DAYS, folder=tmp_path, config=CONFIGS[0])
    old = contents(tmp_path)
    shown = shown.iloc[:0]  # now every play is organic: every partition would change
    calls = 0

    def full(real: Any) -> Any:
        def act(*args: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **named)

        return act

    if failing == "write":
        monkeypatch.setattr(pq.ParquetWriter, "write_table", full(pq.ParquetWriter.write_table))
    else:
        monkeypatch.setattr(os, "replace", full(os.replace))
    with pytest.raises(DataError, match=r"No space left on device.*from 2024-03-11 on again: 2"):
        write(shown, played, connection, days=DAYS, folder=tmp_path, config=CONFIGS[0])
    now = contents(tmp_path)
    changed = sorted(path.parent.name for path in now if now[path] != old[path])
    assert changed == ["date=2024-03-09", "date=2024-03-10"]
    assert list(tmp_path.rglob("*.part")) == []


def test_a_process_killed_before_the_rename_leaves_nothing_for_long(
    tmp_path: Path, connection: Backend
) -> None:
    shown, played = frames()
    folder = tmp_path / "credits"
    write(shown, played, connection, days=DAYS, folder=folder, config=CONFIGS[0])
    old = contents(folder)
    shown, played = shown.iloc[:200], played.iloc[:150]
    shown.to_parquet(tmp_path / "shown.parquet")
    played.to_parquet(tmp_path / "played.parquet")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert contents(folder) == old
    (left,) = folder.rglob("*.part")
    assert left.parent == partition_path(folder, DAYS[1]).parent
    write(shown, played, connection, days=DAYS, folder=folder, config=CONFIGS[0])
    write(shown, played, connection, days=DAYS, folder=tmp_path / "new", config=CONFIGS[0])
    assert contents(folder) == contents(tmp_path / "new")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files == [partition_path(folder, day) for day in DAYS]


KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.partitions import attribute_days
from causal_ranker.logs.sources import connect, read_table

os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
folder, engine = Path(sys.argv[1]), connect(threads=1)
attribute_days(
    read_table(folder / "shown.parquet", engine, name="impressions"),
    read_table(folder / "played.parquet", engine, name="plays"),
    days=[date(2024, 3, 10)],
    folder=folder / "credits",
    config=AttributionConfig(window_hours=30),
)
"""


def test_the_rows_are_durable_before_their_name_is(
    tmp_path: Path, connection: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def replaced(*names: Any) -> None:
        done.append("rename")
        replace(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write(*frames(), connection, days=DAYS[:1], folder=tmp_path, config=CONFIGS[0])
    assert done == ["file", "rename", "folder", "folder"]


def test_a_day_without_plays_has_an_empty_partition(tmp_path: Path, connection: Backend) -> None:
    shown, played = frames()
    day = date(2030, 1, 1)
    (path,) = write(shown, played, connection, days=[day], folder=tmp_path, config=CONFIGS[0])
    assert len(pd.read_parquet(path)) == 0
    whole = read_table(str(tmp_path / "**" / "*.parquet"), connection, name="credits")
    assert isinstance(whole, ibis.Table)


def test_the_days_to_run_are_those_of_plays_and_of_what_lies_there(
    tmp_path: Path, connection: Backend
) -> None:
    moments = [START - timedelta(microseconds=1), START, START + timedelta(hours=47.9)]
    frame = pd.DataFrame({"play_id": range(3), "played_at": moments, "user_id": 1, "item_id": 1})
    plays = read_table(frame, connection, name="plays")
    assert days_of(plays, folder=tmp_path) == [DAYS[0] - timedelta(days=1), *DAYS[:2]]
    assert days_of(plays, folder=tmp_path, since=DAYS[0]) == DAYS[:2]
    for name in (f"date={DAYS[4]}", "date=yesterday"):
        path = tmp_path / name / partition_path(tmp_path, DAYS[4]).name
        path.parent.mkdir()
        path.touch()
    assert days_of(plays, folder=tmp_path, since=DAYS[1]) == [DAYS[1], DAYS[4]]


@pytest.mark.parametrize(
    ("config", "first"),
    [
        (AttributionConfig(window_hours=30), START - timedelta(hours=6)),
        (AttributionConfig(window_hours=30, most_impressions_a_day=9), START - timedelta(hours=24)),
        (AttributionConfig(surface_window_hours={"a": 25}), START - timedelta(hours=1)),
        # What is older by any time may count.
        (AttributionConfig(exposures="first"), START - timedelta(days=901)),
        (AttributionConfig(click_window_hours=1), START - timedelta(days=901)),
    ],
)
def test_what_days_look_at_begins_where_their_longest_window_does(
    config: AttributionConfig, first: datetime, connection: Backend
) -> None:
    oldest = START - timedelta(days=900)
    moments = [
        oldest,
        max(first - timedelta(microseconds=1), oldest),
        max(first, oldest),
        START,
        None,
    ]
    frame = pd.DataFrame({"t0": pd.DatetimeIndex(moments).as_unit("us"), "row": range(5)})
    table = read_table(frame, connection, name="impressions")
    kept = impressions_since(table, since=DAYS[1], config=config).to_pandas()
    # A row without a time is for the check to refuse.
    assert sorted(kept["row"]) == [i for i, at in enumerate(moments) if at is None or at >= first]
    frame = frame.rename(columns={"t0": "played_at"})
    later = plays_since(read_table(frame, connection, name="plays"), since=DAYS[0]).to_pandas()
    assert sorted(later["row"]) == [3, 4]
