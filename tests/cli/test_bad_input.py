"""What cannot be used is told in one line, with exit code 2 and no traceback."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from tests.cli.calling import MESSAGE, TABLES, Edit, Files, Run, environment, program
from tests.serving.shop import USER_IDS

USER = int(USER_IDS[5])


def first(column: str, value: object) -> Edit:
    """Put a value into a column's first row."""

    def edit(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[0, column] = value
        return table

    return edit


def naive(table: pd.DataFrame) -> pd.DataFrame:
    clock = C.T0 if C.T0 in table else C.PLAYED_AT
    return table.assign(**{clock: table[clock].dt.tz_localize(None)})


def doubled(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.iloc[:2]], ignore_index=True)


# Which table is edited, how, and words the message must hold: what was expected and what came.
BAD = [
    pytest.param(
        "impressions",
        lambda t: t.rename(columns={C.USER: "user"}),
        ["'user_id' in impressions", "'user'", "Rename 'user' to 'user_id'?"],
        id="missing column",
    ),
    pytest.param(
        "candidates",
        lambda t: t.drop(columns=C.SHOWN),
        ["'shown' in candidates"],
        id="missing column without a near name",
    ),
    pytest.param(
        "plays",
        naive,
        ["UTC-aware", "'played_at' of plays", "without a time zone", "tz_localize"],
        id="naive timestamp",
    ),
    pytest.param(
        "impressions", naive, ["UTC-aware", "'t0' of impressions"], id="naive timestamp in t0"
    ),
    pytest.param(
        "candidates",
        first(C.PROPENSITY, 1.5),
        ["(0, 1]", "'propensity' of candidates", "1 of", "1.5"],
        id="propensity above 1",
    ),
    pytest.param(
        "impressions",
        first(C.PROPENSITY, 0.0),
        ["(0, 1]", "'propensity' of impressions", "1 of", "propensity: 0.0"],
        id="propensity of 0",
    ),
    pytest.param(
        "impressions",
        first(C.POSITION, 0),
        ["1 or more", "'position' of impressions", "position: 0", "add 1"],
        id="position below 1",
    ),
    pytest.param(
        "plays",
        doubled,
        ["one row for each 'play_id' in plays", "2 duplicate rows", "drop_duplicates"],
        id="duplicate ids",
    ),
    pytest.param(
        "candidates",
        doubled,
        ["one row for each 'user_id', 'item_id', 't0'", "2 duplicate rows"],
        id="duplicate candidates",
    ),
]


@pytest.mark.parametrize("command", ["label", "fit", "evaluate"])
@pytest.mark.parametrize(("table", "edit", "told"), BAD)
def test_bad_logs_are_one_line_and_exit_code_2(
    run: Run,
    files: Files,
    tmp_path: Path,
    command: str,
    table: str,
    edit: Edit,
    told: list[str],
) -> None:
    words = files(**{table: edit})
    if command == "evaluate":
        words += ["--holdout-from", "2025-01-08T00:00+00:00", "--out", str(tmp_path / "report")]
    code, out, err = run(command, *words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert MESSAGE.fullmatch(err.strip()), err
    for words_told in told:
        assert words_told in err


@pytest.mark.parametrize("table", ["impressions", "plays"])
def test_attribution_refuses_bad_logs_too(run: Run, files: Files, table: str) -> None:
    code, _, err = run("attribute", *files(**{table: naive})[:4])
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback(run: Run, files: Files, place: str) -> None:
    words = ["label", *files(plays=doubled)]
    code, _, err = run(*(["--debug", *words] if place == "before" else [*words, "--debug"]))
    assert code == 2
    assert err.startswith("Traceback")
    assert "RowError: expected one row for each 'play_id'" in err


def test_a_bad_log_in_a_process_of_its_own(files: Files) -> None:
    done = subprocess.run(
        program("fit", *files(impressions=first(C.POSITION, 0))),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert MESSAGE.fullmatch(done.stderr.strip()), done.stderr


def not_a_folder(folder: Path) -> Path:
    path = folder / "model.txt"
    path.write_text("tree", "utf-8")
    return path


def no_bundle(folder: Path) -> Path:
    path = folder / "other"
    path.mkdir()
    (path / "notes.txt").write_text("mine", "utf-8")
    return path


@pytest.mark.parametrize("make", [not_a_folder, no_bundle, lambda folder: folder / "absent"])
@pytest.mark.parametrize("command", [["rerank", "--user", "1"], ["serve", "--port", "0"]])
def test_a_model_folder_that_is_not_one(
    run: Run,
    tmp_path: Path,
    make: Callable[[Path], Path],
    command: list[str],
) -> None:
    path = make(tmp_path)
    code, out, err = run(*command, "--model", path)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert str(path) in err


def test_a_changed_model_is_refused(run: Run, model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "changed"
    copy.mkdir()
    for file in model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with (copy / "uplift.txt").open("a", encoding="utf-8") as file:
        file.write("\n")
    code, _, err = run("rerank", "--model", copy, "--user", USER)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
    assert "uplift.txt" in err


@pytest.mark.parametrize("user", ["9999", "nobody"])
def test_an_unknown_user_exits_with_2(run: Run, model: Path, user: str) -> None:
    code, out, err = run("rerank", "--model", model, "--user", user)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert user in err


def test_a_list_of_no_items_is_refused(run: Run, model: Path) -> None:
    code, _, err = run("rerank", "--model", model, "--user", USER, "--k", "0")
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--log-end", "yesterday"], "'yesterday'"),
        (["--log-end", "2025-01-08T00:00"], "2025-01-08T00:00+00:00"),
        (["--out", "labels.xlsx"], "labels.xlsx"),
        (["--candidates", "absent.parquet"], "absent.parquet"),
    ],
)
def test_bad_options_are_one_line(
    run: Run,
    files: Files,
    words: list[str],
    told: str,
) -> None:
    code, out, err = run("label", *files(), *words)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert told in err


def test_a_folder_that_cannot_be_made_is_one_line(run: Run, files: Files, tmp_path: Path) -> None:
    blocked = not_a_folder(tmp_path)
    words = ["--holdout-from", "2025-01-08T00:00Z", "--out", blocked / "report"]
    code, _, err = run("evaluate", *files(), *words)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err


@pytest.mark.parametrize("make", [not_a_folder, no_bundle])
def test_a_folder_of_other_things_is_refused_before_training(
    run: Run, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    target = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    # logs that are not there would be the next complaint
    logs = [f"--{name}=absent.parquet" for name in TABLES]
    code, out, err = run("fit", *logs, "--out", target)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert str(target) in err
    assert "nothing was overwritten" in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_world_is_refused(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "demo"
    code, out, err = run("demo", "--data", "world", "--full", "--out", target)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert "--full" in err
    assert not target.exists()


def test_a_setting_that_nobody_knows_is_one_line(run: Run, files: Files, tmp_path: Path) -> None:
    settings = tmp_path / "chain.toml"
    settings.write_text("chose_days = 3\n", "utf-8")
    code, _, err = run("fit", *files(), "--config", settings)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
    assert "chose_days" in err
    assert "choose_days" in err


def test_weighed_rows_are_not_thinned(run: Run, files: Files) -> None:
    code, _, err = run("label", *files(), "--thin", "--censoring", "weight")
    assert code == 2
    assert MESSAGE.fullmatch(err.strip().replace("\n", " "))
    assert "whatever their outcome" in err.replace("\n", " ")


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_a_report_that_cannot_be_written_is_told_before_the_work(
    run: Run, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("the logs were read first")

    monkeypatch.setattr("causal_ranker.chain.logs.read_logs", work)
    (tmp_path / name).mkdir()
    words = ("--holdout-from", "2025-01-07T00:00Z", "--out", tmp_path)
    code, _, err = run("evaluate", *files(), *words)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
    assert f"the report {name}" in err
    assert "a folder of that name" in err


def test_the_demo_looks_at_its_folder_before_the_work(run: Run, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    code, _, err = run("demo", "--data", "world", "--out", tmp_path)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
