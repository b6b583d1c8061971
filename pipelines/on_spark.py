"""What the commands on Spark share: how it starts, reads and writes, and what it says if it fails.

A cluster is a connection string away: ``local[2]`` runs here, ``spark://host:7077``, ``yarn`` and
``k8s://...`` run there. Without ``--connection`` Spark's own settings decide: what ``spark-submit
--master`` said, or else all cores of this machine.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import ibis
import typer

from causal_ranker._extras import require
from causal_ranker.cli.told import tell
from causal_ranker.errors import CausalRankerError, ConfigError, DataError
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.rules import check
from causal_ranker.logs.spark import declare_instants

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = [
    "Connection",
    "check_free",
    "read_checked",
    "run",
    "spark_errors",
    "started",
    "write",
]

#: The option that says where Spark runs.
Connection = Annotated[
    str | None,
    typer.Option(
        help="local[2], spark://host:7077, yarn, k8s://...; by default what spark-submit "
        "says, or else this machine."
    ),
]

_MASTERS: Final = re.compile(r"local($|\[)|local-cluster\[|spark://|yarn$|k8s://")


@contextmanager
def started(connection: str | None, *, name: str) -> Iterator[SparkSession]:
    """Start Spark, and stop it when the block ends.

    Parameters
    ----------
    connection : str or None
        Its master; None for what its own settings say.
    name : str
        What the job is called.

    Yields
    ------
    pyspark.sql.SparkSession
        Spark.

    Raises
    ------
    ConfigError
        If there is no such master, or Spark does not start.
    MissingExtraError
        If PySpark is not installed.
    """
    session = _session(connection, name=name)
    try:
        yield session
    finally:
        session.stop()


def read_checked(session: SparkSession, paths: Mapping[str, str]) -> dict[str, ibis.Table]:
    """Read tables of the contract, and check them.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
        Spark; not Spark Connect.
    paths : mapping of str to str
        Folders or files of Parquet, by any address that Spark reads, by the table's name.

    Returns
    -------
    dict of str to ibis.Table
        The tables.

    Raises
    ------
    DataError
        If one cannot be read or breaks its contract.
    """
    spark = ibis.pyspark.connect(session)
    tables = {}
    for name, path in paths.items():
        with spark_errors(
            DataError,
            expected=f"{name} as Parquet where Spark reads",
            do=f"Check {path}: it is the cluster's path, which need not be this machine's.",
        ):
            table = declare_instants(spark.read_parquet(path))
            tables[name] = check(table, CONTRACTS[name])
    return tables


def check_free(session: SparkSession, folder: str) -> None:
    """Refuse a folder that exists, before any work.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
        Spark.
    folder : str
        Where something is to be written.

    Raises
    ------
    ConfigError
        If it exists, or no file system has such an address.
    """
    with spark_errors(
        ConfigError, expected=f"a file system for {folder}", do="Check the address of --out."
    ):
        # Asked of Hadoop, as Spark itself has no question that reads nothing.
        java: Any = session._jvm
        path = java.org.apache.hadoop.fs.Path(folder)
        exists = path.getFileSystem(session._jsc.hadoopConfiguration()).exists(path)
    if exists:
        raise ConfigError(
            expected=f"no folder at {folder}, as what is there is kept",
            came="one that exists",
            do="Choose another --out, or remove it.",
        )


def write(rows: DataFrame, folder: str, *, name: str, out: str) -> None:
    """Write Parquet by Spark's own writer: each task writes beside, and the commit renames.

    Parameters
    ----------
    rows : pyspark.sql.DataFrame
        What to write.
    folder : str
        The folder, which may not exist yet.
    name : str
        What it is, for messages.
    out : str
        Where to look if it fails.

    Raises
    ------
    ConfigError
        If it cannot be computed or written.
    """
    # By default Spark writes instants in an old form that other readers take for naive ones.
    rows.sparkSession.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    with spark_errors(
        ConfigError,
        expected=f"{name} to be written to {folder}",
        do=f"Mend that, and remove what this run left in {out} before the next.",
    ):
        rows.write.parquet(folder)


def run(command: Callable[..., None], arguments: Sequence[str] | None, *, name: str) -> None:
    """Run a command line and exit: 0 is success, 2 input that cannot be used.

    Parameters
    ----------
    command : callable
        The command, in Typer's form.
    arguments : sequence of str or None
        The words after the program's name; None for the process's own.
    name : str
        The program's name.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app(arguments, prog_name=name)
    except CausalRankerError as error:
        tell(error)
        sys.exit(2)


@contextmanager
def spark_errors(kind: type[CausalRankerError], *, expected: str, do: str) -> Iterator[None]:
    """Turn what Spark says into an error of ours, with the last cause and no stack of Java's.

    Parameters
    ----------
    kind : type of CausalRankerError
        The error.
    expected, do : str
        What was needed, and what to do.

    Yields
    ------
    None
        Control, inside which Spark works.

    Raises
    ------
    CausalRankerError
        Of that kind, where Spark fails.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise kind(expected=expected, came=_brief(error), do=do) from error


def _brief(error: Any) -> str:
    words, cause = str(error), getattr(error, "java_exception", None)
    while cause is not None:
        words, cause = str(cause.getMessage() or cause.toString()), cause.getCause()
    lines = words.strip().splitlines() or [""]
    # Of a worker in Python it is, under a heading, the whole traceback, which ends with the error.
    traced = any(line.startswith("Traceback") for line in lines)
    told = lines[-1] if traced else lines[0]
    return told.strip()[:300].rstrip(".")


def _session(connection: str | None, *, name: str) -> SparkSession:
    sql = require("pyspark.sql", extra="spark")
    if connection is None or connection.startswith("local"):
        # Workers here are to have what this process has, not what `python3` happens to be.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.appName(f"causal-ranker {name}")
    # Where nobody watches, an error's one line has to stand alone.
    builder = builder.config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    if connection is not None:
        _check_master(connection)
        builder = builder.master(connection)
    with spark_errors(
        ConfigError,
        expected=f"a Spark that starts with {connection or 'its own settings'}",
        do="Check the address, and what `causal-ranker doctor` says of Java.",
    ):
        session: SparkSession = builder.getOrCreate()
    if str(session.sparkContext.master).startswith("local"):
        # Here its log would only say again, with stacks of Java, what our one line says.
        session.sparkContext.setLogLevel("OFF")
    return session


def _check_master(connection: str) -> None:
    if _MASTERS.match(connection):
        return
    came = repr(connection)
    if connection.startswith("sc://"):
        came += ", Spark Connect, which needs grpcio, and the extra 'spark' does not bring it"
    raise ConfigError(
        expected="the master of a Spark: local[2], spark://host:7077, yarn or k8s://host",
        came=came,
        do="Name one of those, or leave --connection out to take what spark-submit says.",
    )
