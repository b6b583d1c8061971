"""Credits day by day, and settings from a file."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.attribution import partitions
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.columns import Columns as C
from tests.cli.calling import Files, Run
from tests.cli.test_bad_logs import START, credits, impressions, plays, refused, write

KEY = [C.PLAY, C.IMPRESSION]


def whole(folder: Path) -> pd.DataFrame:
    parts = [pd.read_parquet(path) for path in sorted(folder.rglob("credits.parquet"))]
    return pd.concat(parts, ignore_index=True).sort_values(KEY, ignore_index=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.rglob("*.parquet")}


def long_logs() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Six days, of which the fourth has no plays."""
    shown = impressions(860)
    played = plays(shown, after=timedelta(hours=3))
    return shown, played[played[C.PLAYED_AT].dt.day != START.day + 3].reset_index(drop=True)


def test_the_days_of_a_folder_are_the_whole(run: Run, tmp_path: Path) -> None:
    words = write(tmp_path, *long_logs(), suffix="parquet")
    usual = credits(run, tmp_path, *words, "--touch", "linear")
    folder = tmp_path / "new" / "days"
    code, out, _ = run("attribute", *words, "--touch", "linear", "--by-day", "--out", folder)
    assert code == 0
    assert sorted(contents(folder)) == [f"date=2024-03-{day:02}" for day in (9, 10, 11, 13, 14, 15)]
    pd.testing.assert_frame_equal(
        whole(folder).drop(columns="date", errors="ignore"),
        usual.sort_values(KEY, ignore_index=True),
    )
    for part in folder.rglob("*.parquet"):
        day = part.parent.name.removeprefix("date=")
        assert f"{day}: {len(pd.read_parquet(part, partitioning=None)):,} credits" in out
    assert f"{usual[C.PLAY].nunique():,}" in out
    assert str(folder) in out


def test_only_what_new_events_reach_is_run_again(run: Run, tmp_path: Path) -> None:
    shown, played = long_logs()
    folder, fresh = tmp_path / "days", tmp_path / "fresh"
    options = ("--touch", "linear", "--most-impressions-a-day", 20)
    words = write(tmp_path, shown, played, suffix="parquet")
    assert run("attribute", *words, *options, "--by-day", "--out", folder)[0] == 0
    before = contents(folder)
    # An impression and a play come late, and a day's plays are taken back.
    day = START + timedelta(days=2)
    shown.loc[len(shown)] = [9_999, 1, 1, day + timedelta(hours=5)]
    played = played[played[C.PLAYED_AT].dt.day != START.day + 5].reset_index(drop=True)
    played.loc[len(played)] = [9_999, 1, 1, day + timedelta(hours=6)]
    # What these days do not look at may be gone by now, or broken.
    recent = shown[shown[C.T0] >= day - timedelta(days=1)]
    broken = shown[:2].assign(**{C.POSITION: 0})
    late = pd.concat([broken, recent], ignore_index=True)
    words = write(tmp_path, late, played[played[C.PLAYED_AT] >= day], suffix="parquet")
    again = ("--by-day", "--since", f"{day:%Y-%m-%d}", "--out", folder)
    code, out, err = run("attribute", *words, *options, *again)
    assert code == 0, err
    assert "2024-03-10" not in out
    assert "2024-03-14: 0 credits" in out
    write(tmp_path, shown, played, suffix="parquet")
    assert run("attribute", *words, *options, "--by-day", "--out", fresh)[0] == 0
    after = contents(folder)
    assert {name for name in after if after[name] == before[name]} == {
        "date=2024-03-09",
        "date=2024-03-10",
        "date=2024-03-13",
        "date=2024-03-15",
    }
    emptied = after.pop("date=2024-03-14")
    assert len(emptied) < len(before["date=2024-03-14"])
    assert after == contents(fresh)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_rows_without_a_time_are_looked_at_whatever_the_day(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    shown, played = long_logs()
    shown.loc[0, C.T0] = played.loc[0, C.PLAYED_AT] = pd.NaT
    words = write(tmp_path, shown, played, suffix=suffix)
    days = ("--by-day", "--since", "2024-03-11", "--out", tmp_path / "days")
    assert "a value in every row" in refused(run, *words, *days)
    code, out, err = run("attribute", *words, *days, "--quarantine", tmp_path / "aside")
    assert code == 0, err
    for name, log in (("impressions", shown), ("plays", played)):
        aside = pd.read_parquet(tmp_path / "aside" / f"{name}.parquet")
        assert list(aside.iloc[:, 0]) == [0], log
        assert f"{name}: 1 of " in " ".join(out.split())


def test_faults_of_csv_files_are_set_aside_whatever_the_day(run: Run, tmp_path: Path) -> None:
    shown, played = long_logs()
    words = write(tmp_path, shown, played)
    path = tmp_path / "plays.csv"
    path.write_text(path.read_text("utf-8") + "9998,1,1,noon\n", "utf-8")
    days = ("--by-day", "--since", "2024-03-11", "--out", tmp_path / "days")
    assert "Mend these values" in refused(run, *words, *days)
    path.write_text(path.read_text("utf-8") + "9999,1\n", "utf-8")
    code, out, err = run("attribute", *words, *days, "--quarantine", tmp_path / "aside")
    assert code == 0, err
    assert "plays: 2 of " in " ".join(out.split())
    assert len(pd.read_parquet(tmp_path / "aside" / "plays.parquet")) == 2
    write(tmp_path, shown, played, suffix="parquet")
    words = [word.replace(".csv", ".parquet") for word in words]
    assert run("attribute", *words, *days[:-1], tmp_path / "usual")[0] == 0
    assert contents(tmp_path / "days") == contents(tmp_path / "usual")


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_days_without_impressions_or_plays_are_days(
    run: Run, tmp_path: Path, suffix: str, aside: bool
) -> None:
    shown, played = long_logs()
    days = ("--by-day", "--out", tmp_path / "days")
    quarantine = ("--quarantine", tmp_path / "aside") if aside else ()
    assert run("attribute", *write(tmp_path, shown, played), *days)[0] == 0
    before = contents(tmp_path / "days")
    # The impressions end two days before the last plays.
    early = shown[shown[C.T0] < START + timedelta(days=3)]
    words = write(tmp_path, early, played, suffix=suffix)
    code, _, err = run("attribute", *words, *days, "--since", "2024-03-14", *quarantine)
    assert code == 0, err
    found = whole(tmp_path / "days")
    late = found[found[C.PLAYED_AT] >= pd.Timestamp("2024-03-14", tz="UTC")]
    assert len(late) > 0
    assert late[C.IMPRESSION].isna().all()
    # All plays from a day on are taken back.
    words = write(
        tmp_path, shown, played[played[C.PLAYED_AT] < START + timedelta(days=4)], suffix=suffix
    )
    for since in ("2024-03-13", "2024-03-20"):  # of the latter no day is known
        code, out, err = run("attribute", *words, *days, "--since", since, *quarantine)
        assert code == 0, err
    after = contents(tmp_path / "days")
    assert {name for name in after if after[name] != before[name]} == {
        f"date=2024-03-{day}" for day in (13, 14, 15)
    }
    assert whole(tmp_path / "days")[C.PLAYED_AT].max() < START + timedelta(days=4)
    # Rows of the slice that are all set aside leave it empty, not the log.
    if aside:
        shown.loc[0, C.T0] = pd.NaT
        words = write(tmp_path, shown, played, suffix=suffix)
        code, out, err = run("attribute", *words, *days, "--since", "2024-03-20", *quarantine)
        assert code == 0, err
        assert "impressions: 1 of 1 rows" in " ".join(out.split())


@pytest.mark.parametrize("table", ["impressions", "plays"])
def test_an_empty_log_is_refused_whatever_the_day(run: Run, tmp_path: Path, table: str) -> None:
    shown, played = long_logs()
    logs = {"impressions": shown, "plays": played}
    logs[table] = logs[table][:0]
    words = write(tmp_path, logs["impressions"], logs["plays"], suffix="parquet")
    days = ("--by-day", "--since", "2024-03-11", "--out", tmp_path / "days")
    assert f"at least one row in {table}" in refused(run, *words, *days)


@pytest.mark.parametrize("since", [(), ("--since", "2024-03-11")])
def test_text_is_parsed_once_for_all_days(
    run: Run, tmp_path: Path, since: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = write(tmp_path, *long_logs())
    real = partitions.attribute_days

    def without_files(*tables: Any, **settings: Any) -> list[Path]:
        for path in tmp_path.glob("*.csv"):
            path.unlink()
        return real(*tables, **settings)

    monkeypatch.setattr(partitions, "attribute_days", without_files)
    code, _, err = run("attribute", *words, "--by-day", *since, "--out", tmp_path / "days")
    assert code == 0, err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--since", "2024-03-09"], "--since with --by-day"),
        (["--by-day"], "--out FOLDER"),
        (["--by-day", "--touch", "shapley", "--out", "days"], "attribution.surface_shares"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Run, tmp_path: Path, options: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = impressions()
    words = write(tmp_path, shown, plays(shown))
    assert told in refused(run, *words, *options)
    assert not (tmp_path / "days").exists()


def test_a_file_holds_settings_and_options_win(run: Run, tmp_path: Path) -> None:
    shown = impressions()
    words = write(tmp_path, shown, plays(shown, after=timedelta(hours=30)))
    settings = tmp_path / "settings.toml"
    settings.write_text(
        "engine_threads = 1\n[attribution]\nwindow_hours = 40\nviewable_only = true\n"
        'touch = "linear"\n',
        "utf-8",
    )
    assert "viewable" in refused(run, *words, "--config", settings)
    found = credits(run, tmp_path, *words, "--config", settings, "--not-viewable-only")
    same = credits(run, tmp_path, *words, "--window-hours", 40, "--touch", "linear")
    pd.testing.assert_frame_equal(
        found.sort_values(KEY, ignore_index=True), same.sort_values(KEY, ignore_index=True)
    )
    assert found[C.IMPRESSION].notna().any()
    assert (found[C.CREDIT] < 1).any()
    more = ("--config", settings, "--not-viewable-only", "--window-hours", 20, "--touch", "last")
    short = credits(run, tmp_path, *words, *more)
    assert short[C.IMPRESSION].isna().sum() > found[C.IMPRESSION].isna().sum()
    assert (short[C.CREDIT] == 1).all()


def test_shares_that_were_learned_once_serve_all_days(run: Run, tmp_path: Path) -> None:
    shown = impressions().assign(**{C.SURFACE: ["home", "mail"] * 100})
    words = write(tmp_path, shown, plays(shown, after=timedelta(hours=5)), suffix="parquet")
    sets = [
        {"surfaces": ["home"], "shares": [1.0]},
        {"surfaces": ["home", "mail"], "shares": [0.25, 0.75]},
    ]
    config = {"touch": "shapley", "surface_shares": {"sets": sets}}
    AttributionConfig(**config)
    text = "\n".join(
        f"[[attribution.surface_shares.sets]]\nsurfaces = {json.dumps(each['surfaces'])}\n"
        f"shares = {each['shares']}"
        for each in sets
    )
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[attribution]\ntouch = "shapley"\n{text}\n', "utf-8")
    folder = tmp_path / "days"
    code, _, err = run("attribute", *words, "--config", settings, "--by-day", "--out", folder)
    assert code == 0, err
    assert (whole(folder)[C.CREDIT] < 1).any()
    # Another touch model by an option leaves the file's shares alone.
    last = credits(run, tmp_path, *words, "--config", settings, "--touch", "last")
    assert (last[C.CREDIT] == 1).all()


def test_labels_follow_the_settings_of_a_file(run: Run, files: Files, tmp_path: Path) -> None:
    settings, target = tmp_path / "settings.toml", tmp_path / "labels.parquet"
    settings.write_text("[attribution]\nwindow_hours = 0.5\nminimum_seconds = 90\n", "utf-8")
    words = files(plays=lambda t: t.assign(**{C.SECONDS: np.resize([10.0, 100.0], len(t))}))
    found = {}
    for name, more in (("usual", ()), ("set", ("--config", settings))):
        code, _, err = run("label", *words, *more, "--out", target)
        assert code == 0, err
        found[name] = pd.read_parquet(target)
    kinds = {name: table["label_kind"].value_counts() for name, table in found.items()}
    assert kinds["set"]["attributed_play"] < kinds["usual"]["attributed_play"]
    assert found["set"][C.OUTCOME].sum() < found["usual"][C.OUTCOME].sum()
