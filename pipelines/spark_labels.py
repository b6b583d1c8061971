"""Credits and labels on Spark: ``python -m pipelines.spark_labels --help``.

The expressions are those of the embedded engine, and so are their values, column by column
(`tests/engines/test_spark.py`). Where Spark runs is told in `pipelines.on_spark`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# To a script of spark-submit its own folder alone is known.
sys.path.insert(0, str(Path(__file__).parents[1]))

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.cli.options import Record, moment
from causal_ranker.cli.recorded import recorded
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.logs.spark import spark_frame
from pipelines.on_spark import Connection, check_free, read_checked, run, started, write

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
    folders = {name: f"{out.rstrip('/')}/{name}" for name in ("credits", "labels")}
    for folder in folders.values():
        check_free(session, folder)
    paths = {"impressions": impressions, "plays": plays, "candidates": candidates}
    if items is not None:
        paths["items"] = items
    logs = read_checked(session, paths)
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
        write(spark_frame(table), folders[name], name=name, out=out)
    return folders["credits"], folders["labels"]


def _write(
    context: typer.Context,
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
    record: Record = None,
    connection: Connection = None,
) -> None:
    """Write credits and labels of logs that lie where Spark reads them."""
    rules = None if attribution is None else AttributionConfig.from_toml(attribution)
    read = {"impressions": impressions, "plays": plays, "candidates": candidates, "items": items}
    with (
        # What lies where Spark alone reads it is not read here for a hash.
        recorded(context, inputs=read, record=record, config=rules, hashed="nothing") as figures,
        started(connection, name="labels") as session,
    ):
        credits, labels = write_labels(
            session,
            impressions,
            plays,
            candidates=candidates,
            out=out,
            log_end=log_end,
            items=items,
            horizon_hours=horizon_hours,
            attribution=rules,
        )
        figures.update({"credits": credits, "labels": labels})
        typer.echo(f"{credits}\n{labels}")


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
    run(_write, arguments, name="python -m pipelines.spark_labels")


if __name__ == "__main__":
    main()
