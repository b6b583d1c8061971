"""Options that several commands share, and how their words become values."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from causal_ranker.errors import ConfigError

if TYPE_CHECKING:
    from causal_ranker.experiments.config import Metric

__all__ = [
    "Base",
    "CandidatesIfAny",
    "Config",
    "HorizonHours",
    "ImpressionsIfAny",
    "Items",
    "Learner",
    "LogEnd",
    "Memory",
    "Mlflow",
    "Plays",
    "PlaysIfAny",
    "PolicyName",
    "Quarantine",
    "Record",
    "Resume",
    "Seed",
    "Slots",
    "Table",
    "Threads",
    "Users",
    "metric_named",
    "moment",
]


def moment(text: str) -> datetime:
    """Read a moment from the command line.

    Parameters
    ----------
    text : str
        ISO 8601 with a time zone, e.g. ``2025-02-01T00:00+00:00``.

    Returns
    -------
    datetime
        The moment, with its time zone.

    Raises
    ------
    ConfigError
        If the text is no such moment.
    """
    expected = "a moment in ISO 8601 with a time zone"
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            expected=expected, came=repr(text), do="Write it like 2025-02-01T00:00+00:00."
        ) from None
    if value.tzinfo is None:
        raise ConfigError(
            expected=expected,
            came=f"{text!r} without one",
            do=f"Write {value.isoformat(timespec='minutes')}+00:00 if it is in UTC.",
        )
    return value


def metric_named(written: str, past: list[str] | None) -> Metric:
    """Read the metric of a test from the command line.

    Parameters
    ----------
    written : str
        A column, such as ``plays``, or a ratio of two, such as ``plays/impressions``.
    past : list of str or None
        Columns that CUPED takes out.

    Returns
    -------
    Metric
        The metric.
    """
    from causal_ranker.experiments.config import Metric

    column, _, per = written.partition("/")
    return Metric(column=column, per=per or None, past=tuple(past or ()))


# Tables are text, not Path: a glob or an address has to stay as it was written.
ImpressionsIfAny = Annotated[
    str | None,
    typer.Option(
        "--impressions",
        help="Impression log: a Parquet or CSV file, a folder, or a quoted glob; or the file that "
        "--config names. Names of columns in --config hold for either.",
    ),
]
Plays = Annotated[str, typer.Option(help="Play log, all surfaces.")]
PlaysIfAny = Annotated[
    str | None,
    typer.Option("--plays", help="Play log, all surfaces; or the file that --config names."),
]
CandidatesIfAny = Annotated[
    str | None,
    typer.Option(
        "--candidates",
        help="Candidate log: what could have been shown, and whether it was; or the file that "
        "--config names.",
    ),
]
Threads = Annotated[int | None, typer.Option(help="Threads of the engine; all by default.")]
Memory = Annotated[
    str | None, typer.Option(help="Memory of the engine, e.g. 2GB; what does not fit spills.")
]
Users = Annotated[str | None, typer.Option(help="Covariates by user_id.")]
Items = Annotated[
    str | None,
    typer.Option(
        help="Covariates by item_id; available_from and available_until, where they are known."
    ),
]
HorizonHours = Annotated[
    float | None,
    typer.Option(help="Length of the horizon, where the candidates have no horizon_end."),
]
LogEnd = Annotated[
    datetime | None,
    typer.Option(
        parser=moment,
        metavar="ISO",
        help="End of the logs, with a time zone; the last event by default. Rows whose horizon "
        "ends later are censored.",
    ),
]
Base = Annotated[
    Literal["logged", "boosted"] | None,
    typer.Option(
        help="The candidates' base_score column (logged, the default), or the built-in base ranker."
    ),
]
Learner = Annotated[
    str,
    typer.Option(
        help="auto compares learners on the last days of the logs; or the name of one: constant, "
        "s, t, x, r, dr, econml_dr, econml_forest, causalml_x ..."
    ),
]
PolicyName = Annotated[
    Literal["auto", "uplift", "blend", "base"],
    typer.Option(
        help="The policy; auto takes that of --config, or the best on the last days of the logs."
    ),
]
Slots = Annotated[int | None, typer.Option("--k", help="Slots of a slate; 10 by default.")]
Config = Annotated[
    Path | None,
    typer.Option(
        help="TOML file with settings of causal_ranker.chain.project, as causal-ranker init writes "
        "it; causal-ranker explain-config tells what stands in it."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the run.")]
Resume = Annotated[
    Path | None,
    typer.Option(
        help="Folder in which fitted nuisances are kept: run the same command again after an "
        "interruption, and they are not fitted again."
    ),
]
Mlflow = Annotated[
    str | None,
    typer.Option(
        help="Tracking URI of an MLflow that the run is logged to as well: sqlite:///mlflow.db, "
        "http://host:5000. The package mlflow has to be installed."
    ),
]
Record = Annotated[
    Path | None,
    typer.Option(
        "--record",
        help="Folder for the record of the run (run.json); by default it lies beside what is "
        "written, and a run that only prints leaves none.",
    ),
]
Quarantine = Annotated[
    Path | None,
    typer.Option(
        help="Set rows that break the contract aside in this folder, instead of refusing the log."
    ),
]
Table = Annotated[
    Path | None,
    typer.Option("--out", help="Where to write the rows: a .parquet or .csv file."),
]
