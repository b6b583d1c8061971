"""What fails in files and the engine while a command runs: one line, and what to do about it."""

from __future__ import annotations

import errno
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from causal_ranker.attribution import attribute
from causal_ranker.cli.told import on_tables
from causal_ranker.columns import Columns as C
from causal_ranker.errors import DataError
from tests.cli.calling import MESSAGE, Files, Run, environment, program
from tests.cli.test_bad_logs import impressions, plays, refused, write


def spoil(path: Path, column: str) -> None:
    """Overwrite a column's pages: the footer stays right, and so do all other columns."""
    group = pq.read_metadata(path).row_group(0)
    chunks = (group.column(i) for i in range(group.num_columns))
    (chunk,) = (each for each in chunks if each.path_in_schema == column)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    size = chunk.total_compressed_size
    content = path.read_bytes()
    path.write_bytes(content[:start] + b"\xee" * size + content[start + size :])


@pytest.mark.parametrize("table", ["impressions", "plays"])
@pytest.mark.parametrize("more", [[], ["--by-day"]])
def test_a_page_that_no_check_reads_is_told(
    run: Run, tmp_path: Path, table: str, more: list[str]
) -> None:
    shown = impressions().assign(**{C.SURFACE: "home"})
    words = write(tmp_path, shown, plays(shown).assign(**{C.SURFACE: "home"}), suffix="parquet")
    spoil(tmp_path / f"{table}.parquet", C.SURFACE)
    settings = tmp_path / "settings.toml"
    windows = "surface_window_hours = {home = 12}" if table == "impressions" else ""
    settings.write_text(f"[attribution]\n{windows}\n", "utf-8")
    err = refused(run, *words, *more, "--config", settings, "--out", tmp_path / "credits.parquet")
    assert "to be readable" in err
    assert "cut short" in err
    assert list(tmp_path.rglob("*.part")) == []


def test_labels_of_a_spoilt_log_are_told(run: Run, files: Files, tmp_path: Path) -> None:
    words = files(candidates=lambda t: t.assign(**{C.SURFACE: "home"}))
    spoil(tmp_path / "candidates.parquet", C.SURFACE)
    code, _, err = run("label", *words, "--out", tmp_path / "labels.parquet")
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
    assert "to be readable" in err


def test_too_little_memory_is_told(run: Run, tmp_path: Path) -> None:
    shown = impressions(50_000, users=3_000)
    err = refused(run, *write(tmp_path, shown, plays(shown), suffix="parquet"), "--memory", "2MB")
    assert "Out of Memory" in err
    assert "--memory" in err
    assert "TMPDIR" in err


@pytest.mark.parametrize(
    ("options", "name"), [([], "credits.parquet"), ([], "credits.csv"), (["--by-day"], "days")]
)
def test_a_disk_that_fills_leaves_the_old_file(
    tmp_path: Path, options: list[str], name: str
) -> None:
    """The system refuses the write half-way, as it does when a quota is used up."""
    shown = impressions(60_000, users=3_000)
    shown[C.T0] = shown[C.T0].iloc[0]  # one day
    words = write(tmp_path, shown, plays(shown), suffix="parquet")
    target = tmp_path / "out" / name
    file = target / "date=2024-03-09" / "credits.parquet" if options else target
    file.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "plays.parquet", file)
    before = file.read_bytes()

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (32_768, 32_768))

    done = subprocess.run(
        program("attribute", *words, *options, "--out", target),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=small_files,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert MESSAGE.fullmatch(done.stderr.strip()), done.stderr
    assert f"with room, at {file.parent}" in done.stderr
    assert "cut short" not in done.stderr
    assert file.read_bytes() == before
    assert [path for path in target.parent.rglob("*") if path.is_file()] == [file]


def test_bad_rows_that_cannot_be_set_aside_are_told(tmp_path: Path) -> None:
    shown = impressions(20_000)
    played = plays(shown).assign(**{C.SECONDS: -1.0})
    words = write(tmp_path, shown, played, suffix="parquet")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_024, 1_024))

    done = subprocess.run(
        program("attribute", *words, "--quarantine", tmp_path / "aside"),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=small_files,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f"with room, at {tmp_path / 'aside'}" in done.stderr


@pytest.mark.parametrize("value", ["1e300", "inf", "nan"])
@pytest.mark.parametrize("option", ["--window-hours", "--click-window-hours", "--half-life-hours"])
def test_windows_longer_than_any_log_are_refused(
    run: Run, tmp_path: Path, option: str, value: str
) -> None:
    shown = impressions()
    err = refused(run, *write(tmp_path, shown, plays(shown)), option, value)
    assert option[2:].replace("-", "_") in err


def test_a_horizon_longer_than_any_log_is_refused(run: Run, files: Files) -> None:
    words = files(candidates=lambda t: t.drop(columns=C.HORIZON_END))
    code, _, err = run("label", *words, "--horizon-hours", "1e12")
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
    assert "horizon_hours" in err


def test_types_that_do_not_fit_are_told(run: Run, tmp_path: Path) -> None:
    shown = impressions()
    words = write(tmp_path, shown.assign(**{C.SURFACE: 3}), plays(shown), suffix="parquet")
    assert "text in the column 'surface' of impressions" in refused(run, *words)
    named = plays(shown).assign(**{C.SESSION: "a"})
    words = write(tmp_path, shown.assign(**{C.SESSION: 3}), named, suffix="parquet")
    assert run("attribute", *words)[0] == 0  # nobody asks for sessions
    settings = tmp_path / "settings.toml"
    settings.write_text("[attribution]\nsame_session = true\n", "utf-8")
    err = refused(run, *words, "--config", settings)
    assert "one type of 'session_id'" in err


def test_mistakes_of_ours_keep_their_traceback(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*tables: Any, config: Any) -> Any:
        raise KeyError("a name nobody gave")

    monkeypatch.setattr(attribute, "attribute", broken)
    shown = impressions()
    with pytest.raises(KeyError, match="a name nobody gave"):
        run("attribute", *write(tmp_path, shown, plays(shown)))


def test_whoever_stops_reading_is_no_failure() -> None:
    @on_tables
    def say(number: int) -> None:
        raise OSError(number, "said")

    with pytest.raises(BrokenPipeError):
        say(errno.EPIPE)
    with pytest.raises(DataError, match="another folder"):
        say(errno.ENOSPC)
