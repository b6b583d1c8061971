"""The steps of `pipelines.train_flow` before anything is learned; none needs the engine.

Steps hand over paths and small frames. A step that is run again writes its files again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from causal_ranker.attribution.attribute import attribute
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import Logs, connection_of, label_logs, read_logs
from causal_ranker.chain.reach import last_event
from causal_ranker.columns import Columns as C
from causal_ranker.labels.report import describe_labels
from causal_ranker.runs.mlflow import open_tracking
from causal_ranker.serving.registry import check_target
from pipelines.settings import TrainSettings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_logs", "read", "write_credits", "write_labels"]


def check_logs(settings: TrainSettings) -> None:
    """Read the logs once, so that what breaks their contract is told before any work.

    Parameters
    ----------
    settings : TrainSettings
        Settings.

    Raises
    ------
    DataError
        If a log breaks its contract.
    BundleError
        If the registry's folder is something else.
    MissingExtraError, UpstreamError
        If MLflow is asked for, and is not installed or has no such store.
    """
    check_target(settings.registry)
    if settings.mlflow is not None:
        open_tracking(settings.mlflow)
    read(settings)


def write_credits(settings: TrainSettings, folder: Path) -> pd.DataFrame:
    """Credit the plays.

    Parameters
    ----------
    settings : TrainSettings
        Settings.
    folder : Path
        Where ``credits.parquet`` is written.

    Returns
    -------
    pandas.DataFrame
        Plays and their credit, of organic and of credited ones.
    """
    logs = read(settings)
    chain = settings.chain or ChainConfig()
    credits = attribute(logs.impressions, logs.plays, config=chain.attribution).cache()
    credits.to_parquet(folder / "credits.parquet")
    led = credits[C.IMPRESSION].notnull()
    counts: pd.DataFrame = (
        credits.group_by(credited=led)
        .aggregate(plays=credits[C.PLAY].nunique(), credit=credits[C.CREDIT].sum())
        .order_by("credited")
        .to_pandas()
    )
    return counts


def write_labels(settings: TrainSettings, folder: Path) -> pd.DataFrame:
    """Label every candidate whose horizon has ended.

    Parameters
    ----------
    settings : TrainSettings
        Settings.
    folder : Path
        Where ``labels.parquet`` is written.

    Returns
    -------
    pandas.DataFrame
        Rows by kind of label.
    """
    logs = read(settings)
    labelled = label_logs(
        connection_of(logs.candidates),
        logs,
        log_end=settings.log_end or last_event(logs.plays, logs.candidates),
        horizon_hours=settings.horizon_hours,
        config=settings.chain or ChainConfig(),
    )
    labelled.dataset.table.to_parquet(folder / "labels.parquet")
    return describe_labels(labelled.dataset).by(C.LABEL_KIND)


def read(settings: TrainSettings) -> Logs:
    """Read the logs that the settings name, and check them.

    Parameters
    ----------
    settings : TrainSettings
        Settings.

    Returns
    -------
    Logs
        The checked logs.

    Raises
    ------
    DataError
        If a log breaks its contract.
    """
    return read_logs(
        connection_of(config=settings.chain), **settings.logs.model_dump(), config=settings.chain
    )
