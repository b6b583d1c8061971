from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker import __version__
from causal_ranker.cli import main
from causal_ranker.columns import Columns as C
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle, publish_bundle
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld
from tests.serving.shop import USER_IDS, build_shop

ROOT = Path(__file__).parents[1]
USER = int(USER_IDS[5])
TABLES = ("impressions", "plays", "candidates")
MESSAGE = re.compile(r"error: expected .+; got .+\. \S.*")

Edit = Callable[[pd.DataFrame], pd.DataFrame]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def program(*words: object) -> list[str]:
    return [sys.executable, "-m", "causal_ranker", *map(str, words)]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: exit code, stdout, stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


def small_world(**settings: Any) -> WorldLogs:
    config = WorldConfig(users=40, items=30, candidates=12, slate_size=4, days=4, **settings)
    return StreamingWorld(config).simulate()


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    logs = small_world()
    return {name: getattr(logs, name) for name in TABLES}


@pytest.fixture
def files(tables: dict[str, pd.DataFrame], tmp_path: Path) -> Callable[..., list[str]]:
    """Log files as options, with some tables edited first."""

    def write(suffix: str = "parquet", **edits: Edit) -> list[str]:
        words = []
        for name in TABLES:
            table = edits.get(name, lambda frame: frame)(tables[name].copy())
            path = tmp_path / f"{name}.{suffix}"
            if suffix == "parquet":
                table.to_parquet(path)
            else:
                table.to_csv(path, index=False)
            words += [f"--{name}", str(path)]
        return words

    return write


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_bundle(
        tmp_path_factory.mktemp("models") / "shop", contents=build_shop().contents
    )


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
    run: Callable[..., tuple[int, str, str]],
    files: Callable[..., list[str]],
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
def test_attribution_refuses_bad_logs_too(
    run: Callable[..., tuple[int, str, str]], files: Callable[..., list[str]], table: str
) -> None:
    code, _, err = run("attribute", *files(**{table: naive})[:4])
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback(
    run: Callable[..., tuple[int, str, str]], files: Callable[..., list[str]], place: str
) -> None:
    words = ["label", *files(plays=doubled)]
    code, _, err = run(*(["--debug", *words] if place == "before" else [*words, "--debug"]))
    assert code == 2
    assert err.startswith("Traceback")
    assert "RowError: expected one row for each 'play_id'" in err


def test_a_bad_log_in_a_process_of_its_own(files: Callable[..., list[str]]) -> None:
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
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    make: Callable[[Path], Path],
    command: list[str],
) -> None:
    path = make(tmp_path)
    code, out, err = run(*command, "--model", path)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert str(path) in err


def test_a_changed_model_is_refused(
    run: Callable[..., tuple[int, str, str]], model: Path, tmp_path: Path
) -> None:
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
def test_an_unknown_user_exits_with_2(
    run: Callable[..., tuple[int, str, str]], model: Path, user: str
) -> None:
    code, out, err = run("rerank", "--model", model, "--user", user)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert user in err


def test_the_list_as_json_is_what_the_library_says(
    run: Callable[..., tuple[int, str, str]], model: Path
) -> None:
    code, out, err = run("rerank", "--model", model, "--user", USER, "--k", "5", "--json")
    assert (code, err) == (0, "")
    bundle = load_bundle(model)
    said = json.loads(out)
    assert said == {
        "user_id": USER,
        "items": rerank(bundle, USER, k=5).records(),
        "fallback": None,
        "version": bundle.version,
    }
    assert [row[C.RANK] for row in said["items"]] == [1, 2, 3, 4, 5]


def test_the_list_as_a_table_holds_both_ranks(
    run: Callable[..., tuple[int, str, str]], model: Path
) -> None:
    code, out, _ = run("rerank", "--model", model, "--user", USER)
    assert code == 0
    assert re.search(r"item +base rank +new rank +base score +uplift", out)
    ranked = rerank(load_bundle(model), USER, k=10)
    shown = re.findall(r"(item-\d\d) +(\d+) +(\d+) ", out)
    assert shown == [
        (str(item), str(base), str(new))
        for item, base, new in zip(ranked.items, ranked.base_rank, ranked.rank, strict=True)
    ]


def test_a_list_of_no_items_is_refused(
    run: Callable[..., tuple[int, str, str]], model: Path
) -> None:
    code, _, err = run("rerank", "--model", model, "--user", USER, "--k", "0")
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for the line that names the port."""
    for _ in range(300):
        found = re.search(r"on http://127\.0\.0\.1:(\d+)", log.read_text("utf-8"))
        if found:
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"no port: {log.read_text('utf-8')}")


@pytest.mark.slow
def test_the_service_answers_and_stops(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            program("serve", "--model", model, "--port", "0"),
            env=environment(),
            stdout=stream,
            stderr=stream,
        )
    try:
        port = port_of(process, log)
        assert ask(port, "GET", "/healthz") == (200, {"status": "ok"})
        version = load_bundle(model).version
        assert ask(port, "GET", "/v1/version")[1]["version"] == version
        status, answer = ask(port, "POST", "/v1/rerank", {"user_id": USER, "k": 3})
        assert status == 200
        assert answer["items"] == rerank(load_bundle(model), USER, k=3).records()
        # to the service an unknown user is no error: the base order, and a count
        given = [{"item_id": f"item-{i:02d}", "base_score": float(i)} for i in range(3)]
        asked = {"user_id": 9999, "candidates": given}
        answer = ask(port, "POST", "/v1/rerank", asked)[1]
        assert answer["fallback"] == "unknown_user"
        assert [row[C.ITEM] for row in answer["items"]] == ["item-02", "item-01", "item-00"]
        assert ask(port, "GET", "/v1/version")[1]["fallbacks"] == {"unknown_user": 1}
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in {0, 130}
        assert "Traceback" not in log.read_text("utf-8")
    finally:
        process.kill()
        process.wait(timeout=20)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_credits_are_written(
    run: Callable[..., tuple[int, str, str]],
    files: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    tmp_path: Path,
    suffix: str,
) -> None:
    target = tmp_path / "new" / f"credits.{suffix}"
    code, out, _ = run("attribute", *files(suffix)[:4], "--touch", "linear", "--out", target)
    assert code == 0
    assert str(target) in out.replace("\n", "")
    credits = pd.read_parquet(target) if suffix == "parquet" else pd.read_csv(target)
    assert sorted(credits[C.PLAY].unique()) == sorted(tables["plays"][C.PLAY])
    np.testing.assert_allclose(credits.groupby(C.PLAY)[C.CREDIT].sum(), 1.0)
    organic = int(credits[C.IMPRESSION].isna().sum())
    assert 0 < organic < len(tables["plays"])
    assert re.search(rf"organic +{organic:,}\b", out)
    assert list(target.parent.iterdir()) == [target]


def test_labels_are_written(
    run: Callable[..., tuple[int, str, str]],
    files: Callable[..., list[str]],
    tables: dict[str, pd.DataFrame],
    tmp_path: Path,
) -> None:
    target = tmp_path / "labels.parquet"
    end = tables["candidates"][C.T0].min() + timedelta(days=3)
    code, out, _ = run("label", *files(), "--log-end", end.isoformat(), "--out", target)
    assert code == 0
    labels = pd.read_parquet(target)
    whole = tables["candidates"][C.HORIZON_END] <= end
    assert len(labels) == whole.sum()
    assert 0 < whole.sum() < whole.size
    assert re.search(rf"censored.* {(~whole).sum():,}\b|censored", out)
    plays, rows = tables["plays"], labels.merge(tables["plays"], on=[C.USER, C.ITEM])
    inside = (rows[C.PLAYED_AT] >= rows[C.T0]) & (rows[C.PLAYED_AT] < rows[C.HORIZON_END])
    assert labels[C.OUTCOME].sum() == len(rows[inside].drop_duplicates([C.USER, C.ITEM, C.T0]))
    assert len(plays) > labels[C.OUTCOME].sum() > 0


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
    run: Callable[..., tuple[int, str, str]],
    files: Callable[..., list[str]],
    words: list[str],
    told: str,
) -> None:
    code, out, err = run("label", *files(), *words)
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.strip()), err
    assert told in err


def test_a_folder_that_cannot_be_made_is_one_line(
    run: Callable[..., tuple[int, str, str]], files: Callable[..., list[str]], tmp_path: Path
) -> None:
    blocked = not_a_folder(tmp_path)
    words = ["--holdout-from", "2025-01-08T00:00Z", "--out", blocked / "report"]
    code, _, err = run("evaluate", *files(), *words)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err


def test_a_setting_that_nobody_knows_is_one_line(
    run: Callable[..., tuple[int, str, str]], files: Callable[..., list[str]], tmp_path: Path
) -> None:
    settings = tmp_path / "chain.toml"
    settings.write_text("chose_days = 3\n", "utf-8")
    code, _, err = run("fit", *files(), "--config", settings)
    assert code == 2
    assert MESSAGE.fullmatch(err.strip()), err
    assert "chose_days" in err
    assert "choose_days" in err


def test_the_version(run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("--version") == (0, f"causal-ranker {__version__}\n", "")


def test_the_diagnosis_is_printed(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("doctor")
    assert "Python" in out
    assert code in {0, 1}


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from causal_ranker.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stopped:\n    assert not stopped.code\n"
        "heavy = {'numpy', 'pandas', 'duckdb', 'ibis', 'lightgbm', 'sklearn', 'matplotlib'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    commands = ("demo", "doctor", "rerank", "serve", "attribute", "label", "fit", "evaluate")
    assert [name for name in commands if not re.search(rf"^\W*{name} ", done.stdout, re.M)] == []
