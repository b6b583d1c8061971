"""Which learner of `pipelines.train_flow` is kept, whether it may be published, and what is told.

Steps that decide do not load what trains learners.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from causal_ranker.runs.mlflow import open_tracking
from causal_ranker.serving.bundle import load_bundle
from pipelines.records import Begun, finish
from pipelines.settings import Gate, TrainSettings

__all__ = ["FIGURES", "MODELS", "PAGE", "Trial", "choose", "judge", "record_run"]

#: What lies in the folder of a trial.
PAGE: Final = "report.html"
FIGURES: Final = "report.json"
MODELS: Final = "models"
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
