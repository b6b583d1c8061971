"""What the steps of `pipelines.train_flow` do; each can be called without the engine.

Steps hand over paths and small frames. A step that is run again writes its files again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from causal_ranker.attribution.attribute import attribute
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import Logs, connection_of, label_logs, read_logs
from causal_ranker.chain.reach import last_event
from causal_ranker.chain.split import split_logs
from causal_ranker.columns import Columns as C
from causal_ranker.errors import OverlapError
from causal_ranker.evaluation.report import refused_report
from causal_ranker.labels.report import describe_labels
from causal_ranker.ranker import CausalRanker
from causal_ranker.reporting.files import write_page
from causal_ranker.runs.mlflow import open_tracking
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.registry import check_target
from pipelines.records import Begun, finish
from pipelines.settings import Gate, TrainSettings

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FIGURES",
    "MODELS",
    "PAGE",
    "Trial",
    "check_logs",
    "choose",
    "judge",
    "learn",
    "prepare",
    "record_run",
    "write_credits",
    "write_labels",
]

#: What lies in the folder of a trial.
PAGE: Final = "report.html"
FIGURES: Final = "report.json"
MODELS: Final = "models"
#: Standard errors that a 95 % interval is wide.
_WIDTH: Final = 2 * 1.96
_ANSWERS: Final = {True: "answers from now on", False: "held for somebody to promote it"}


@dataclass(frozen=True)
class Trial:
    """What a learner came to.

    Parameters
    ----------
    learner : str
        Its name.
    value, error : float
        What its policy gains over the base list in uplift@k on the choosing days, and the standard
        error, in plays per slot.
    folder : str
        Where its model and report lie.
    refused : str or None
        Why the hold-out could not be judged, where it could not.
    """

    learner: str
    value: float
    error: float
    folder: str
    refused: str | None = None


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
    _read(settings)


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
    logs = _read(settings)
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
    logs = _read(settings)
    labelled = label_logs(
        connection_of(logs.candidates),
        logs,
        log_end=settings.log_end or last_event(logs.plays, logs.candidates),
        horizon_hours=settings.horizon_hours,
        config=settings.chain or ChainConfig(),
    )
    labelled.dataset.table.to_parquet(folder / "labels.parquet")
    return describe_labels(labelled.dataset).by(C.LABEL_KIND)


def prepare(settings: TrainSettings, folder: Path) -> dict[str, int]:
    """Read features, and fit the nuisances that all learners share.

    Parameters
    ----------
    settings : TrainSettings
        Settings.
    folder : Path
        Where ``nuisances/`` is kept, for the learners.

    Returns
    -------
    dict of str to int
        Row counts by stage.
    """
    ranker, _ = _fit(settings, folder, learner="constant")
    return dict(ranker.trained_.rows)


def learn(settings: TrainSettings, folder: Path, *, learner: str) -> Trial:
    """Train one learner, publish it among the trials, and judge it on the hold-out.

    Parameters
    ----------
    settings : TrainSettings
        Settings.
    folder : Path
        Where ``nuisances/`` lies; models and report go into ``trials/`` and the learner's name.
    learner : str
        Its name.

    Returns
    -------
    Trial
        What it came to.
    """
    place = folder / "trials" / learner
    place.mkdir(parents=True, exist_ok=True)
    ranker, later = _fit(settings, folder, learner=learner)
    refused = None
    try:
        report = ranker.evaluate(
            later.impressions,
            later.plays,
            candidates=later.candidates,
            log_end=settings.log_end,
            title=f"Causal Ranker, learner {learner}",
        )
        report.to_html(place / PAGE)
        (place / FIGURES).write_text(report.to_json(), encoding="utf-8")
    except OverlapError as error:
        refused = str(error)
        write_page(refused_report(error, background=[]), place / PAGE)
    ranker.save(place / MODELS)
    gain = ranker.trained_.chosen.difference
    return Trial(learner, gain.point, (gain.high - gain.low) / _WIDTH, str(place), refused)


def choose(trials: Sequence[Trial]) -> Trial:
    """Keep the simplest learner that is no more than a standard error behind the best.

    The hold-out has no say: it is to judge what was chosen without it.

    Parameters
    ----------
    trials : sequence of Trial
        The learners, simplest first.

    Returns
    -------
    Trial
        The one to judge.
    """
    best = max(trials, key=lambda trial: trial.value)
    return next(trial for trial in trials if trial.value >= best.value - best.error)


def judge(trial: Trial, gate: Gate) -> tuple[str, ...]:
    """Say what keeps a trial from being published.

    Parameters
    ----------
    trial : Trial
        The one that was chosen.
    gate : Gate
        What it has to show.

    Returns
    -------
    tuple of str
        Reasons; empty if it may be published.
    """
    if trial.refused is not None:
        return (f"the hold-out cannot be judged: {trial.refused}",)
    place = Path(trial.folder)
    figures = json.loads((place / FIGURES).read_text(encoding="utf-8"))["figures"]
    told = load_bundle(place / MODELS).manifest.evaluation
    reasons = []
    if not told["low"] > gate.least_gain:
        reasons.append(
            f"{told['policy']} gains {told['difference_to_base']:+.4g} plays per slot over the "
            f"base list, 95 % {told['low']:+.4g} to {told['high']:+.4g}: the lower end is not "
            f"above {gate.least_gain:g}"
        )
    outside = figures["share_left_out"]
    if not outside <= gate.largest_share_left_out:
        reasons.append(
            f"{outside:.1%} of the candidates are outside the overlap, more than "
            f"{gate.largest_share_left_out:.1%}"
        )
    tried = figures["refutation"] or {"checks": []}
    failed = sorted({c["refuter"] for c in tried["checks"] if c["verdict"] == "failed"})
    if len(failed) > gate.failed_refuters:
        reasons.append(f"refuters failed: {', '.join(failed)}")
    return tuple(reasons)


def record_run(
    settings: TrainSettings,
    folder: Path,
    *,
    begun: Begun,
    kept: Trial,
    reasons: Sequence[str],
    version: str | None,
) -> str:
    """Write ``run.json``, and say what came of the run.

    Parameters
    ----------
    settings : TrainSettings
        Settings.
    folder : Path
        The run's folder.
    begun : Begun
        What the first step knew of it.
    kept : Trial
        The learner that was chosen.
    reasons : sequence of str
        What kept it from being published.
    version : str or None
        The version that was published.

    Returns
    -------
    str
        A sentence.
    """
    record = finish(
        begun,
        folder,
        command="train flow",
        settings=settings,
        figures={
            "learner": kept.learner,
            "gain_on_choosing_days": kept.value,
            "published": version,
            "promoted": version is not None and settings.promote,
            "held_because": list(reasons),
        },
    )
    if settings.mlflow is not None:
        open_tracking(settings.mlflow)(record, folder)
    if version is None:
        return f"Nothing was published: {'; '.join(reasons)}."
    return f"{kept.learner} is published as {version}, and {_ANSWERS[settings.promote]}."


def _read(settings: TrainSettings) -> Logs:
    return read_logs(
        connection_of(config=settings.chain), **settings.logs.model_dump(), config=settings.chain
    )


def _fit(settings: TrainSettings, folder: Path, *, learner: str) -> tuple[CausalRanker, Logs]:
    """Fit on what came before the hold-out, which is returned."""
    past, later = split_logs(_read(settings), at=settings.holdout_from)
    ranker = CausalRanker(
        learner=learner,
        policy=settings.policy,
        base=None if settings.base == "logged" else settings.base,
        k=settings.k,
        horizon_hours=settings.horizon_hours,
        config=settings.chain,
        seed=settings.seed,
        checkpoint=folder / "nuisances",
    )
    ranker.fit(
        past.impressions,
        past.plays,
        candidates=past.candidates,
        users=past.users,
        items=past.items,
        log_end=settings.holdout_from,
    )
    return ranker, later
