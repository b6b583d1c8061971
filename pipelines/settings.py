"""Settings of the flows, one TOML file for each; unknown keys are refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from causal_ranker.chain.config import ChainConfig
from causal_ranker.config import FrozenConfig
from causal_ranker.drift.monitor import MonitorConfig

__all__ = [
    "BackfillSettings",
    "Gate",
    "LogFiles",
    "MonitorSettings",
    "TrainSettings",
    "WatchedTable",
]

_Share = Annotated[float, Field(ge=0, le=1)]
#: Names of files are made of it.
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class LogFiles(FrozenConfig):
    """Where the logs lie.

    Parameters
    ----------
    impressions, plays, candidates : str
        Files, folders or quoted globs, as `CausalRanker.fit` takes them.
    users, items : str or None
        Covariates.
    """

    impressions: str
    plays: str
    candidates: str
    users: str | None = None
    items: str | None = None


class Gate(FrozenConfig):
    """What a policy has to show before it is published.

    Parameters
    ----------
    least_gain : float
        The lower end of the paired 95 % interval of its uplift@k over the base list, in plays per
        slot, has to lie above this.
    failed_refuters : int
        So many refuters may fail.
    largest_share_left_out : float
        Largest share of the candidates outside the overlap, of whom the evaluation says nothing.
    """

    least_gain: float = 0.0
    failed_refuters: Annotated[int, Field(ge=0)] = 0
    largest_share_left_out: _Share = 0.5


class TrainSettings(FrozenConfig):
    """Settings of `pipelines.train_flow`.

    Parameters
    ----------
    logs : LogFiles
        The logs.
    holdout_from : datetime
        With a time zone: models learn from what came before, and are judged on what came after.
    log_end : datetime or None
        End of the logs; the last event by default.
    horizon_hours : float or None
        Length of the horizon; None where the candidates have a ``horizon_end``.
    learners : tuple of str
        The learners that are tried, simplest first: the first that is no more than a standard error
        behind the best on the choosing days is kept.
    policy : {"auto", "uplift", "blend", "base"}
        The policy.
    base : {"logged", "boosted"}
        Base scores of the candidates' own, or those of the built-in base ranker.
    k : int
        Slots of a slate.
    seed : int
        Seed of everything.
    chain : ChainConfig or None
        Everything else; None for defaults and all covariates of the tables.
    gate : Gate
        What the kept policy has to show.
    registry : Path
        Where it is published.
    promote : bool
        Whether it answers from then on, or is held for somebody to promote it.
    mlflow : str or None
        Tracking URI of an MLflow that the run is logged to as well.
    """

    logs: LogFiles
    holdout_from: AwareDatetime
    log_end: AwareDatetime | None = None
    horizon_hours: float | None = None
    learners: Annotated[tuple[str, ...], Field(min_length=1)] = ("auto",)
    policy: Literal["auto", "uplift", "blend", "base"] = "auto"
    base: Literal["logged", "boosted"] = "logged"
    k: Annotated[int, Field(ge=1)] = 10
    seed: int = 0
    chain: ChainConfig | None = None
    gate: Gate = Gate()
    registry: Path
    promote: bool = False
    mlflow: str | None = None


class BackfillSettings(FrozenConfig):
    """Settings of `pipelines.backfill_flow`.

    Parameters
    ----------
    impressions, plays : str
        The logs.
    since, until : date or None
        First and last UTC day of plays, both included; all that the logs hold by default.
    days_a_task : int
        Days that one process does, one after the other.
    out : Path
        Folder of the credits, a file for each day.
    chain : ChainConfig
        Attribution and the engine.
    """

    impressions: str
    plays: str
    since: date | None = None
    until: date | None = None
    days_a_task: Annotated[int, Field(ge=1)] = 7
    out: Path
    chain: ChainConfig = ChainConfig()


class WatchedTable(FrozenConfig):
    """One table that is watched.

    Parameters
    ----------
    reference, window : str
        Parquet or CSV files of the reference, and of the days to judge.
    columns : tuple of str or None
        Columns to compare; all but ids by default.
    monitor : MonitorConfig
        What counts as drift.
    review : Path or None
        Review queue of its alerts, whose verdicts raise thresholds.
    """

    reference: str
    window: str
    columns: tuple[str, ...] | None = None
    monitor: MonitorConfig = MonitorConfig()
    review: Path | None = None


class MonitorSettings(FrozenConfig):
    """Settings of `pipelines.monitor_flow`.

    Parameters
    ----------
    tables : mapping of str to WatchedTable
        The tables by name, as it is to be in files and gauges.
    engine_threads : int or None
        Threads of the engine of each table; all of the machine's by default.
    engine_memory : str or None
        Its memory, as in "4GB".
    """

    tables: Annotated[dict[_Name, WatchedTable], Field(min_length=1)]
    engine_threads: Annotated[int, Field(ge=1)] | None = None
    engine_memory: str | None = None
