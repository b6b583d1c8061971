"""`python -m pipelines.spark_labels`: what it writes, where it runs, and what it says if it cannot.

What needs no Spark is refused before Java starts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import pytest

from benchmarks._spark_child import local_spark
from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import label_logs, read_logs
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.runs.record import read_run
from causal_ranker.worlds.logs import WorldLogs
from pipelines.spark_labels import main
from tests.cli.calling import MESSAGE, ROOT, environment, small_world
from tests.engines.test_spark import equal

slow = pytest.mark.slow
pytestmark = [
    # PySpark 4.0 hands frames over with a keyword that pandas 3 deprecates, and Py4J leaves its
    # sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CREDIT_KEY, LABEL_KEY = ["play_id", "impression_id"], ["user_id", "item_id", "t0"]
Options = dict[str, object]
Say = Callable[[Options], tuple[int, str, str]]


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Java that listens on this machine only; each command starts a Spark of its own on it."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark runs on Java, and there is none here; `causal-ranker doctor` says more")
    local_spark(tmp_path_factory.mktemp("spark")).stop()


@pytest.fixture(scope="module")
def world() -> WorldLogs:
    return small_world()


@pytest.fixture
def options(world: WorldLogs, tmp_path: Path) -> Options:
    """Logs as files, of which no candidate says where its horizon ends."""
    tables = {
        "impressions": world.impressions,
        "plays": world.plays,
        "candidates": world.candidates.drop(columns="horizon_end"),
    }
    paths: Options = {name: tmp_path / f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        table.to_parquet(paths[name], coerce_timestamps="us")
    end = (world.log_end - timedelta(hours=34)).isoformat()
    return {**paths, "log-end": end, "horizon-hours": 20, "out": tmp_path / "out"}


def words(options: Options) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """The command in this process: exit code, stdout, stderr."""

    def call(options: Options) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(words(options))
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


def by_the_chain(options: Options, rules: AttributionConfig) -> tuple[ibis.Table, ibis.Table]:
    """What the chain makes of the same files: credits and labels."""
    engine, end = connect(), datetime.fromisoformat(str(options["log-end"]))
    tables = {name: str(options[name]) for name in ("impressions", "plays", "candidates")}
    logs = read_logs(engine, **tables)
    hours = float(str(options["horizon-hours"]))
    config = ChainConfig(attribution=rules)
    found = label_logs(engine, logs, log_end=end, horizon_hours=hours, config=config)
    return attribute(logs.impressions, logs.plays, config=rules), found.dataset.table


def check_what_was_written(options: Options, credits: ibis.Table, labels: ibis.Table) -> None:
    engine, out = connect(), str(options["out"])
    equal(read_table(f"{out}/credits", engine, name="credits"), credits, key=CREDIT_KEY)
    equal(read_table(f"{out}/labels", engine, name="labels"), labels, key=LABEL_KEY)


@slow
@pytest.mark.usefixtures("java")
def test_under_rules_of_their_own_chain_and_spark_say_the_same(
    say: Say, options: Options, tmp_path: Path
) -> None:
    file = tmp_path / "attribution.toml"
    file.write_text('minimum_seconds = 1800\ntouch = "linear"\nwindow_hours = 72\n')
    code, out, err = say({**options, "attribution": file})
    assert (code, err) == (0, "")
    assert out.split() == [str(tmp_path / "out" / name) for name in ("credits", "labels")]
    credits, labels = by_the_chain(options, AttributionConfig.from_toml(file))
    check_what_was_written(options, credits, labels)
    # The rules decide about both here, so that a job that forgets them is found.
    plain = by_the_chain(options, AttributionConfig())
    assert credits.credit.nunique().execute() > plain[0].credit.nunique().execute()
    assert labels.outcome.sum().execute() < plain[1].outcome.sum().execute()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"log-end": "2025-01-08T00:00"}, "with a time zone; got '2025-01-08T00:00' without one"),
        ({"connection": "nonsense"}, r"the master of a Spark: .* got 'nonsense'\."),
        ({"connection": "sc://localhost"}, "got 'sc://localhost', Spark Connect, .* grpcio"),
        ({"attribution": "absent.toml"}, "a readable TOML file at absent.toml"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_are_told_before_java_starts(
    changed: Options, expected: str, say: Say, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyspark.sql.SparkSession.Builder.getOrCreate", None)
    check_refusal(say({**options, **changed}), expected)


def test_the_missing_extra_is_named(
    say: Say, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    check_refusal(say(options), r"the module 'pyspark.sql'; .* 'causal-ranker\[spark\]'")


def check_refusal(said: tuple[int, str, str], expected: str) -> None:
    code, out, err = said
    assert (code, out) == (2, "")
    assert MESSAGE.fullmatch(err.removesuffix("\n")), err
    assert re.search(expected, err), err


@slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cut.parquet", r"plays as Parquet .* got .*cut.parquet is not a Parquet file"),
        ("plays.csv", r"plays as Parquet .* got .*plays.csv is not a Parquet file"),
        ("absent.parquet", r"plays as Parquet .* \[PATH_NOT_FOUND\]"),
    ],
)
def test_a_log_that_spark_cannot_read_is_told_in_one_line(
    name: str, expected: str, say: Say, options: Options, world: WorldLogs, tmp_path: Path
) -> None:
    whole = Path(str(options["plays"])).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    world.plays.to_csv(tmp_path / "plays.csv", index=False)
    check_refusal(say({**options, "plays": tmp_path / name}), expected)
    assert not (tmp_path / "out").exists()


@slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("plays.parquet/out", r"credits to be written to .*plays.parquet/out/credits; .*\(?dir"),
        ("nosuch://out", r"a file system for nosuch://out/credits; got No FileSystem"),
    ],
)
def test_an_out_that_cannot_be_written_is_told_in_one_line(
    out: str, expected: str, say: Say, options: Options, tmp_path: Path
) -> None:
    check_refusal(say({**options, "out": out if "://" in out else tmp_path / out}), expected)


@slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("there", ["credits", "labels"])
def test_if_either_folder_exists_nothing_is_written(
    there: str, say: Say, options: Options, tmp_path: Path
) -> None:
    (tmp_path / "out" / there).mkdir(parents=True)
    check_refusal(say(options), rf"no folder at .*out/{there}, as what is there is kept")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [there]


@slow
@pytest.mark.usefixtures("java")
def test_run_by_itself_it_says_no_more_than_that_line(options: Options) -> None:
    """Spark greets on stderr; neither its log of the failure nor a traceback follows."""
    Path(str(options["plays"])).write_bytes(b"not Parquet at all")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.spark_labels", *words(options)],
        env={**environment(), "SPARK_LOCAL_IP": "127.0.0.1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    *greeting, last = done.stderr.splitlines()
    assert MESSAGE.fullmatch(last), done.stderr
    assert len(greeting) < 12
    assert not any(re.search(r"Exception|Traceback|ERROR|\tat ", line) for line in greeting)


@contextmanager
def daemon(*command: object, log: Path, ready: str, env: dict[str, str]) -> Iterator[str]:
    """Run one of Spark's processes until the block ends; give what its log says when ready."""
    with log.open("w") as stream:
        process = subprocess.Popen([*map(str, command)], env=env, stdout=stream, stderr=stream)
        try:
            until = time.monotonic() + 120
            while (found := re.search(ready, log.read_text("utf-8"))) is None:
                assert process.poll() is None, log.read_text("utf-8")
                assert time.monotonic() < until, log.read_text("utf-8")
                time.sleep(0.1)
            yield found[0]
        finally:
            process.terminate()
            process.wait(60)


@slow
@pytest.mark.usefixtures("java")
def test_it_runs_on_the_cluster_that_spark_submit_names(options: Options, tmp_path: Path) -> None:
    """A master and a worker of this machine; the worker starts two executors for the job."""
    import pyspark

    bin_ = Path(pyspark.__file__).parent / "bin"
    quick = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # these live for seconds
    settings = {
        "spark.driver.extraJavaOptions": quick,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.executor.cores": "1",
        "spark.executor.extraJavaOptions": quick,
        "spark.executor.memory": "512m",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }
    lines = [f"{name} {value}" for name, value in settings.items()]
    (tmp_path / "spark-defaults.conf").write_text("\n".join(lines))
    env = {
        **environment(),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_CONF_DIR": str(tmp_path),
        "SPARK_DAEMON_JAVA_OPTS": quick,
        "SPARK_DAEMON_MEMORY": "512m",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    start = (bin_ / "spark-class",)
    here = ("--host", "127.0.0.1", "--port", 0, "--webui-port", 0)
    work = tmp_path / "work"
    with (
        daemon(
            *start,
            "org.apache.spark.deploy.master.Master",
            *here,
            log=tmp_path / "master.log",
            ready=r"spark://127\.0\.0\.1:\d+(?=[\s\S]*New state: ALIVE)",
            env=env,
        ) as master,
        daemon(
            *start,
            "org.apache.spark.deploy.worker.Worker",
            *here,
            *("--cores", 2, "--memory", "2g", "--work-dir", work, master),
            log=tmp_path / "worker.log",
            ready="Successfully registered with master",
            env=env,
        ),
    ):
        script = ROOT / "pipelines" / "spark_labels.py"
        told = [*words(options), "--record", str(tmp_path / "record")]
        done = subprocess.run(
            [str(bin_ / "spark-submit"), "--master", master, str(script), *told],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in work.glob("app-*/*")) == ["0", "1"]
    record = read_run(tmp_path / "record")
    assert Path(record.figures["labels"]).is_dir()
    assert record.inputs["plays"]["bytes"] > 0
    check_what_was_written(options, *by_the_chain(options, AttributionConfig()))
