"""Credits and labels on Spark: ``python -m pipelines.spark_labels --help``.

The expressions are those of the embedded engine, and so are their values, column by column
(`tests/engines/test_spark.py`). A cluster is a connection string away: ``local[2]`` runs here,
``spark://host:7077``, ``yarn`` and ``k8s://...`` run there, ``sc://host`` speaks Spark Connect.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import ibis
import typer

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.cli.options import moment
from causal_ranker.errors import CausalRankerError, ConfigError, DataError
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.logs.contract import check_candidates, check_impressions, check_plays
from causal_ranker.logs.sources import connect, read_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["main", "write_labels"]


def write_labels(
    session: SparkSession,
    impressions: str,
    plays: str,
    *,
    candidates: str,
    out: str,
    log_end: datetime,
    horizon_hours: float | None = None,
    attribution: AttributionConfig | None = None,
) -> tuple[str, str]:
    """Attribute plays and label candidates, on Spark from files to files.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
        Where the work is done.
    impressions, plays, candidates : str
        Folders or files of Parquet, by any address that Spark reads.
    out : str
        Folder that receives ``credits`` and ``labels``; neither may exist.
    log_end : datetime
        End of the play log, with a time zone.
    horizon_hours : float, optional
        Length of the horizon, where the candidates have no ``horizon_end``.
    attribution : AttributionConfig, optional
        Windows and touch model; last touch within a day by default.

    Returns
    -------
    tuple of str
        The two folders that were written.

    Raises
    ------
    DataError
        If a log cannot be read or breaks its contract.
    ConfigError
        If a folder exists already, or a horizon is missing.
    """
    from pyspark.errors import AnalysisException

    spark = ibis.pyspark.connect(session)
    # By default Spark writes instants in an old form that other readers take for naive ones.
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    engine = connect()  # Spark's tables stay on Spark; it only has to be named
    checks = {
        "impressions": (impressions, check_impressions),
        "plays": (plays, check_plays),
        "candidates": (candidates, check_candidates),
    }
    logs = {}
    for name, (path, check) in checks.items():
        try:
            table = spark.read_parquet(path)
        except AnalysisException as error:
            raise DataError(
                expected=f"{name} as Parquet where Spark reads",
                came=str(error).splitlines()[0],
                do="Check the path: it is the cluster's, which need not be this machine's.",
            ) from error
        logs[name] = check(read_table(table, engine, name=name))
    credits = attribute(
        logs["impressions"], logs["plays"], config=attribution or AttributionConfig()
    )
    labels = collect_labels(
        logs["candidates"],
        logs["impressions"],
        logs["plays"],
        credits=credits,
        config=LabelConfig(log_end=log_end, horizon_hours=horizon_hours),
    ).table
    written = []
    for name, table in (("credits", credits), ("labels", labels)):
        folder = f"{out.rstrip('/')}/{name}"
        try:
            # Spark's own writer: each task writes beside, and the commit renames.
            session.sql(str(ibis.to_sql(table, dialect="pyspark"))).write.parquet(folder)
        except AnalysisException as error:
            if "PATH_ALREADY_EXISTS" not in str(error):
                raise
            raise ConfigError(
                expected=f"no folder at {folder}, as what is there is kept",
                came="one that exists",
                do="Choose another --out, or remove it.",
            ) from error
        written.append(folder)
    return written[0], written[1]


def _session(connection: str) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("causal-ranker labels")
    if connection.startswith("sc://"):
        return builder.remote(connection).getOrCreate()
    return builder.master(connection).getOrCreate()


def main(
    impressions: Annotated[str, typer.Option(help="Impression log.")],
    plays: Annotated[str, typer.Option(help="Play log, all surfaces.")],
    candidates: Annotated[str, typer.Option(help="Candidate log.")],
    out: Annotated[str, typer.Option(help="Folder for credits and labels.")],
    log_end: Annotated[datetime, typer.Option(parser=moment, help="End of the play log.")],
    horizon_hours: Annotated[
        float | None, typer.Option(help="Horizon, where candidates have no horizon_end.")
    ] = None,
    connection: Annotated[
        str, typer.Option(help="local[2], spark://host:7077, yarn, k8s://..., sc://host")
    ] = "local[2]",
) -> None:
    """Write credits and labels of logs that lie where Spark reads them."""
    try:
        session = _session(connection)
        try:
            for folder in write_labels(
                session,
                impressions,
                plays,
                candidates=candidates,
                out=out,
                log_end=log_end,
                horizon_hours=horizon_hours,
            ):
                typer.echo(folder)
        finally:
            session.stop()
    except CausalRankerError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    typer.run(main)
