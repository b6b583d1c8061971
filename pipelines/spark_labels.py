"""Credits and labels on Spark: ``python -m pipelines.spark_labels --help``.

The expressions are those of the embedded engine, and so are their values, column by column
(`tests/engines/test_spark.py`). A cluster is a connection string away: ``local[2]`` runs here,
``spark://host:7077``, ``yarn`` and ``k8s://...`` run there. Without ``--connection`` Spark's own
settings decide: what ``spark-submit --master`` said, or else all cores of this machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import ibis
import typer

from causal_ranker._extras import require
from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.cli.options import moment
from causal_ranker.cli.told import tell
from causal_ranker.errors import CausalRankerError, ConfigError, DataError
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.logs.contract import (
    check_candidates,
    check_impressions,
    check_items,
    check_plays,
)
from causal_ranker.logs.spark import declare_instants

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["main", "write_labels"]

_CHECKS = {
    "impressions": check_impressions,
    "plays": check_plays,
    "candidates": check_candidates,
    "items": check_items,
}


def write_labels(
    session: SparkSession,
    impressions: str,
    plays: str,
    *,
    candidates: str,
    out: str,
    log_end: datetime,
    items: str | None = None,
    horizon_hours: float | None = None,
    attribution: AttributionConfig | None = None,
) -> tuple[str, str]:
    """Attribute plays and label candidates, on Spark from files to files.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
        Where the work is done; not one of Spark Connect.
    impressions, plays, candidates : str
        Folders or files of Parquet, by any address that Spark reads.
    out : str
        Folder that receives ``credits`` and ``labels``; neither may exist.
    log_end : datetime
        End of the play log, with a time zone.
    items : str, optional
        Parquet of items, whose ``available_from`` and ``available_until`` say what could be
        played.
    horizon_hours : float, optional
        Length of the horizon, where the candidates have no ``horizon_end``.
    attribution : AttributionConfig, optional
        Windows, touch model and which plays qualify, for credits and outcomes alike; last touch
        within a day by default.

    Returns
    -------
    tuple of str
        The two folders that were written.

    Raises
    ------
    DataError
        If a log cannot be read or breaks its contract.
    ConfigError
        If a folder exists already or cannot be written, or a horizon is missing.
    """
    from ibis.backends.pyspark.datatypes import PySparkSchema

    folders = {name: f"{out.rstrip('/')}/{name}" for name in ("credits", "labels")}
    for folder in folders.values():
        _check_free(session, folder)
    spark = ibis.pyspark.connect(session)
    # By default Spark writes instants in an old form that other readers take for naive ones.
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    paths = {"impressions": impressions, "plays": plays, "candidates": candidates}
    if items is not None:
        paths["items"] = items
    logs = {}
    for name, path in paths.items():
        with _spark_errors(
            DataError,
            expected=f"{name} as Parquet where Spark reads",
            do=f"Check {path}: it is the cluster's path, which need not be this machine's.",
        ):
            logs[name] = _CHECKS[name](declare_instants(spark.read_parquet(path)))
    rules = attribution or AttributionConfig()
    credits = attribute(logs["impressions"], logs["plays"], config=rules)
    labels = collect_labels(
        logs["candidates"],
        logs["impressions"],
        logs["plays"],
        credits=credits,
        config=LabelConfig.following(rules, log_end=log_end, horizon_hours=horizon_hours),
        items=logs.get("items"),
    ).table
    for name, table in (("credits", credits), ("labels", labels)):
        with _spark_errors(
            ConfigError,
            expected=f"{name} to be written to {folders[name]}",
            do=f"Mend that, and remove what this run left in {out} before the next.",
        ):
            rows = session.sql(str(ibis.to_sql(table, dialect="pyspark")))
            # Spark takes a fraction in SQL for a decimal, so the types of Ibis are put on. Its own
            # writer: each task writes beside, and the commit renames.
            rows.to(PySparkSchema.from_ibis(table.schema())).write.parquet(folders[name])
    return folders["credits"], folders["labels"]


def _check_free(session: SparkSession, folder: str) -> None:
    with _spark_errors(
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


@contextmanager
def _spark_errors(kind: type[CausalRankerError], *, expected: str, do: str) -> Iterator[None]:
    """Turn what Spark says into an error of ours, with the last cause and no stack of Java's."""
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
    return words.strip().partition("\n")[0][:300].rstrip(".")


def _session(connection: str | None) -> SparkSession:
    sql = require("pyspark.sql", extra="spark")
    builder = sql.SparkSession.builder.appName("causal-ranker labels")
    # Where nobody watches, an error's one line has to stand alone.
    builder = builder.config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    if connection is not None:
        _check_master(connection)
        builder = builder.master(connection)
    with _spark_errors(
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
    if re.match(r"local($|\[)|local-cluster\[|spark://|yarn$|k8s://", connection):
        return
    came = repr(connection)
    if connection.startswith("sc://"):
        came += ", Spark Connect, which needs grpcio, and the extra 'spark' does not bring it"
    raise ConfigError(
        expected="the master of a Spark: local[2], spark://host:7077, yarn or k8s://host",
        came=came,
        do="Name one of those, or leave --connection out to take what spark-submit says.",
    )


def _write(
    impressions: Annotated[str, typer.Option(help="Impression log.")],
    plays: Annotated[str, typer.Option(help="Play log, all surfaces.")],
    candidates: Annotated[str, typer.Option(help="Candidate log.")],
    out: Annotated[str, typer.Option(help="Folder for credits and labels.")],
    log_end: Annotated[
        datetime, typer.Option(parser=moment, metavar="ISO", help="End of the play log.")
    ],
    items: Annotated[
        str | None, typer.Option(help="Items, with available_from and available_until.")
    ] = None,
    horizon_hours: Annotated[
        float | None, typer.Option(help="Horizon, where candidates have no horizon_end.")
    ] = None,
    attribution: Annotated[
        Path | None,
        typer.Option(help="TOML file with settings of causal_ranker.attribution.config."),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option(
            help="local[2], spark://host:7077, yarn, k8s://...; by default what spark-submit "
            "says, or else this machine."
        ),
    ] = None,
) -> None:
    """Write credits and labels of logs that lie where Spark reads them."""
    rules = None if attribution is None else AttributionConfig.from_toml(attribution)
    session = _session(connection)
    try:
        for folder in write_labels(
            session,
            impressions,
            plays,
            candidates=candidates,
            out=out,
            log_end=log_end,
            items=items,
            horizon_hours=horizon_hours,
            attribution=rules,
        ):
            typer.echo(folder)
    finally:
        session.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 is success, 2 input that cannot be used.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the program's name; by default the process's own.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(_write)
    try:
        app(arguments, prog_name="python -m pipelines.spark_labels")
    except CausalRankerError as error:
        tell(error)
        sys.exit(2)


if __name__ == "__main__":
    main()
