"""The steps of `pipelines.train_flow` that learn; each can be called without the engine.

Steps hand over paths and small frames. A step that is run again writes its files again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from causal_ranker.chain.logs import Logs
from causal_ranker.chain.split import split_logs
from causal_ranker.errors import OverlapError
from causal_ranker.evaluation.report import refused_report
from causal_ranker.ranker import CausalRanker
from causal_ranker.reporting.files import write_page
from pipelines.labelling import read
from pipelines.settings import TrainSettings
from pipelines.trials import FIGURES, MODELS, PAGE, Trial

__all__ = ["learn", "prepare"]

#: Standard errors that a 95 % interval is wide.
_WIDTH: Final = 2 * 1.96


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


def _fit(settings: TrainSettings, folder: Path, *, learner: str) -> tuple[CausalRanker, Logs]:
    """Fit on what came before the hold-out, which is returned."""
    past, later = split_logs(read(settings), at=settings.holdout_from)
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
