"""Lists of all users on Spark: ``python -m pipelines.spark_lists --help``.

Features and labels are the expressions of the embedded engine, and each list is what
`causal_ranker.serving.adapter.rerank` answers for its user, bit by bit
(`tests/engines/test_spark_lists.py`). Where Spark runs is told in `pipelines.on_spark`; its
workers need this package, and no file of the model: the driver checks the bundle and sends them
LightGBM's text, which each worker reads once.

A list must be ranked whole. Rows are sent to partitions by user and sorted there, so that a
request's rows lie in one partition and next to one another, and only the end of an Arrow batch
can cut them: `rank_batches` holds back the last request of a batch until it has ended, and refuses
rows in another order. ``groupBy().applyInPandas`` would give whole lists as well, at a call of
Python and a prediction for each of them, where one call here ranks thousands of rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# To a script of spark-submit its own folder alone is known.
sys.path.insert(0, str(Path(__file__).parents[1]))

from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.infer import infer_features
from causal_ranker.chain.latest import latest_rows
from causal_ranker.chain.logs import Logs, label_logs
from causal_ranker.cli.options import Record, moment
from causal_ranker.cli.recorded import recorded
from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.features.asof import AsOfFeatures, Levels
from causal_ranker.features.config import FeatureConfig
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.spark import spark_frame
from causal_ranker.serving.batch import (
    FALLBACK,
    LISTED_SCORE,
    RELAXED,
    BatchRanker,
    rank_batches,
)
from causal_ranker.serving.bundle import Bundle, load_bundle, model_files
from pipelines.on_spark import Connection, check_free, read_checked, run, started, write

if TYPE_CHECKING:
    import ibis
    import pandas as pd
    from ibis.backends import BaseBackend
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["main", "rank_frame", "rows_with_features", "write_lists"]


def write_lists(
    session: SparkSession,
    bundle: Bundle,
    *,
    impressions: str,
    plays: str,
    candidates: str,
    out: str,
    log_end: datetime,
    users: str | None = None,
    items: str | None = None,
    horizon_hours: float | None = None,
    config: ChainConfig | None = None,
    at: datetime | None = None,
    k: int | None = None,
) -> str:
    """Rank the candidates of each user's last request as if it were made now.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
        Where the work is done; not one of Spark Connect.
    bundle : Bundle
        The model, loaded by the driver.
    impressions, plays, candidates : str
        Folders or files of Parquet, by any address that Spark reads. Base scores come with the
        candidates, unless the bundle has a base model.
    out : str
        Folder of the lists; it may not exist.
    log_end : datetime
        End of the play log, with a time zone.
    users, items : str, optional
        Parquet of users and items, where the model was trained with such.
    horizon_hours : float, optional
        Length of the horizon, where the candidates have no ``horizon_end``.
    config : ChainConfig, optional
        The settings that the model was trained with; by default features are inferred as `fit`
        does.
    at : datetime, optional
        Now, with a time zone; `log_end` by default.
    k : int, optional
        Longest list to write; whole lists by default.

    Returns
    -------
    str
        The folder, with the columns that `causal_ranker.serving.batch.BatchRanker.rank` names.

    Raises
    ------
    DataError
        If a log cannot be read or breaks its contract, a base score is missing, or features are
        not those of the model.
    ConfigError
        If the folder exists already or cannot be written, or there are no base scores.
    BundleError
        If a file of the model was changed since it was loaded.
    """
    if k is not None and k < 1:
        raise ConfigError(
            expected="k of 1 or more", came=str(k), do="Ask for at least one item, or leave k out."
        )
    check_free(session, out)
    paths = {
        "impressions": impressions,
        "plays": plays,
        "candidates": candidates,
        "users": users,
        "items": items,
    }
    tables = read_checked(session, {name: path for name, path in paths.items() if path is not None})
    logs = Logs(
        impressions=tables["impressions"],
        plays=tables["plays"],
        candidates=tables["candidates"],
        users=tables.get("users"),
        items=tables.get("items"),
    )
    settings = config or ChainConfig(
        features=infer_features(logs.candidates, users=logs.users, items=logs.items)
    )
    rows = rows_with_features(
        _engine_of(logs),
        logs,
        bundle=bundle,
        log_end=log_end,
        at=at or log_end,
        horizon_hours=horizon_hours,
        config=settings,
    )
    write(rank_frame(spark_frame(rows), bundle, k=k), out, name="lists", out=out)
    return out


def rows_with_features(
    connection: BaseBackend,
    logs: Logs,
    *,
    bundle: Bundle,
    log_end: datetime,
    at: datetime,
    horizon_hours: float | None,
    config: ChainConfig,
) -> ibis.Table:
    """Describe the candidates of each user's last request as of now.

    Parameters
    ----------
    connection : ibis.backends.BaseBackend
        The engine of the logs.
    logs : Logs
        Checked logs.
    bundle : Bundle
        The model, whose features they are.
    log_end, at : datetime
        End of the play log, and now; with a time zone.
    horizon_hours : float or None
        Length of the horizon, where the candidates have no ``horizon_end``.
    config : ChainConfig
        Settings that the model was trained with.

    Returns
    -------
    ibis.Table
        Rows as `causal_ranker.serving.batch.BatchRanker.rank` takes them, in no order.

    Raises
    ------
    SchemaError
        If features are not those of the model, or a column that they are made of is missing.
    ConfigError
        If there are no base scores.
    """
    features = config.features
    _check_features(bundle, features)
    context = (*features.row_numbers, *features.row_categories)
    require_columns(logs.candidates, context, name="candidates")
    scored = C.BASE_SCORE in logs.candidates.columns
    if bundle.base is None and not scored:
        raise ConfigError(
            expected=f"candidates with '{C.BASE_SCORE}', as the model has no base model of its own",
            came=f"candidates with {', '.join(logs.candidates.columns)}",
            do="Write the base recommender's scores into the candidate log.",
        )
    history = label_logs(
        connection, logs, log_end=log_end, horizon_hours=horizon_hours, config=config
    ).history
    also = () if bundle.base is not None else (C.BASE_SCORE,)
    rows = latest_rows(logs.candidates, at=at, config=features, also=also)
    if also:
        # A feature is single precision, and online a base score is not.
        rows = rows.rename(**{LISTED_SCORE: C.BASE_SCORE})
    schema = bundle.uplift.plan.schema
    state = AsOfFeatures(
        connection,
        plays=history.plays,
        daily=history.daily,
        users=history.users,
        items=history.items,
        exposures=history.exposures,
        requests=rows.select(C.USER, C.T0).distinct(),
        config=features,
        levels=Levels(
            {
                feature.name: tuple(map(str, feature.levels))
                for feature in schema.features
                if feature.levels is not None
            }
        ),
    )
    return state.add(rows).drop(C.BASE_SCORE, C.BASE_RANK)


def rank_frame(rows: DataFrame, bundle: Bundle, *, k: int | None = None) -> DataFrame:
    """Rank lists by a bundle, each worker with the model's text.

    Parameters
    ----------
    rows : pyspark.sql.DataFrame
        Rows as `causal_ranker.serving.batch.BatchRanker.rank` takes them, in any order and any
        partition.
    bundle : Bundle
        The bundle.
    k : int, optional
        Longest list; whole lists by default.

    Returns
    -------
    pyspark.sql.DataFrame
        What `BatchRanker.rank` returns, not computed yet.
    """
    from pyspark.sql import types as t

    files = model_files(bundle)
    intervals = BatchRanker(files).has_intervals
    kinds: dict[str, Any] = {
        **{name: rows.schema[name].dataType for name in (C.USER, C.T0, C.ITEM)},
        C.BASE_SCORE: t.DoubleType(),
        C.BASE_RANK: t.LongType(),
        C.UPLIFT: t.DoubleType(),
        C.SCORE: t.DoubleType(),
        C.RANK: t.LongType(),
        **({C.UPLIFT_LOW: t.DoubleType(), C.UPLIFT_HIGH: t.DoubleType()} if intervals else {}),
        FALLBACK: t.StringType(),
        RELAXED: t.StringType(),
    }
    schema = t.StructType([t.StructField(name, kind) for name, kind in kinds.items()])
    shared = rows.sparkSession.sparkContext.broadcast(files)
    version = bundle.version

    def ranked(batches: Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
        # Sent to the workers as it is: what it names of this file are these three values alone.
        return rank_batches(batches, version=version, files=lambda: shared.value, k=k)

    ordered = rows.repartition(C.USER).sortWithinPartitions(C.USER, C.T0, C.ITEM)
    return ordered.mapInPandas(ranked, schema)


def _engine_of(logs: Logs) -> BaseBackend:
    (connection,), _ = logs.candidates._find_backends()
    return connection


def _check_features(bundle: Bundle, config: FeatureConfig) -> None:
    names = bundle.uplift.plan.schema.names
    if tuple(config.names) == names:
        return
    ours, theirs = set(config.names), set(names)
    lacking, surplus = sorted(theirs - ours), sorted(ours - theirs)
    raise SchemaError(
        expected=f"the {len(names)} features of the model, in its order",
        came=f"{len(config.names)}; missing: {', '.join(lacking) or 'none'}; "
        f"not the model's: {', '.join(surplus) or 'none'}",
        do="Give the settings and the tables that the model was trained with.",
    )


def _write(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="Registry of models, or one bundle.")],
    impressions: Annotated[str, typer.Option(help="Impression log.")],
    plays: Annotated[str, typer.Option(help="Play log, all surfaces.")],
    candidates: Annotated[
        str, typer.Option(help="Candidate log; of each user the last request is ranked.")
    ],
    out: Annotated[str, typer.Option(help="Folder for the lists.")],
    log_end: Annotated[
        datetime, typer.Option(parser=moment, metavar="ISO", help="End of the play log.")
    ],
    users: Annotated[str | None, typer.Option(help="Users.")] = None,
    items: Annotated[str | None, typer.Option(help="Items.")] = None,
    horizon_hours: Annotated[
        float | None, typer.Option(help="Horizon, where candidates have no horizon_end.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings that the model was trained with.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="ISO", help="Now; by default the end of the log."),
    ] = None,
    k: Annotated[
        int | None, typer.Option(min=1, help="Longest list; whole lists by default.")
    ] = None,
    record: Record = None,
    connection: Connection = None,
) -> None:
    """Write a ranked list for every user of the candidate log."""
    settings = None if config is None else ChainConfig.from_toml(config)
    bundle = load_bundle(model)
    logs = {"impressions": impressions, "plays": plays, "candidates": candidates}
    with (
        # What lies where Spark alone reads it is not read here for a hash.
        recorded(
            context,
            inputs={**logs, "users": users, "items": items},
            record=record,
            config=settings,
            hashed="nothing",
        ) as figures,
        started(connection, name="lists") as session,
    ):
        figures["lists"] = write_lists(
            session,
            bundle,
            **logs,
            out=out,
            log_end=log_end,
            users=users,
            items=items,
            horizon_hours=horizon_hours,
            config=settings,
            at=at,
            k=k,
        )
        figures["model"] = bundle.version
        typer.echo(figures["lists"])


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
    run(_write, arguments, name="python -m pipelines.spark_lists")


if __name__ == "__main__":
    main()
