"""Choose the effect estimator on later rows, that no candidate was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from causal_ranker.boosting import BoostConfig
from causal_ranker.uplift.base import Predicts, Rows
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.contest import (
    Fitting,
    estimates_along,
    fit_candidate,
    judge_rows,
    tune,
)
from causal_ranker.uplift.league import League, rank_estimates
from causal_ranker.uplift.nuisance import NuisanceValues

__all__ = ["Choice", "Trial", "choose_learner"]


@dataclass(frozen=True)
class Trial:
    """Settings of a model, and how it did.

    Attributes
    ----------
    config : BoostConfig
        The candidate's trees.
    loss : float
        Its loss on the choosing rows.
    """

    config: BoostConfig
    loss: float


@dataclass(frozen=True)
class Choice:
    """The learner that was chosen, and from which.

    Attributes
    ----------
    learner : Predicts
        Fitted on the training rows.
    league : League
        Every candidate with its gain on the choosing rows, simplest first.
    tuned : dict of str to float
        Rounds or penalty at which each candidate was best.
    """

    learner: Predicts
    league: League
    tuned: dict[str, float]


def choose_learner(
    candidates: Sequence[Candidate],
    *,
    fitting: Fitting,
    choose: Rows,
    choose_nuisances: NuisanceValues,
    advance: Callable[[], None] = lambda: None,
) -> Choice:
    """Fit each candidate on the training rows, and keep the best on later ones or a simpler one.

    Parameters
    ----------
    candidates : sequence of Candidate
        At least one, simplest first.
    fitting : Fitting
        Training rows, their nuisances and the settings that all share.
    choose : Rows
        Later rows to judge on.
    choose_nuisances : NuisanceValues
        Their nuisances, from models fitted on the training rows, out of the row's user fold.
    advance : callable
        Called once per candidate.

    Returns
    -------
    Choice
        The winner and the league.

    Raises
    ------
    OverlapError
        If an arm of the training rows has too few comparable rows, or no choosing row lies in
        the overlap band.
    """
    judged, kept = judge_rows(choose, choose_nuisances, lowest=fitting.config.lowest_propensity)
    at, found = np.flatnonzero(kept), {}
    for candidate in candidates:
        for setting, guess in estimates_along(candidate, fitting, choose.features, chosen=at):
            found[candidate.name, setting] = guess
        advance()
    best, tuned = tune(found, judged)
    league = rank_estimates(best, judged)
    winner = next(each for each in candidates if each.name == league.chosen)
    return Choice(fit_candidate(winner, fitting, setting=tuned[winner.name]), league, tuned)
