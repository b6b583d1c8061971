"""Choose the final stage on rows that no candidate was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.errors import OverlapError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceValues
from causal_ranker.uplift.overlap import inside

__all__ = ["Trial", "choose_final"]


@dataclass(frozen=True)
class Trial:
    """One candidate and how it did.

    Attributes
    ----------
    config : BoostConfig
        The candidate's trees.
    loss : float
        Weighted mean squared distance from the doubly robust scores of the choosing rows; its
        differences estimate differences in mean squared error of the uplift.
    """

    config: BoostConfig
    loss: float


def choose_final(
    candidates: Sequence[BoostConfig],
    *,
    train: Rows,
    train_nuisances: NuisanceValues,
    choose: Rows,
    choose_nuisances: NuisanceValues,
    config: LearnerConfig,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> tuple[DRLearner, list[Trial]]:
    """Fit each candidate on the training rows and keep the one that predicts later scores best.

    Parameters
    ----------
    candidates : sequence of BoostConfig
        Final stages to try; at least one.
    train, choose : Rows
        Earlier rows to fit on, later rows to judge on.
    train_nuisances, choose_nuisances : NuisanceValues
        Their nuisances, from models fitted on `train`, out of the row's user fold.
    config : LearnerConfig
        Everything but the final stage.
    seed : int
        Seed of every candidate.
    advance : callable
        Called once per candidate.

    Returns
    -------
    DRLearner
        The fitted winner.
    list of Trial
        Every candidate with its loss, in the order given.

    Raises
    ------
    OverlapError
        If an arm of the training rows has too few comparable rows, or no choosing row lies in
        the overlap band.
    """
    kept = inside(choose_nuisances.propensity, lowest=config.lowest_propensity)
    if not kept.any():
        raise OverlapError(
            expected="choosing rows whose propensity lies in the overlap band",
            came=f"none among {len(choose)} rows",
            do="Explore: show what is shown with some chance, and log its propensity.",
        )
    scores = choose_nuisances.take(kept).scores(choose.treatment[kept], choose.outcome[kept])
    learners, trials = [], []
    for final in candidates:
        learner = DRLearner(
            config=LearnerConfig(**{**dict(config), "final": final}),
            seed=seed,
        ).fit(train, nuisances=train_nuisances)
        learners.append(learner)
        trials.append(Trial(final, _loss(learner, choose, scores, kept)))
        advance()
    best = int(np.argmin([trial.loss for trial in trials]))
    return learners[best], trials


def _loss(
    learner: DRLearner, rows: Rows, scores: NDArray[np.float64], kept: NDArray[np.bool_]
) -> float:
    assert learner.model_ is not None
    # Batch by batch: the rows may lie in a file.
    guess = predict_trees(learner.model_, rows.features, rows=np.flatnonzero(kept))
    miss = scores - guess
    return float(np.average(miss**2, weights=rows.weight[kept]))
