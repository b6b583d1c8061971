"""The list of what goes wrong with logs: each is told in one line, and nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from tests.cli.calling import MESSAGE, Run

START = datetime(2024, 3, 9, tzinfo=UTC)  # New York's clocks go forward the next day


def impressions(n: int = 200, *, users: int = 10) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            C.IMPRESSION: range(n),
            C.USER: rng.integers(0, users, n),
            C.ITEM: rng.integers(0, 5, n),
            C.T0: [START + timedelta(minutes=10 * i) for i in range(n)],
        }
    )


def plays(shown: pd.DataFrame, *, after: timedelta = timedelta(minutes=5)) -> pd.DataFrame:
    some = shown[::4]
    return pd.DataFrame(
        {
            C.PLAY: range(len(some)),
            C.USER: some[C.USER].to_numpy(),
            C.ITEM: some[C.ITEM].to_numpy(),
            C.PLAYED_AT: (some[C.T0] + after).reset_index(drop=True),
        }
    )


def write(
    folder: Path, shown: pd.DataFrame, played: pd.DataFrame, *, suffix: str = "csv"
) -> list[str]:
    words = []
    for name, table in (("impressions", shown), ("plays", played)):
        path = folder / f"{name}.{suffix}"
        table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
        words += [f"--{name}", str(path)]
    return words


def refused(run: Run, *words: object) -> str:
    code, out, err = run("attribute", *words)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    return err


def credits(run: Run, folder: Path, *words: object) -> pd.DataFrame:
    target = folder / "credits.parquet"
    code, _, err = run("attribute", *words, "--out", target)
    assert code == 0, err
    return pd.read_parquet(target)


def test_a_play_before_any_impression_is_organic(run: Run, tmp_path: Path) -> None:
    shown = impressions()
    early = plays(shown).assign(**{C.PLAYED_AT: START - timedelta(days=1)})
    found = credits(run, tmp_path, *write(tmp_path, shown, early))
    assert found[C.IMPRESSION].isna().all()
    assert sorted(found[C.PLAY]) == list(early[C.PLAY])
    assert (found[C.CREDIT] == 1).all()


def test_clocks_that_disagree_are_told(run: Run, tmp_path: Path) -> None:
    shown = impressions()
    code, good, _ = run("attribute", *write(tmp_path, shown, plays(shown)))
    assert (code, "Warning" in good) == (0, False)
    behind = plays(shown, after=timedelta(seconds=-20))
    code, out, _ = run("attribute", *write(tmp_path, shown, behind))
    assert code == 0
    said = " ".join(out.split())
    assert "50 of 50 plays start up to 60 seconds before an impression of their item" in said
    assert "the clocks of the two logs may differ" in said


def test_a_user_who_is_no_person_is_told_and_can_be_left_out(run: Run, tmp_path: Path) -> None:
    shown = impressions(15_000, users=40)
    shown.loc[5_000:, C.USER] = 7
    shown.loc[5_000:, C.T0] = [START + timedelta(seconds=i) for i in range(10_000)]
    words = write(tmp_path, shown, plays(shown[:4_000]))
    code, out, _ = run("attribute", *words)
    assert code == 0
    said = " ".join(out.split())
    assert "User 7 has 10,1" in said
    assert "most_impressions_a_day leaves such days out" in said
    whole = credits(run, tmp_path, *words)
    less = credits(run, tmp_path, *words, "--most-impressions-a-day", 500)
    assert len(less) == len(whole)
    busy = (whole[C.USER] == 7) & (whole[C.PLAYED_AT] < pd.Timestamp(START + timedelta(days=1)))
    merged = whole.merge(less, on=C.PLAY, suffixes=("", "_less"))
    assert (merged[f"{C.IMPRESSION}_less"].isna() >= merged[C.IMPRESSION].isna()).all()
    assert busy.any()
    assert less.set_index(C.PLAY).loc[whole[C.PLAY][busy], C.IMPRESSION].isna().all()


def test_zones_may_be_mixed_as_instants_are_the_same(run: Run, tmp_path: Path) -> None:
    shown, zone = impressions(), ZoneInfo("America/New_York")
    usual = credits(run, tmp_path, *write(tmp_path, shown, plays(shown)))
    local = shown.assign(**{C.T0: shown[C.T0].dt.tz_convert(zone)})
    mixed = plays(shown)
    mixed[C.PLAYED_AT] = [
        moment.tz_convert(zone) if i % 2 else moment for i, moment in enumerate(mixed[C.PLAYED_AT])
    ]
    for suffix in ("csv", "parquet"):
        found = credits(run, tmp_path, *write(tmp_path, local, mixed, suffix=suffix))
        pd.testing.assert_frame_equal(
            found.sort_values(C.PLAY, ignore_index=True),
            usual.sort_values(C.PLAY, ignore_index=True),
        )


def test_a_csv_with_some_naive_timestamps_is_refused(run: Run, tmp_path: Path) -> None:
    shown = impressions()
    words = write(tmp_path, shown, plays(shown))
    path = tmp_path / "plays.csv"
    text = path.read_text("utf-8")
    assert text.count("+00:00") == 50
    path.write_text(text.replace("+00:00", "", 3), "utf-8")
    err = refused(run, *words)
    assert "a time zone in every value of the column 'played_at' of plays" in err
    assert "3 of 50 without one, e.g. 2024-03-09 00:05:00" in err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--window-hours", -1),
        ("--window-hours", 0),
        ("--click-window-hours", -2),
        ("--half-life-hours", 0),
    ],
)
def test_windows_that_cannot_be_are_refused(
    run: Run, tmp_path: Path, option: str, value: int
) -> None:
    shown = impressions()
    err = refused(run, *write(tmp_path, shown, plays(shown)), option, value)
    assert option[2:].replace("-", "_") in err


def test_an_engine_that_cannot_be_is_refused(run: Run, tmp_path: Path) -> None:
    shown = impressions()
    words = write(tmp_path, shown, plays(shown))
    assert "memory_limit='much'" in refused(run, *words, "--memory", "much")
    assert "threads=0" in refused(run, *words, "--threads", 0)


@pytest.mark.parametrize("table", ["impressions", "plays"])
def test_an_empty_log_is_refused(run: Run, tmp_path: Path, table: str) -> None:
    shown = impressions()
    logs = {"impressions": shown, "plays": plays(shown)}
    logs[table] = logs[table][:0]
    err = refused(run, *write(tmp_path, logs["impressions"], logs["plays"], suffix="parquet"))
    assert table in err


def test_a_log_of_one_user_is_a_log(run: Run, tmp_path: Path) -> None:
    shown = impressions(users=1)
    found = credits(run, tmp_path, *write(tmp_path, shown, plays(shown)))
    assert found[C.IMPRESSION].notna().all()


def partitions(folder: Path, table: pd.DataFrame, clock: str) -> Path:
    for day, rows in table.groupby(table[clock].dt.date):
        part = folder / f"date={day}"
        part.mkdir(parents=True)
        rows.to_parquet(part / "rows.parquet")
    return folder


def test_partitions_by_date_are_one_log_and_ids_are_unique_across_them(
    run: Run, tmp_path: Path
) -> None:
    shown = impressions()
    played = plays(shown)
    whole = credits(run, tmp_path, *write(tmp_path, shown, played))
    folders = (
        partitions(tmp_path / "i", shown, C.T0),
        partitions(tmp_path / "p", played, C.PLAYED_AT),
    )
    assert len(list(folders[0].iterdir())) == 2
    words = ["--impressions", folders[0], "--plays", folders[1]]
    found = credits(run, tmp_path, *words)
    key = [C.PLAY, C.IMPRESSION]
    pd.testing.assert_frame_equal(
        found[whole.columns].sort_values(key, ignore_index=True),
        whole.sort_values(key, ignore_index=True),
        check_dtype=False,
    )
    first, second = sorted(folders[1].iterdir())
    twice = pd.read_parquet(first / "rows.parquet")[:2].assign(
        **{C.PLAYED_AT: played[C.PLAYED_AT].max()}
    )
    twice.to_parquet(second / "late.parquet")
    err = refused(run, *words)
    assert "one row for each 'play_id' in plays" in err
    assert "2 duplicate rows" in err


def test_a_file_that_is_cut_short_is_told(run: Run, tmp_path: Path) -> None:
    shown = impressions()
    words = write(tmp_path, shown, plays(shown), suffix="parquet")
    path = tmp_path / "plays.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    assert "plays" in refused(run, *words)


def test_a_broken_row_is_told(run: Run, tmp_path: Path) -> None:
    shown = impressions()
    words = write(tmp_path, shown, plays(shown))
    with (tmp_path / "plays.csv").open("a", encoding="utf-8") as file:
        file.write('999,"1,2\n')
    assert "plays" in refused(run, *words)
